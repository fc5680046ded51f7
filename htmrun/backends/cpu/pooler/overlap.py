"""Overlaps from events: the rows of the on-inputs, added up in bit-sliced counters.

One word holds one bit of 64 columns' overlaps; a full adder takes in two rows for two
word operations on average. Cost: about one 64-byte step per on-input and 512 columns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.common.prefetch import ask_for
from htmrun.backends.cpu.pooler.adders import (
    BLOCK,
    GROUP,
    KEPT,
    LOW,
    carry_into,
    count_16_rows,
    count_block,
    count_more,
)
from htmrun.backends.cpu.pooler.layout import BYTES, I64, INNER, U64, Memory
from htmrun.backends.cpu.pooler.planes import spread_word
from htmrun.backends.cpu.pooler.simd import WORDS

CARRY = 8 * BYTES
"""The plane that carries; those below are the bits of the overlaps."""


_FAR = 1 << 20
"""Words of a matrix (8 MB) from which its rows are fetched ahead: caches no longer hold it."""


@njit(**INNER)
def count_overlaps(on: npt.NDArray[np.int32], m: Memory) -> int:
    """Leave every column's overlap with the on-inputs `on` in `m.planes`.

    Returns the number of planes in use; those above hold anything.
    """
    return count_rows(m.by_input, 0, on, m.planes, m.places)


@njit(**INNER)
def count_rows(
    rows: U64, first_row: int, on: npt.NDArray[np.int32], planes: U64, places: I64
) -> int:
    """Leave in `planes` how many rows first_row + `on` have each bit set; return planes in use.

    The last row of `rows` must be zero; rows and planes have the same length, whole steps of 8
    words. `places` is scratch for BLOCK + GROUP numbers.
    """
    n = len(on)
    width = rows.shape[1]
    used = LOW
    while (1 << used) <= n:
        used += 1
    for p in range(KEPT, used):
        for w in range(width):
            planes[p, w] = np.uint64(0)
    far = rows.shape[0] * width >= _FAR
    for first in range(0, max(n, 1), BLOCK):
        count = min(BLOCK, n - first)
        for j in range(count):
            places[j] = (first_row + np.int64(on[first + j])) * width
        for j in range(count, count + GROUP):
            places[j] = (rows.shape[0] - 1) * width
        top = _bits(first + count)
        if far:
            _count_far(rows, count, first, top, planes, places)
        elif first == 0:
            for at in range(0, width, WORDS):
                count_block(rows, places, count, planes, width, at, CARRY)
        else:
            for at in range(0, width, WORDS):
                count_more(rows, places, count, planes, width, at, CARRY)
            _ripple(planes, width, KEPT, top)
    return used


@njit(**INNER)
def _count_far(rows: U64, count: int, before: int, top: int, planes: U64, places: I64) -> None:
    """Count group by group: memory is read in pieces as long as rows."""
    width = rows.shape[1]
    if before == 0:
        for p in range(KEPT):
            for w in range(width):
                planes[p, w] = np.uint64(0)
    for first in range(0, count, GROUP):
        following = min(first + 2 * GROUP, count)
        for at in range(0, width, WORDS):
            for j in range(first + GROUP, following):
                ask_for(rows, places[j] + at)
            count_16_rows(rows, places, first, planes, width, at, CARRY)
        _ripple(planes, width, LOW, top)


@njit(**INNER)
def _bits(n: int) -> int:
    bits = 0
    while n:
        n >>= 1
        bits += 1
    return bits


@njit(**INNER)
def _ripple(planes: U64, width: int, low: int, high: int) -> None:
    for p in range(low, high):
        for at in range(0, width, WORDS):
            carry_into(planes, width, at, p, CARRY)


@njit(**INNER)
def spread_overlaps(used: int, m: Memory) -> int:
    """Turn bit planes into bytes in `m.overlap_bytes`; returns how many bytes are in use."""
    overlaps = m.overlap_bytes.view(np.uint8)
    count = (used + 7) // 8
    width = m.planes.shape[1]
    for byte in range(count):
        planes = min(used - 8 * byte, 8)
        for w in range(width):
            at = (byte * width + w) * 64
            spread_word(m.planes, 8 * byte, planes, width, w, overlaps, at)
    return count


@njit(**INNER)
def overlap_of(c: int, count: int, overlap_bytes: npt.NDArray[np.uint8]) -> np.int32:
    """Return the overlap of column `c` from `count` bytes (a uint8 view of `overlap_bytes`)."""
    total = np.int32(overlap_bytes[0, c])
    for byte in range(1, count):
        total |= np.int32(overlap_bytes[byte, c]) << (8 * byte)
    return np.int32(total)
