"""How far local inhibition reaches where it follows the connected receptive fields.

Rule: docs/math.md, "Radius". Sources: BAMI, "Spatial Pooling Algorithm", averageReceptiveFieldSize;
Cui, Ahmad, Hawkins 2017.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.topology import same_dimensions

PERIOD = 200
"""Samples that are learned, at least, before the radius is computed again."""


def follows(p: SpatialPoolerParameters) -> bool:
    """Say whether the inhibition radius follows the connected receptive fields."""
    return p.inhibition == "local" and p.inhibition_radius == "connected"


def fixed_radius(p: SpatialPoolerParameters) -> int:
    """Return the radius of local inhibition that is given as a number; else 1."""
    return p.inhibition_radius if isinstance(p.inhibition_radius, int) else 1


def boost_radius(p: SpatialPoolerParameters, radius: int) -> int:
    """Return how far the neighbourhood of local boosting reaches; `radius`: that of inhibition."""
    return p.boost_radius or radius


def radius_of(p: SpatialPoolerParameters, input_shape: tuple[int, ...], spans: int) -> int:
    """Return the inhibition radius, 1 to the longest side of `column_shape`.

    spans: sizes of connected receptive fields, added up over all columns and dimensions. Half the
    diameter, which is their mean times the mean number of columns for each input of a dimension,
    rounded down: (diameter - 1) / 2, half up.
    """
    assert p.column_shape is not None
    inputs, columns = same_dimensions(input_shape, p.column_shape)
    whole = math.prod(inputs)
    ratios = sum(c * (whole // i) for c, i in zip(columns, inputs, strict=True))
    radius = spans * ratios // (2 * p.columns * len(inputs) ** 2 * whole)
    return max(1, min(radius, max(columns)))


def span_total(
    connected: npt.NDArray[np.bool_], p: SpatialPoolerParameters, input_shape: tuple[int, ...]
) -> int:
    """Return the spans of connected (columns, inputs), added up over columns and dimensions."""
    assert p.column_shape is not None
    shape, _ = same_dimensions(input_shape, p.column_shape)
    grid = connected.reshape(len(connected), *shape)
    axes = range(1, len(shape) + 1)
    total = 0
    for axis in axes:
        occupied = np.asarray(grid.any(axis=tuple(a for a in axes if a != axis)))
        total += int(spans(occupied, p.wrap).sum())
    return total


def spans(occupied: npt.NDArray[np.bool_], wrap: bool) -> npt.NDArray[np.int64]:
    """Return how long a stretch of the line holds all occupied places of each row, int64 (rows,).

    It may go around the end where the line wraps. 0 where no place is occupied.
    """
    n = occupied.shape[1]
    if not wrap:
        length = n - occupied.argmax(1) - occupied[:, ::-1].argmax(1)
    else:
        at = np.arange(2 * n)
        last = np.maximum.accumulate(np.where(np.tile(occupied, 2), at, -1), axis=1)
        length = n - (at - last)[:, n:].max(1)
    return np.where(occupied.any(1), length, 0).astype(np.int64)


def renewals(
    commit: Sequence[int] | npt.NDArray[np.uint8], pending: int, learned: int
) -> tuple[list[int], int]:
    """Return after how many samples the radius is computed again, and the samples since then.

    pending: samples of the open window; learned: samples committed since the radius was computed.
    """
    ends, before = [], -pending
    for stop in (np.flatnonzero(commit) + 1).tolist():
        learned, before = learned + stop - before, stop
        if learned >= PERIOD:
            ends.append(stop)
            learned = 0
    return ends, learned
