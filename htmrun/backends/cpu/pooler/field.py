"""Neighbourhoods of local inhibition, as masks of the columns of a line that are near a column.

A line is 512 columns. Only columns in some words, one after the other around the grid's end, are
near any column of a line: these alone have a mask for it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends import receptive_fields, topology
from htmrun.backends.cpu.common.numeric import JIT
from htmrun.backends.cpu.pooler.layout import I64, U64, Field, row_words, zeros
from htmrun.backends.cpu.pooler.simd import WORDS
from htmrun.backends.parameters import SpatialPoolerParameters, round_half_up


def make_field(p: SpatialPoolerParameters, radius: int) -> Field:
    """Return the neighbourhoods of local inhibition and boosting; empty where that is global.

    radius: that of inhibition.
    """
    none = np.zeros(0, np.int64)
    shape, around = np.array(p.column_shape or (), np.int64), none
    if p.boosts_locally:
        assert p.column_shape is not None
        reach = receptive_fields.boost_radius(p, radius)
        around = topology.neighbourhood_sizes(p.column_shape, reach, p.wrap)
    if p.inhibition == "global":
        bits, table = np.zeros((0, WORDS), np.uint64), np.zeros((0, 2), np.int64)
        return Field(bits, table, table, none, around, none, bits, none, shape)
    assert p.column_shape is not None
    indices, offsets = topology.neighbourhoods(p.column_shape, radius, p.wrap)
    sizes = np.diff(offsets)
    places = _places(p, sizes)
    words = -(-p.columns // (64 * WORDS)) * WORDS
    owners = np.repeat(np.arange(p.columns), sizes)
    touched = np.zeros((words, words), np.bool_)
    touched[owners // 64, indices // 64] = True
    by_line = np.asarray(touched.reshape(words, -1, WORDS).any(2))
    blocks, rows = _blocks_of(by_line)
    near = zeros((rows + 1, WORDS), np.uint64)
    _mask(indices, offsets, blocks, words, near)
    word, line = np.nonzero(by_line)
    row = blocks[line, 2] + 64 * (word + words * (word < blocks[line, 0]))
    starts = np.append(0, np.cumsum(by_line.sum(1)))
    limits = _limits(places, row_words(p.columns))
    usual = np.array([round(float(np.sum(places / sizes)))])
    lines = np.stack([line, row], axis=1)
    return Field(near, blocks, lines, starts, around, places, limits, usual, shape)


def _blocks_of(by_line: npt.NDArray[np.bool_]) -> tuple[I64, int]:
    """Return `Field.blocks` and their rows; `by_line`: words of columns near each line."""
    blocks, rows = [], 0
    for wanted in by_line.T:
        first, length = _shortest(wanted)
        blocks.append((first, first + length, rows - 64 * first))
        rows += 64 * length
    return np.array(blocks), rows


def _shortest(wanted: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return start and length of the shortest range, around the end or not, of all `wanted`."""
    at = np.flatnonzero(wanted)
    steps = np.diff(np.append(at, at[0] + len(wanted)))
    k = int(np.argmax(steps))
    return int(at[(k + 1) % len(at)]), len(wanted) - int(steps[k]) + 1


@njit(**JIT)
def _mask(indices: I64, offsets: I64, blocks: I64, words: int, near: U64) -> None:
    """Set the bits of `near` from ascending lists of neighbours."""
    for c in range(len(offsets) - 1):
        for j in range(offsets[c], offsets[c + 1]):
            i = indices[j]
            line = i // (64 * WORDS)
            row = blocks[line, 2] + c + 64 * words * np.int64(c >> 6 < blocks[line, 0])
            near[row, (i >> 6) % WORDS] |= np.uint64(1) << np.uint64(i & 63)


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


def most_winners(p: SpatialPoolerParameters, f: Field, radius: int) -> int:
    """Return a bound on the winners of one sample: a block's best ones at most win."""
    if p.inhibition == "global":
        return min(p.active_columns, p.columns)
    assert p.column_shape is not None
    block = _blocks(p.column_shape, radius, p.wrap)
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
