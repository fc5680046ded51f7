"""Cells as the kernels keep them: words of 32 cells for each column of a row.

A row is a sample's columns with their active and winner cells. What a window's events refer
to are the rows before their samples, so the rows of an open window stay, on the host, and
go in front of the next chunk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmrun.backends.bits import Bits

U32 = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Rows:
    """Columns with cells, row by row.

    columns: the columns of each row. active, winners: uint32 (columns of all rows, words), bit
    i of word w is cell 32 * w + i of the column. following, int64 (rows,): the number of the
    sample after each row.
    """

    columns: Bits
    active: U32
    winners: U32
    following: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.columns)


def rows_of(
    active: Bits, winners: Bits, following: npt.NDArray[np.int64], cells_per_column: int
) -> Rows:
    """Return rows for given cells, whose columns are those of active and winner cells."""
    size = active.size // cells_per_column
    columns = []
    for t in range(len(active)):
        cells = np.concatenate([active.row(t), winners.row(t)])
        columns.append(np.unique(cells // cells_per_column))
    bits = Bits.from_rows(size, columns)
    return Rows(
        bits,
        _words_of(active, bits, cells_per_column),
        _words_of(winners, bits, cells_per_column),
        following,
    )


def _words_of(cells: Bits, columns: Bits, cells_per_column: int) -> U32:
    words = -(-cells_per_column // 32)
    out = np.zeros((len(columns.indices), words), np.uint32)
    row = np.repeat(np.arange(len(cells)), cells.counts())
    # Rows and columns together ascend, so one search finds the place of each cell's column.
    key = np.repeat(np.arange(len(columns)), columns.counts()) * columns.size + columns.indices
    place = np.searchsorted(key, row * columns.size + cells.indices // cells_per_column)
    k = cells.indices % cells_per_column
    np.bitwise_or.at(out, (place, k // 32), np.uint32(1) << (k % 32).astype(np.uint32))
    return out


def cells_of(columns: Bits, words: U32, cells_per_column: int) -> Bits:
    """Return the cells that `words` hold for each row of `columns`."""
    flat, each = words.reshape(-1), words.shape[1]
    column = columns.indices[:, None].astype(np.int64)
    first = (column * cells_per_column + np.arange(0, 32 * each, 32)).reshape(-1)
    counts = np.bitwise_count(flat).astype(np.int64)
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    cells = np.empty(before[-1], np.int32)
    # Nearly every word holds one cell, a winner or a predicted one; few are worth unpacking.
    one, more = counts == 1, np.flatnonzero(counts > 1)
    cells[before[:-1][one]] = first[one] + np.bitwise_count(flat[one] - np.uint32(1))
    octets = flat[more].astype("<u4").view(np.uint8).reshape(-1, 4)
    place, bit = np.nonzero(np.unpackbits(octets, axis=1, bitorder="little"))
    rank = np.arange(len(place)) - np.repeat(np.cumsum(counts[more]) - counts[more], counts[more])
    cells[before[more][place] + rank] = first[more][place] + bit
    return Bits(columns.size * cells_per_column, cells, before[columns.offsets * each])
