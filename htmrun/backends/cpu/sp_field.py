"""Neighbourhoods of local inhibition, as masks of the columns of a line that are near a column.

A line is 512 columns. Only columns in some words, one after the other around the grid's end, are
near any column of a line: these alone have a mask for it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends import topology
from htmrun.backends.cpu.numeric import JIT
from htmrun.backends.cpu.sp_lanes import WORDS
from htmrun.backends.cpu.sp_memory import I64, U64, Field, row_words, zeros
from htmrun.parameters import SpatialPoolerParameters, round_half_up


def make_field(p: SpatialPoolerParameters) -> Field:
    """Return the neighbourhoods of local inhibition; empty under global inhibition."""
    none = np.zeros(0, np.int64)
    if p.inhibition == "global":
        near, limits = np.zeros((0, 0, WORDS), np.uint64), np.zeros((0, 0), np.uint64)
        return Field(near, none, np.zeros((0, 2), np.int64), none, none, limits, none, none)
    assert p.column_shape is not None
    assert p.inhibition_radius is not None
    indices, offsets = topology.neighbourhoods(p.column_shape, p.inhibition_radius, p.wrap)
    sizes = np.diff(offsets)
    places = _places(p, sizes)
    words = -(-p.columns // (64 * WORDS)) * WORDS
    owners = np.repeat(np.arange(p.columns), sizes)
    touched = np.zeros((words, words), np.bool_)
    touched[owners // 64, indices // 64] = True
    by_line = touched.reshape(words, -1, WORDS).any(2)
    ranges = [_shortest(x) for x in by_line.T]
    first = np.array([a for a, _ in ranges])
    near = zeros((len(first), max(n for _, n in ranges) * 64 + 1, WORDS), np.uint64)
    _mask(indices, offsets, first, words, near)
    lines = np.array([(a, a + n) for a, n in map(_shortest, by_line)])
    usual = np.array([round(float(np.sum(places / sizes)))])
    shape = np.array(p.column_shape, np.int64)
    return Field(
        near, first, lines, sizes, places, _limits(places, row_words(p.columns)), usual, shape
    )


def _shortest(wanted: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return start and length of the shortest range, around the end or not, of all `wanted`."""
    at = np.flatnonzero(wanted)
    if len(at) == 0:
        return 0, 0
    steps = np.diff(np.append(at, at[0] + len(wanted)))
    k = int(np.argmax(steps))
    return int(at[(k + 1) % len(at)]), len(wanted) - int(steps[k]) + 1


@njit(**JIT)
def _mask(indices: I64, offsets: I64, first: I64, words: int, near: U64) -> None:
    """Set the bits of `near` from ascending lists of neighbours."""
    for c in range(len(offsets) - 1):
        for j in range(offsets[c], offsets[c + 1]):
            i = indices[j]
            line = i // (64 * WORDS)
            row = ((c >> 6) - first[line] + words) % words * 64 + (c & 63)
            near[line, row, (i >> 6) % WORDS] |= np.uint64(1) << np.uint64(i & 63)


def _places(p: SpatialPoolerParameters, sizes: I64) -> I64:
    by_size = {int(n): max(1, round_half_up(p.density * int(n))) for n in np.unique(sizes)}
    return np.array([by_size[int(n)] for n in sizes])


def _limits(places: I64, words: int) -> U64:
    """Return the bit planes of `places`."""
    values = np.zeros(words * 64, np.int64)
    values[: len(places)] = places
    bits = (values >> np.arange(int(places.max()).bit_length())[:, None] & 1).astype(np.uint8)
    limits = zeros((len(bits), words), np.uint64)
    limits[:] = np.packbits(bits, axis=1, bitorder="little").view(np.uint64)
    return limits


def most_winners(p: SpatialPoolerParameters, f: Field) -> int:
    """Return a bound on the winners of one sample: a block's best ones at most win."""
    if p.inhibition == "global":
        return min(p.active_columns, p.columns)
    assert p.column_shape is not None
    assert p.inhibition_radius is not None
    block = _blocks(p.column_shape, p.inhibition_radius, p.wrap)
    most = np.zeros(int(block.max()) + 1, np.int64)
    np.maximum.at(most, block, f.places)
    return int(np.minimum(np.bincount(block), most).sum())


def _blocks(shape: tuple[int, ...], radius: int, wrap: bool) -> I64:
    """Return each column's block; two columns of a block are at most `radius` apart."""
    block = np.zeros(1, np.int64)
    for n in shape:
        whole = 2 * radius + 1 >= n if wrap else radius + 1 >= n
        parts = 1 if whole else -(-n // (radius + 1))
        block = (block[:, None] * parts + np.arange(n) * parts // n).ravel()
    return block
