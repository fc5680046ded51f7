"""What a window keeps of its samples: a row of bits each for inputs and winners, and their turning.

A column learns from the samples that it won. Turned by 64 x 64 bits, the winners' rows say that of
64 columns at a time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.common.numeric import JIT, popcount, trailing_zeros
from htmrun.backends.cpu.pooler.layout import INNER, U64
from htmrun.backends.cpu.pooler.simd import turn_64

Index = npt.NDArray[np.int32]
FEW = 16
"""Samples of a window up to which winners are not turned."""
_AT_ONCE = 4
"""Samples that are listed whether or not they are there."""


@njit(**INNER)
def input_words(on: Index, row: U64) -> None:
    """Set the bits `on`, ascending, in `row`, clearing all others.

    A word is written anew with each of its bits, never read: the way through memory is long.
    """
    for w in range(len(row)):
        row[w] = np.uint64(0)
    before = np.int64(-1)
    word = np.uint64(0)
    for j in range(len(on)):
        w = np.int64(on[j]) >> 6
        word = word if w == before else np.uint64(0)
        word |= np.uint64(1) << np.uint64(on[j] & 63)
        row[w] = word
        before = w


@njit(**JIT)
def turn_block(a: U64) -> None:
    """Transpose 64 x 64 bits in place."""
    turn_64(a)


@njit(**INNER)
def turn_winners(w: int, samples: int, won: U64, turned: U64) -> np.uint64:
    """Leave in turned[g, c] which of the samples 64 g to 64 g + 63 column 64 w + c won.

    Up to FEW samples are left as they are, turned[0, s]: turning would take longer than looking.
    Returns which of these 64 columns won at all; nothing else is done if there are none.
    """
    some = np.uint64(0)
    for s in range(samples):
        some |= won[s, w]
    if some == np.uint64(0):
        return some
    if samples <= FEW:
        for s in range(samples):
            turned[0, s] = won[s, w]
        return some
    for g in range((samples + 63) // 64):
        block = turned[g]
        n = min(64, samples - 64 * g)
        for s in range(n):
            block[s] = won[64 * g + s, w]
        for s in range(n, 64):
            block[s] = np.uint64(0)
        turn_64(block)
    return some


@njit(**INNER)
def list_samples(c: int, samples: int, turned: U64, members: Index) -> int:
    """List in `members` the samples that column `c` of the 64 turned ones won; return how many.

    Up to _AT_ONCE places of `members` beyond them are overwritten.
    """
    n = 0
    if samples <= FEW:
        for s in range(samples):
            members[n] = np.int32(s)
            n += np.int64((turned[0, s] >> np.uint64(c)) & np.uint64(1))
        return n
    for g in range((samples + 63) // 64):
        left = turned[g, c]
        count = np.int64(popcount(left))
        # A few are written whether or not they are there: their number cannot be predicted.
        for j in range(_AT_ONCE):
            members[n + j] = np.int32(64 * g + np.int64(trailing_zeros(left)))
            left &= left - np.uint64(1)
        for j in range(_AT_ONCE, count):
            members[n + j] = np.int32(64 * g + np.int64(trailing_zeros(left)))
            left &= left - np.uint64(1)
        n += count
    return n
