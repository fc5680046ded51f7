"""Categories: on-bits that say nothing about nearness."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from htmrun.backends import rng
from htmrun.backends.bits import Bits
from htmrun.components.encoders import EncoderParameters, Input, Size
from htmrun.components.encoders.blocks import Places, block_bits, choose_rows
from htmrun.components.encoders.buckets import BucketEncoder
from htmrun.components.encoders.numbers import finite_numbers, one_number
from htmrun.components.registry import register
from htmrun.errors import UserError

RANDOM_SIZE = 2048
WORDS_AT_ONCE = 1 << 22


class CategoryEncoderParameters(EncoderParameters):
    """Categories that share no meaning: a block each, or random bits."""

    kind: Literal["category"] = "category"
    mode: Literal["blocks", "random"] = Field(
        "blocks", description="A block of its own for each category, or random bits of `size`."
    )
    categories: int | None = Field(
        None, ge=1, le=1 << 24, description="Number of categories; null: of the data."
    )
    size: Size | None = Field(
        None, description="Number of bits; null: categories * active (blocks) or 2048 (random)."
    )
    active: Size = Field(21, description="On-bits of a category.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.size is not None and self.active > self.size:
            raise ValueError(
                f"active: {self.active} of size = {self.size} bits, expected at most size"
            )
        return self


@register("encoder", CategoryEncoderParameters)
class CategoryEncoder(BucketEncoder):
    """Category c has the bits c * active .. c * active + active - 1, or `active` random ones.

    Random: the bits with the smallest (word(ENCODER, c, bit), bit), so exactly `active`.
    """

    usual = "symbol"
    nominal = True

    def __init__(self, p: CategoryEncoderParameters, field: Input, seed: int) -> None:
        super().__init__(p, field, seed)
        self.active = p.active
        self.categories = categories = p.categories or _categories(field)
        blocks = categories * p.active
        if p.mode == "blocks" and (p.size or blocks) < blocks:
            raise UserError(
                f"{self.path}.size: {p.size} bits for {categories} categories of {p.active}, "
                f"expected at least {blocks}, null, or mode=random"
            )
        self.size = p.size or (blocks if p.mode == "blocks" else max(RANDOM_SIZE, p.active))
        self.shape = (self.size,)
        self._table: npt.NDArray[np.int32] | None = None
        if p.mode == "random":
            self._table = random_bits(categories, self.size, p.active, seed)
        self._name = field.name

    def bucket(self, fields: Mapping[str, np.ndarray]) -> float | None:
        """Return the category of a single sample."""
        one = one_number(fields[self._name])
        if one is not None and 0.0 <= one < self.categories and one % 1.0 == 0.0:
            return one
        return None

    def bits_of(self, bucket: float) -> Bits:
        """Return the bits of a category."""
        return self._bits(np.array([bucket], np.int64))

    def encode_many(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Encode whole numbers (T,) from 0 to categories - 1."""
        values = finite_numbers(fields, self.fields[0], self.path)
        absent = np.isnan(values)
        wrong = ~absent & ((values < 0) | (values >= self.categories) | (values % 1 != 0))
        if wrong.any():
            raise UserError(
                f"{self.path}.categories: found category {values[wrong.argmax()]:g} in field "
                f"'{self.fields[0]}', expected a whole number from 0 to {self.categories - 1}"
            )
        return self._bits(np.where(absent, -1, values).astype(np.int64))

    def _bits(self, category: Places) -> Bits:
        """Return the bits of categories (T,); -1 has none."""
        if self._table is None:
            return block_bits(
                np.where(category < 0, -1, category * self.active), self.active, self.size
            )
        counts = np.full(self.categories, self.active, np.int64)
        return choose_rows(self._table, counts, category, self.size)


def _categories(field: Input) -> int:
    high = field.range("categories")[1]
    if not 0 <= high < 1 << 24:
        raise UserError(
            f"{field.path}.categories: field '{field.name}' goes up to {high:g}, expected "
            "categories 0, 1, 2 and so on"
        )
    return int(high) + 1


@lru_cache(maxsize=2)
def random_bits(categories: int, size: int, active: int, seed: int) -> npt.NDArray[np.int32]:
    """Return `active` distinct ascending bits per category, int32 (categories, active), read-only.

    Kept, since the encoder of the first seed is built for each arm to see what follows from it.
    """
    key = rng.key(seed, rng.Purpose.ENCODER)
    table = np.empty((categories, active), np.int32)
    step = max(1, WORDS_AT_ONCE // size)
    for first in range(0, categories, step):
        category = np.arange(first, min(first + step, categories), dtype=np.uint64)
        words = rng.hash2(key, category[:, None], np.arange(size, dtype=np.uint64))
        # The hash is one to one: a category has no two words alike, whose order would matter.
        chosen = np.argpartition(words, active - 1, axis=1)[:, :active]
        table[first : first + step] = np.sort(chosen, axis=1)
    table.flags.writeable = False
    return table
