"""What is asked of many samples' on-bits at once, compiled: NumPy goes over them several times."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.bits import Bits
from htmrun.backends.cpu.common.checks import ALONE


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


@njit(**ALONE)
def _in_common(dense: Any, indices: Any, offsets: Any, found: Any) -> None:
    for t in range(found.shape[0]):
        count = 0
        for i in indices[offsets[t] : offsets[t + 1]]:
            count += dense[t, i]
        found[t] = count


@njit(**ALONE)
def _without(alive: Any, indices: Any, offsets: Any, left: Any, ends: Any) -> None:
    n = 0
    ends[0] = 0
    for t in range(ends.shape[0] - 1):
        for i in indices[offsets[t] : offsets[t + 1]]:
            left[n] = i  # There is room: no more are kept than were read.
            n += alive[i]
        ends[t + 1] = n
