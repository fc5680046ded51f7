"""Grids of inputs and columns: who lies within reach of whom.

Distance is Chebyshev's, so every reach is a box: the product of one interval per
dimension. Grids wrap around at the edges or are cut there. Rule: docs/math.md, "Pool" and
"Winners, local".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.int64]


def same_dimensions(
    first: Sequence[int], second: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return both shapes with leading ones, so that they have equally many dimensions."""
    n = max(len(first), len(second))
    return (1,) * (n - len(first)) + tuple(first), (1,) * (n - len(second)) + tuple(second)


def interval(size: int, centre: int, radius: int, wrap: bool) -> Index:
    """Return the positions of a line of `size` within `radius` of `centre`, ascending, int64."""
    if wrap:
        if 2 * radius + 1 >= size:
            return np.arange(size)
        return np.sort(np.arange(centre - radius, centre + radius + 1) % size)
    return np.arange(max(0, centre - radius), min(size, centre + radius + 1))


def box(shape: Sequence[int], centre: Sequence[int], radius: int, wrap: bool) -> Index:
    """Return the flat positions of a grid within `radius` of `centre`, ascending, int64."""
    flat = np.zeros(1, np.int64)
    for size, middle in zip(shape, centre, strict=True):
        flat = (flat[:, None] * size + interval(size, middle, radius, wrap)).ravel()
    return flat


def neighbourhoods(shape: Sequence[int], radius: int, wrap: bool) -> tuple[Index, Index]:
    """Return every place's neighbourhood on the grid `shape`, itself included.

    Compressed rows: place c has ``indices[offsets[c]:offsets[c + 1]]``, ascending; both int64.
    """
    return _rows([box(shape, c, radius, wrap) for c in np.ndindex(*shape)])


def neighbourhood_sizes(shape: Sequence[int], radius: int, wrap: bool) -> Index:
    """Return how many places of `shape` are within `radius` of each, itself too, int64."""
    return box_sizes([[len(interval(n, at, radius, wrap)) for at in range(n)] for n in shape])


def box_sizes(lengths: Sequence[Sequence[int]]) -> Index:
    """Return products of one number of each list, the last list fastest, int64."""
    sizes = np.ones(1, np.int64)
    for line in lengths:
        sizes = (sizes[:, None] * np.array(line, np.int64)).ravel()
    return sizes


def reachable(
    input_shape: Sequence[int], column_shape: Sequence[int], radius: int, wrap: bool
) -> tuple[Index, Index]:
    """Return the inputs within `radius` of each column's centre, as `neighbourhoods` does.

    A column's centre in each dimension is ((2 * column + 1) * inputs) // (2 * columns).
    """
    inputs, columns = same_dimensions(input_shape, column_shape)
    rows = []
    for column in np.ndindex(*columns):
        middle = [
            ((2 * c + 1) * i) // (2 * n) for c, i, n in zip(column, inputs, columns, strict=True)
        ]
        rows.append(box(inputs, middle, radius, wrap))
    return _rows(rows)


def _rows(rows: list[Index]) -> tuple[Index, Index]:
    offsets = np.zeros(len(rows) + 1, np.int64)
    offsets[1:] = np.cumsum([len(r) for r in rows])
    return np.concatenate(rows), offsets
