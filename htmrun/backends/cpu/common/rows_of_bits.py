"""What is asked of many samples' on-bits at once, compiled: NumPy goes over them several times."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.bits import Bits
from htmrun.backends.cpu.common.checks import ALONE, inside


def rows_of(bits: Bits) -> npt.NDArray[np.uint8]:
    """Return a (T, size) array of zeros and ones, as `Bits.dense` does in six times as long.

    ValueError for an on-bit that is not among the bits.
    """
    if not inside(bits.indices, bits.size):
        raise ValueError(f"on-bits outside of {bits!r}")
    dense = np.zeros((len(bits), bits.size), np.uint8)
    _rows_of(bits.indices, bits.offsets, dense)
    return dense


def in_common(dense: npt.NDArray[np.uint8], bits: Bits) -> npt.NDArray[np.int64]:
    """Return how many on-bits each sample has in common with its row of zeros and ones.

    dense: (T, size), C-contiguous. Returns int64 (T,). ValueError for another shape.
    """
    if dense.shape != (len(bits), bits.size):
        raise ValueError(f"rows of shape {dense.shape} beside {bits!r}")
    found = np.empty(len(bits), np.int64)
    _in_common(dense, bits.indices, bits.offsets, found)
    return found


def without(bits: Bits, alive: npt.NDArray[np.bool_]) -> Bits:
    """Return `bits` without the bits that are not `alive` (bool (size,)).

    ValueError if there are more or fewer flags than bits.
    """
    if len(alive) != bits.size:
        raise ValueError(f"{len(alive)} flags beside {bits!r}")
    left, ends = np.empty(len(bits.indices), np.int32), np.empty(len(bits) + 1, np.int64)
    _without(alive, bits.indices, bits.offsets, left, ends)
    return Bits(bits.size, left[: ends[-1]], ends)


def swapped(
    dense: npt.NDArray[np.bool_], rank: npt.NDArray[np.int32], moved: npt.NDArray[np.int32],
    offsets: npt.NDArray[np.int64],
) -> Bits:  # fmt: skip
    """Return samples of which on-bits and as many off-bits, those of lowest rank, have changed.

    dense, rank: (T, size), of each bit whether it is on and its rank among those of its side; moved
    (T,): how many change on each side. offsets: of the samples before and after.
    """
    found = np.empty(int(offsets[-1]) + 1, np.int32)
    _swapped(dense, rank, moved, found)
    return Bits(dense.shape[1], found[:-1], offsets)


@njit(**ALONE)
def _rows_of(indices: Any, offsets: Any, dense: Any) -> None:
    for t in range(np.uint64(dense.shape[0])):
        for k in range(np.uint64(offsets[t]), np.uint64(offsets[t + np.uint64(1)])):
            dense[t, np.uint64(indices[k])] = 1


@njit(**ALONE)
def _swapped(dense: Any, rank: Any, moved: Any, found: Any) -> None:
    n = np.uint64(0)
    for t in range(np.uint64(dense.shape[0])):
        for i in range(np.uint64(dense.shape[1])):
            found[n] = i  # The last of all may be no bit: for that there is one place more.
            n += np.uint64(dense[t, i] != (rank[t, i] < moved[t]))


@njit(**ALONE)
def _in_common(dense: Any, indices: Any, offsets: Any, found: Any) -> None:
    # Unsigned places need no look whether they are negative, which takes as long as the rest.
    for t in range(found.shape[0]):
        row, count = dense[t], np.uint64(0)
        for i in range(np.uint64(offsets[t]), np.uint64(offsets[t + 1])):
            count += np.uint64(row[np.uint64(indices[i])])
        found[t] = count


@njit(**ALONE)
def _without(alive: Any, indices: Any, offsets: Any, left: Any, ends: Any) -> None:
    n = np.uint64(0)
    ends[0] = 0
    for t in range(ends.shape[0] - 1):
        for k in range(np.uint64(offsets[t]), np.uint64(offsets[t + 1])):
            i = indices[k]
            left[n] = i  # There is room: no more are kept than were read.
            n += np.uint64(alive[np.uint64(i)])
        ends[t + 1] = n
