"""What is checked of every call, compiled: NumPy takes longer to begin than a sample takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.common.numeric import JIT

ALONE: dict[str, Any] = {**JIT, "_nrt": False}
"""Options of functions that allocate nothing: the call itself counts no references."""


@njit(**ALONE)
def inside(
    indices: npt.NDArray[np.int32] | npt.NDArray[np.int64], size: int, least: int = 0
) -> bool:
    """Say whether all `indices` are from `least`, at most 0, to size - 1."""
    low = high = np.int64(0)
    for i in indices:
        low, high = min(low, np.int64(i)), max(high, np.int64(i))
    return low >= least and (high < size or len(indices) == 0)
