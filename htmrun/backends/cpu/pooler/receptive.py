"""Sizes of connected receptive fields, from the bits of each column (docs/math.md, "Radius")."""

from __future__ import annotations

import numpy as np
from numba import njit

from htmrun.backends.cpu.common.numeric import trailing_zeros
from htmrun.backends.cpu.pooler.layout import HOT, I64, INNER, U64


@njit(**INNER)
def _bits_at(row: U64, at: int, count: int) -> np.uint64:
    """Return `count` <= 64 bits of a row from place `at` on; the row has a word to spare."""
    word, shift = at >> 6, np.uint64(at & 63)
    bits = row[word] >> shift
    if shift != np.uint64(0):
        bits |= row[word + 1] << (np.uint64(64) - shift)
    if count < 64:
        bits &= (np.uint64(1) << np.uint64(count)) - np.uint64(1)
    return bits


@njit(**INNER)
def _span(line: U64, n: int, wrap: bool) -> int:
    """Return the length of the shortest stretch that has all bits of a line of `n` places."""
    first, last, gap = np.int64(-1), np.int64(-1), np.int64(1)
    for w in range((n + 63) >> 6):
        left = line[w]
        while left != np.uint64(0):
            at = np.int64(w * 64 + np.int64(trailing_zeros(left)))
            left &= left - np.uint64(1)
            if first < 0:
                first = at
            else:
                gap = max(gap, at - last)
            last = at
    if first < 0:
        return np.int64(0)
    if not wrap:
        return last - first + 1
    return n - max(gap, first + n - last) + 1


@njit(**HOT)
def span_total(columns: int, connected: U64, shape: I64, wrap: bool, row: U64, line: U64) -> int:
    """Return the spans of all columns, added up over the dimensions of `shape`.

    row, line: scratch, a word longer than a row of `connected`. The last dimension is folded away
    each time: what is left has a bit for each line that had any.
    """
    total, places = np.int64(0), np.int64(1)
    for n in shape:
        places *= n
    for c in range(columns):
        for w in range(connected.shape[1]):
            row[w] = connected[c, w]
        row[connected.shape[1]] = np.uint64(0)
        left = places
        for d in range(len(shape) - 1, -1, -1):
            n = shape[d]
            words = (n + 63) >> 6
            left //= n
            for w in range(words):
                line[w] = np.uint64(0)
            for r in range(left):
                found = np.uint64(0)
                for w in range(words):
                    bits = _bits_at(row, r * n + 64 * w, min(n - 64 * w, 64))
                    line[w] |= bits
                    found |= bits
                # Bit r has been read by now.
                bit = np.uint64(1) << np.uint64(r & 63)
                if found != np.uint64(0):
                    row[r >> 6] |= bit
                else:
                    row[r >> 6] &= ~bit
            total += _span(line, n, wrap)
    return total
