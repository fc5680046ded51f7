"""Sizes of neighbourhoods and reaches, and shapes as the kernels take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from htmrun.backends import topology
from htmrun.errors import UserError

DIMENSIONS = 4
"""What `kernels/topology.cuh` walks."""


def four(shape: Sequence[int], field: str) -> npt.NDArray[np.int32]:
    """Return `shape` with leading ones as int32 (4,); `UserError` for more dimensions."""
    if len(shape) > DIMENSIONS:
        raise UserError(
            f"{field}: found {len(shape)} dimensions, expected at most {DIMENSIONS} with "
            "device = cuda"
        )
    return np.array((1,) * (DIMENSIONS - len(shape)) + tuple(shape), np.int32)


def neighbourhood_sizes(shape: Sequence[int], radius: int, wrap: bool) -> npt.NDArray[np.int64]:
    """Return how many columns lie within `radius` of each column of `shape`, int64 (columns,)."""
    lengths = [[_length(n, at, radius, wrap) for at in range(n)] for n in shape]
    return _products(lengths)


def reach_sizes(
    inputs: Sequence[int], columns: Sequence[int], radius: int, wrap: bool
) -> npt.NDArray[np.int64]:
    """Return how many inputs lie within `radius` of each column's centre, int64 (columns,)."""
    lengths = [
        [_length(i, ((2 * c + 1) * i) // (2 * n), radius, wrap) for c in range(n)]
        for i, n in zip(*topology.same_dimensions(inputs, columns), strict=True)
    ]
    return _products(lengths)


def _length(size: int, centre: int, radius: int, wrap: bool) -> int:
    return len(topology.interval(size, centre, radius, wrap))


def _products(lengths: Sequence[Sequence[int]]) -> npt.NDArray[np.int64]:
    sizes = np.ones(1, np.int64)
    for line in lengths:
        sizes = (sizes[:, None] * np.array(line, np.int64)).ravel()
    return sizes
