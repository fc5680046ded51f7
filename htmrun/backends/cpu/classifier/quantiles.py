"""Shares of a distribution, compiled: of one row NumPy's calls take longer to begin than to sum."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.common.checks import ALONE


@njit(**ALONE)
def _quantiles(probability: Any, shares: Any, out: Any) -> None:
    """Write where a distribution reaches each share: the operations of `buckets.quantiles`."""
    total = 0.0
    for c in range(probability.shape[1]):
        total += np.float64(probability[0, c])
    for s in range(shares.shape[0]):
        summed, below, share = 0.0, 0.0, shares[s]
        for c in range(probability.shape[1]):
            summed += np.float64(probability[0, c])
            reached = summed / total
            if not reached < share:
                out[s] = c + (share - below) / (reached - below)
                break
            below = reached


@lru_cache(maxsize=64)
def _array(shares: tuple[float, ...]) -> npt.NDArray[np.float64]:
    return np.array(shares, np.float64)


def quantiles(probability: npt.NDArray[np.float32], shares: Sequence[float]) -> list[float]:
    """Return below what each share of one distribution (1, buckets) lies, counted in buckets."""
    out = np.empty(len(shares))
    _quantiles(probability, _array(tuple(shares)), out)
    found: list[float] = out.tolist()
    return found
