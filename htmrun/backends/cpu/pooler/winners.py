"""Global inhibition: exactly the k best columns, without sorting."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.common.numeric import popcount
from htmrun.backends.cpu.pooler.layout import INNER, U64, Memory
from htmrun.backends.cpu.pooler.overlap import overlap_of
from htmrun.backends.cpu.pooler.places import write_word
from htmrun.backends.cpu.pooler.planes import reaching
from htmrun.backends.cpu.pooler.select import first_digit, settle_digit


@njit(**INNER)
def able_columns(used: int, stimulus: int, able: U64, m: Memory) -> None:
    """Leave in `able` the columns whose overlap reaches `stimulus`."""
    reaching(m.planes, used, stimulus, len(able), able)


@njit(**INNER)
def best_overlaps(used: int, k: int, stimulus: int, m: Memory) -> None:
    """Leave in `m.selected` the k columns of highest overlap: radix selection on the planes.

    Columns under `stimulus` are left out.
    """
    width = len(m.candidates)
    none, every = np.uint64(0), np.uint64(0xFFFFFFFFFFFFFFFF)
    digit = (used - 1) // 2 * 2
    if digit + 1 == used:
        for w in range(width):
            m.planes[used, w] = none
    need = k
    level = 0
    n1, n2, n3 = first_digit(m.planes, width, digit, m.candidates, m.selected)
    while digit >= 0:
        # The digit of the k-th best, bit by bit: enough have it, or those that do are all in.
        high = n2 >= need
        low = (n3 if high else n1) >= need
        if high:
            need -= np.int64(0) if low else n3
        else:
            need -= n2 if low else n1
        level |= (2 * np.int64(high) + np.int64(low)) << digit
        above_high, above_low = none if high else every, none if low else every
        n1, n2, n3 = settle_digit(
            m.planes, width, digit, above_high, above_low, m.candidates, m.selected
        )
        digit -= 2
    _take_lowest(need, m.candidates, m.selected)
    if level < stimulus:
        able_columns(used, stimulus, m.candidates, m)
        for w in range(width):
            m.selected[w] &= m.candidates[w]


@njit(**INNER)
def _take_lowest(need: int, source: U64, target: U64) -> None:
    w = 0
    while need > 0:
        left = source[w]
        n = np.int64(popcount(left))
        if n <= need:
            target[w] |= left
            need -= n
        else:
            for _ in range(need):
                lowest = left & (~left + np.uint64(1))
                target[w] |= lowest
                left ^= lowest
            need = 0
        w += 1


@njit(**INNER)
def write_columns(chosen: U64, out: npt.NDArray[np.int32], at: int) -> int:
    """Write the columns set in `chosen` to out[at:], ascending; return the end position.

    Up to SLACK places beyond the end are overwritten: how many columns a word holds cannot be
    predicted, so a few are written whether or not they are there.
    """
    for w in range(len(chosen)):
        write_word(chosen[w], np.int32(64 * w), out, at)
        at += np.int64(popcount(chosen[w]))
    return at


@njit(**INNER)
def score_columns(count: int, stimulus: int, factors: npt.NDArray[np.float32], m: Memory) -> None:
    """Leave float32(overlap) * factor in `m.scores`, 0 for columns that cannot win.

    Positive IEEE floats are ordered like their representations as integers.
    """
    overlaps = m.overlap_bytes.view(np.uint8)
    low = overlaps[0]
    scores = m.scores
    if count == 1:
        for c in range(len(scores)):
            v = np.int32(low[c])
            scores[c] = np.float32(v) * factors[c] if v >= stimulus else np.float32(0)
    else:
        for c in range(len(scores)):
            v = overlap_of(c, count, overlaps)
            scores[c] = np.float32(v) * factors[c] if v >= stimulus else np.float32(0)
