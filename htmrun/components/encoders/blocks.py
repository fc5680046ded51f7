"""Contiguous blocks of on-bits: the shape that scalar, date and category encodings share."""

from __future__ import annotations

from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from htmrun.backends.bits import Bits
from htmrun.backends.parameters import Parameters
from htmrun.components.encoders import Size

Places = npt.NDArray[np.int64]
Whole = TypeVar("Whole", int, Places)


class BlockParameters(Parameters):
    """Size of an encoding and how many of its bits are on."""

    size: Size = Field(400, description="Number of bits.")
    active: Size = Field(21, description="On-bits of a value, one contiguous block.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.active >= self.size:
            raise ValueError(
                f"active: {self.active} of size = {self.size} bits, expected fewer than size"
            )
        return self


def one_block(place: int, active: int, size: int) -> Bits:
    """Return `block_bits` of one place."""
    return block_bits(np.array([place], np.int64), active, size)


def block_bits(place: Places, active: int, size: int) -> Bits:
    """Return Bits with `active` bits from `place` (int64, T) on; they wrap at `size`.

    A negative place stands for no value: no on-bits.
    """
    known = place >= 0
    rows = place[known, None] + np.arange(active)
    wrapping = rows[:, -1] >= size
    if wrapping.any():
        rows[wrapping] = np.sort(rows[wrapping] % size, axis=1)
    return Bits(size, rows.ravel().astype(np.int32), offsets(known * np.int64(active)))


def round_trip(since: Whole, period: Whole | int, size: int) -> Whole:
    """Return the bit of `size` that is nearest to `since` of a `period`, halves upwards.

    Whole numbers throughout, 0 <= since < period; what is nearer to the end than to the last
    bit is bit 0 again.
    """
    return (2 * since * size + period) // (2 * period) % size


def choose_rows(
    table: npt.NDArray[np.int32], counts: npt.NDArray[np.int64], index: Places, size: int
) -> Bits:
    """Return row `index[t]` of a table of on-bits for each t; a negative index gives none.

    Row i of `table` (rows, width) holds `counts[i]` ascending on-bits from the left.
    """
    known = index >= 0
    chosen = index[known]
    rows = table[chosen]
    per_sample = np.zeros(len(index), np.int64)
    per_sample[known] = counts[chosen]
    width = table.shape[1]
    if (counts[chosen] == width).all():
        return Bits(size, rows.ravel(), offsets(per_sample))
    filled = np.arange(width) < counts[chosen, None]
    return Bits(size, rows[filled], offsets(per_sample))


def distinct(
    bits: npt.NDArray[np.int32], size: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return each row's distinct bits, ascending and left-aligned, and how many there are.

    Behind them stands `size`, which is no bit. `bits` (rows, width) is changed.
    """
    bits.sort(axis=1)
    bits[:, 1:][bits[:, 1:] == bits[:, :-1]] = size
    bits.sort(axis=1)
    return bits, (bits < size).sum(1, dtype=np.int64)


def offsets(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return where each sample's on-bits begin and the last ones end, int64 (T + 1,)."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
