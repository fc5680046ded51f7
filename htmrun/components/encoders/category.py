"""Categories: on-bits that say nothing about nearness."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from htmrun.backends import rng
from htmrun.backends.bits import Bits
from htmrun.components.encoders.blocks import block_bits, choose_rows
from htmrun.components.encoders.parameters import CategoryEncoderParameters
from htmrun.components.encoders.scalar import finite_numbers
from htmrun.components.registry import register
from htmrun.errors import UserError

RANDOM_SIZE = 2048
WORDS_AT_ONCE = 1 << 22


@register("encoder", CategoryEncoderParameters)
class CategoryEncoder:
    """Category c has the bits c * active .. c * active + active - 1, or `active` random ones.

    Random: the bits with the smallest (word(ENCODER, c, bit), bit), so exactly `active`.
    """

    left_out: tuple[str, ...] = ()

    def __init__(
        self, p: CategoryEncoderParameters, field: str, categories: int, seed: int, path: str
    ) -> None:
        self.active = p.active
        self.categories = categories
        self.path = path
        self.fields: tuple[str, ...] = (field,)
        blocks = categories * p.active
        if p.mode == "blocks" and (p.size or blocks) < blocks:
            raise UserError(
                f"{path}.size: {p.size} bits for {categories} categories of {p.active}, expected "
                f"at least {blocks}, null, or mode=random"
            )
        self.size = p.size or (blocks if p.mode == "blocks" else max(RANDOM_SIZE, p.active))
        self.shape: tuple[int, ...] = (self.size,)
        self._table: npt.NDArray[np.int32] | None = None
        if p.mode == "random":
            self._table = random_bits(categories, self.size, p.active, seed)

    def encode(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Encode whole numbers (T,) from 0 to categories - 1."""
        values = finite_numbers(fields, self.fields[0], self.path)
        absent = np.isnan(values)
        wrong = ~absent & ((values < 0) | (values >= self.categories) | (values % 1 != 0))
        if wrong.any():
            raise UserError(
                f"{self.path}.categories: found category {values[wrong.argmax()]:g} in field "
                f"'{self.fields[0]}', expected a whole number from 0 to {self.categories - 1}"
            )
        category = np.where(absent, -1, values).astype(np.int64)
        if self._table is None:
            return block_bits(np.where(absent, -1, category * self.active), self.active, self.size)
        counts = np.full(self.categories, self.active, np.int64)
        return choose_rows(self._table, counts, category, self.size)


def random_bits(categories: int, size: int, active: int, seed: int) -> npt.NDArray[np.int32]:
    """Return `active` distinct ascending bits per category, int32 (categories, active)."""
    key = rng.key(seed, rng.Purpose.ENCODER)
    table = np.empty((categories, active), np.int32)
    step = max(1, WORDS_AT_ONCE // size)
    for first in range(0, categories, step):
        category = np.arange(first, min(first + step, categories), dtype=np.uint64)
        words = rng.hash2(key, category[:, None], np.arange(size, dtype=np.uint64))
        chosen = np.argsort(words, axis=1, kind="stable")[:, :active]
        table[first : first + step] = np.sort(chosen, axis=1)
    return table
