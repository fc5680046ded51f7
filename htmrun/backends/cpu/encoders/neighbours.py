"""Bits of a place, compiled: `components.encoders.neighbours` of a single place that is new.

Floor: a hash of each cell around the place in each dimension. NumPy starts thirty operations for
it, each of which takes as long as all the hashes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.common.checks import ALONE
from htmrun.backends.cpu.common.numeric import mix


@njit(**ALONE)
def _sift(heap: Any, at: int, end: int) -> None:
    """Let the number at a place sink in heap[:end], whose largest is the first."""
    moved = heap[at]
    while True:
        child = 2 * at + 1
        if child >= end:
            break
        if child + 1 < end and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= moved:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = moved


@njit(**ALONE)
def _heaped(heap: Any) -> None:
    for at in range(heap.shape[0] // 2 - 1, -1, -1):
        _sift(heap, at, heap.shape[0])


@njit(**ALONE)
def _sorted(heap: Any) -> None:
    """Sort what is heaped, ascending."""
    for end in range(heap.shape[0] - 1, 0, -1):
        heap[0], heap[end] = heap[end], heap[0]
        _sift(heap, 0, end)


@njit(**ALONE)
def _drawn(cell: Any, around: Any, key: Any, size: int, best: Any, bits: Any) -> int:
    """Write the distinct bits of a cell, ascending, and return how many there are."""
    active = best.shape[0]
    for i in range(around.shape[0]):
        word = key[0]
        for axis in range(around.shape[1]):
            word = mix(word ^ np.uint64(cell[axis] + around[i, axis]))
        # Which of two equal words is taken makes no difference: their bits are equal.
        if i < active:
            best[i] = word
            if i == active - 1:
                _heaped(best)
        elif word < best[0]:
            best[0] = word
            _sift(best, 0, active)
    for i in range(active):
        high = mix(best[i] ^ np.uint64(1)) >> np.uint64(32)
        bits[i] = np.int32((high * np.uint64(size)) >> np.uint64(32))
    _heaped(bits)
    _sorted(bits)
    count = 1
    for i in range(1, active):
        if bits[i] != bits[count - 1]:
            bits[count] = bits[i]
            count += 1
    return count


def drawn(
    cell: npt.NDArray[np.int64],
    around: npt.NDArray[np.int64],
    key: npt.NDArray[np.uint64],
    active: int,
    size: int,
) -> npt.NDArray[np.int32]:
    """Return the on-bits of one cell (dimensions,), ascending.

    around (cells, dimensions): the way to each cell that may be drawn, at least `active` of them;
    key (1,): of the hash.
    """
    best, bits = np.empty(active, np.uint64), np.empty(active, np.int32)
    return bits[: _drawn(cell, around, key, size, best, bits)]
