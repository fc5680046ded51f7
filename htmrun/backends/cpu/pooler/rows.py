"""A column's row of permanences, word by word: of the last one half may not be there."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.pooler.layout import INNER, SHIFT
from htmrun.backends.cpu.pooler.simd import (
    adapt_by_bits,
    adapt_by_change,
    adapt_half_by_bits,
    adapt_half_by_change,
)
from htmrun.backends.fixed_point import PERMANENCE_ONE

I16 = npt.NDArray[np.int16]
_TOP = PERMANENCE_ONE - SHIFT


def _adapting(whole: bool) -> Any:
    """Make the step for a whole word, or for half of one."""

    @njit(**INNER)
    def adapt(
        x: I16, c: int, w: int, bits: np.uint64, change: tuple[int, int], threshold: int
    ) -> np.uint64:
        at, limit = c * x.shape[1] + 64 * w, np.int16(threshold - SHIFT)
        up, down, top = np.int16(change[0]), np.int16(change[1]), np.int16(_TOP)
        if whole:
            return adapt_by_bits(x, at, bits, up, down, top, limit)
        return adapt_half_by_bits(x, at, bits, up, down, top, limit)

    return adapt


adapt_whole = _adapting(whole=True)
"""(x, c, w, bits, change, threshold): add change[0] to the permanences of word `w` of column `c`
whose bit is set, else change[1]. Returns the uint64 mask of those from `threshold` on."""

adapt_half = _adapting(whole=False)
"""The same of half a word."""


@njit(**INNER)
def adapt_word(
    x: I16, c: int, w: int, bits: np.uint64, change: tuple[int, int], threshold: int
) -> np.uint64:
    """The same of whichever it is."""
    if is_whole(w, x):
        return adapt_whole(x, c, w, bits, change, threshold)
    return adapt_half(x, c, w, bits, change, threshold)


@njit(**INNER)
def change_word(x: I16, c: int, w: int, change: I16, threshold: int) -> np.uint64:
    """Add `change`, of a whole row, to word `w` of column `c`; return the same mask."""
    at, limit = c * x.shape[1] + 64 * w, np.int16(threshold - SHIFT)
    if is_whole(w, x):
        return adapt_by_change(x, at, change, 64 * w, np.int16(_TOP), limit)
    return adapt_half_by_change(x, at, change, 64 * w, np.int16(_TOP), limit)


@njit(**INNER)
def is_whole(w: int, x: I16) -> bool:
    """Return whether word `w` of rows has 64 places."""
    return 64 * w + 64 <= x.shape[1]
