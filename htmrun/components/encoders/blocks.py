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


def one_block(place: int, active: int, size: int) -> Bits:
    """Return what `block_bits` does for one place that is not negative."""
    beyond = place + active - size
    if beyond <= 0:
        indices = np.arange(place, place + active, dtype=np.int32)
    else:
        around = np.arange(beyond, dtype=np.int32), np.arange(place, size, dtype=np.int32)
        indices = np.concatenate(around)
    return Bits(size, indices, np.array([0, active], np.int64))


def no_bits(size: int) -> Bits:
    """Return one sample without on-bits."""
    return Bits(size, np.zeros(0, np.int32), np.zeros(2, np.int64))


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


def offsets(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return where each sample's on-bits begin and the last ones end, int64 (T + 1,)."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
