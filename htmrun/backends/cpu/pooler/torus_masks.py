"""Masks of the neighbourhoods on a torus of 64 x 32 columns, few enough to stay in caches."""

from __future__ import annotations

import numpy as np
from numba import njit

from htmrun.backends.cpu.pooler.layout import INNER, U64
from htmrun.backends.cpu.pooler.torus_counts import MOST, REACH, ROW, ROWS
from htmrun.backends.cpu.pooler.torus_neighbours import NEAR
from htmrun.backends.parameters import SpatialPoolerParameters


def torus_masks(p: SpatialPoolerParameters, places: int) -> U64:
    """Return masks of neighbours, uint64 (kinds * ROW, 2 * NEAR); none for any other grid.

    None if there are too many `places`, too. A row of masks: the neighbours, then those of a lower
    index, from the word on in which the first row of the neighbourhood lies. Kinds of rows: those
    in the middle, for neighbourhoods that begin a word or do not, then each from whose
    neighbourhoods both ends are seen, the last ones before the first.
    """
    assert p.inhibition_radius is not None
    radius = p.inhibition_radius
    if p.column_shape != (ROWS, ROW) or not p.wrap or radius > REACH or places > MOST:
        return np.zeros((0, 2 * NEAR), np.uint64)
    middle = ROWS // 2 + radius % 2
    ends = [*range(ROWS - radius, ROWS), *range(radius)]
    x = np.array([middle, middle ^ 1, *ends])
    first = (x - radius) % ROWS // 2 * 2
    row = (first[:, None] + np.arange(2 * NEAR)) % ROWS
    place = np.arange(ROW)
    near = ((row - x[:, None] + radius) % ROWS <= 2 * radius)[:, None, :, None]
    near = near & ((place - place[:, None] + radius) % ROW <= 2 * radius)[:, None, :]
    column = (row * ROW)[:, None, :, None] + place
    before = near & (column < (x[:, None] * ROW + place)[:, :, None, None])
    bits = np.stack([near, before], axis=2).reshape(len(x) * ROW, -1)
    return np.packbits(bits, axis=1, bitorder="little").view(np.uint64)


@njit(**INNER)
def first_word(c: int, radius: int) -> int:
    """Return the word in which the first row of the neighbourhood of column `c` lies."""
    return (((c // ROW) - radius) & (ROWS - 1)) >> 1


@njit(**INNER)
def masks_of(c: int, radius: int) -> int:
    """Return the row of masks of column `c`."""
    x = c // ROW
    # Without a jump: which columns are near the ends cannot be predicted.
    end = (x + radius) & (ROWS - 1)
    inner = np.int64(end >= 2 * radius)
    kind = inner * ((x - radius) & 1) + (1 - inner) * (end + 2)
    return kind * ROW + c % ROW
