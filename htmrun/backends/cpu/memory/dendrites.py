"""Which segments are active, and which ones match: the half that reads segments only.

Connected entries give the active segments, hence the prediction. Potential synapses are
counted only where an answer depends on them (columns that burst, or all when silent
columns are punished), from the lists or from the columns' own segments, whichever is
less to read. Both give the same counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from htmrun.backends.cpu.common.numeric import mix
from htmrun.backends.cpu.memory.arrays import CONNECTED, LENGTH, START
from htmrun.backends.cpu.memory.index import INLINE

_HIT = np.uint8(1)


@njit(**INLINE)
def count_connected(
    active: Any, threshold: int, bits: int, index: Any, pool: Any, segments: Any
) -> tuple[int, int, int]:
    """Count active connected synapses in `segments.tally`.

    Returns how many segments reached `threshold` (listed in `segments.matching`), entries
    read, and entries of the same lists that are not connected.
    """
    count, matching = segments.tally, segments.matching
    m = 0
    read = 0
    rest = 0
    shift = np.uint32(bits)
    for q in range(active.shape[0]):
        cell = active[q]
        start = index[cell, START]
        connected = index[cell, CONNECTED]
        read += connected
        rest += index[cell, LENGTH] - connected
        for e in range(start, start + connected):
            s = pool[np.uint64(e)] >> shift
            c = count[s] + _HIT
            count[s] = c
            if c == threshold:
                matching[m] = s
                m += 1
    return m, read, rest


@njit(**INLINE)
def count_others(
    active: Any, m: int, threshold: int, bits: int, index: Any, pool: Any, segments: Any
) -> int:
    """Add the synapses that are not connected; returns the new number of matching segments."""
    count, matching = segments.tally, segments.matching
    shift = np.uint32(bits)
    for q in range(active.shape[0]):
        cell = active[q]
        start = index[cell, START]
        for e in range(start + index[cell, CONNECTED], start + index[cell, LENGTH]):
            s = pool[np.uint64(e)] >> shift
            c = count[s] + _HIT
            count[s] = c
            if c == threshold:
                matching[m] = s
                m += 1
    return m


@njit(**INLINE)
def clear_counts(
    active: Any, others: bool, read: int, next_id: int, bits: int, index: Any, pool: Any, count: Any
) -> None:
    """Set every count that was raised back to 0, by the lists or all at once."""
    if read * 16 > next_id:
        count[:next_id] = 0
        return
    shift = np.uint32(bits)
    for q in range(active.shape[0]):
        cell = active[q]
        start = index[cell, START]
        length = index[cell, LENGTH] if others else index[cell, CONNECTED]
        for e in range(start, start + length):
            count[pool[np.uint64(e)] >> shift] = 0


@njit(**INLINE)
def best_in_chain(head: int, segments: Any) -> int:
    """Return the segment of a chain with the highest count, ties to the lowest id; -1: none."""
    best = -1
    most: Any = 0
    s = head
    while s >= 0:
        n = np.int64(segments.tally[s])
        if n > most or (n == most and s < best):
            best = s
            most = n
        s = segments.chain[s]
    return best


@njit(**INLINE)
def best_in_column(
    column: int,
    per_column: int,
    threshold: int,
    mark: Any,
    first: Any,
    segments: Any,
    synapses: Any,
) -> int:
    """Return the column's segment with most synapses from cells marked 1; -1: none matches."""
    best = -1
    most: Any = threshold
    for cell in range(column * per_column, (column + 1) * per_column):
        s = first[cell]
        while s >= 0:
            n = 0
            size = np.int64(segments.size[s])
            if size >= most:
                row = segments.row[s]
                end = row + segments.room[s]
                for y in range(row, end):
                    n += mark[synapses.cell[y]] & 1
                if n > most or (n == most and (best < 0 or s < best)):
                    best = s
                    most = n
            s = segments.next[s]
    return best


@njit(**INLINE)
def least_used_cell(column: int, per_column: int, word: Any, owned: Any) -> int:
    """Return the column's cell with the fewest segments, ties by hash; word = mix(key ^ t)."""
    start = column * per_column
    fewest = owned[start]
    for cell in range(start + 1, start + per_column):
        fewest = min(fewest, owned[cell])
    winner = -1
    lowest = np.uint64(0)
    for cell in range(start, start + per_column):
        if owned[cell] == fewest:
            h = mix(word ^ np.uint64(cell))
            if winner < 0 or h < lowest:
                winner = cell
                lowest = h
    return winner
