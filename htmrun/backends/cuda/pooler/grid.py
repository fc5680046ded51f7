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


def reach_sizes(
    inputs: Sequence[int], columns: Sequence[int], radius: int, wrap: bool
) -> npt.NDArray[np.int64]:
    """Return how many inputs lie within `radius` of each column's centre, int64 (columns,)."""
    return topology.box_sizes(
        [
            [
                len(topology.interval(i, ((2 * c + 1) * i) // (2 * n), radius, wrap))
                for c in range(n)
            ]
            for i, n in zip(*topology.same_dimensions(inputs, columns), strict=True)
        ]
    )
