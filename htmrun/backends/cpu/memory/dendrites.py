"""Which segments are active, and which ones match: the half that reads segments only.

Connected entries give the active segments, hence the prediction. Potential synapses are
counted only where an answer depends on them: in columns that burst, by their signatures (see
`bursts`), or everywhere, from the lists, when silent columns are punished. Both give the same
counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from htmrun.backends.cpu.common.lanes import LANES, copy_lanes
from htmrun.backends.cpu.common.numeric import mix, trailing_zeros
from htmrun.backends.cpu.common.prefetch import ask_for
from htmrun.backends.cpu.memory.arrays import CONNECTED, JOINED, LENGTH, START
from htmrun.backends.cpu.memory.index import INLINE

_NOUGHT, _ONE, _ALL = np.uint64(0), np.uint64(1), np.uint64(2**64 - 1)
_SIX, _WITHIN = np.uint64(6), np.uint64(63)  # a cell's word of bits, and its bit

# So many counts are cleared at once in the time that one entry of a list takes.
_CLEARED_AT_ONCE = 60

# Lists are asked for so many cells ahead, for each lies where no processor would guess it; so
# many lines of each: the processor itself notices that more are read.
_AHEAD, _MOST_LINES = 8, 8
_LINE = 16  # entries in a cache line
_MEDIUM = 4 * _LINE  # a list that is longer is asked for in all of these lines
_LONG = 128  # entries of a list that is counted where it lies
_PLACES_AHEAD = np.uint64(64)  # cells: where their lists are is asked for so far ahead


@njit(**INLINE)
def heard_cells(active: Any, per_column: int, heard: Any, index: Any, out: Any) -> int:
    """Write to `out` those of the `active` cells whose lists have connected entries.

    Returns how many. Of a column that burst whole words of `heard` are looked at.
    """
    more = np.int64(per_column - 1)
    n = np.uint64(0)
    q = 0
    while q < active.shape[0]:
        cell = np.uint64(active[q])
        word = cell >> _SIX
        q += 1
        # Ascending without repeats: so far apart, they are all that lie between.
        if q + more > active.shape[0] or np.int64(active[q + more - 1]) != np.int64(cell) + more:
            out[n] = cell
            n += (heard[word] >> (cell & _WITHIN)) & _ONE
            continue
        last = cell + np.uint64(more)
        q += more
        for w in range(word, (last >> _SIX) + _ONE):
            left = heard[w]
            if w == word:
                left &= _ALL << (cell & _WITHIN)
            if w == last >> _SIX:
                left &= _ALL >> (_WITHIN - (last & _WITHIN))
            while left != _NOUGHT:
                one = (w << _SIX) + trailing_zeros(left)
                ask_for(index, np.int64(one) * 4)
                out[n] = one
                n += _ONE
                left &= left - _ONE
    return np.int64(n)


@njit(**INLINE)
def listed_cells(active: Any, index: Any, out: Any) -> int:
    """Write to `out` those of the `active` cells that any synapse listens to; return how many."""
    n = np.uint64(0)
    for q in range(np.uint64(active.shape[0])):
        if q + _PLACES_AHEAD < np.uint64(active.shape[0]):
            ask_for(index, 4 * np.int64(active[q + _PLACES_AHEAD]))
        cell = np.uint64(active[q])
        out[n] = cell
        n += np.uint64(index[cell, LENGTH] > 0)
    return np.int64(n)


@njit(**INLINE)
def other_entries(active: Any, index: Any) -> int:
    """Return how many entries of the `active` cells' lists are not connected."""
    entries = np.int64(0)
    for q in range(np.uint64(active.shape[0])):
        cell = np.uint64(active[q])
        entries += np.int64(index[cell, LENGTH]) - np.int64(index[cell, CONNECTED])
    return entries


@njit(**INLINE)
def _ask(begin: int, end: int, pool: Any) -> None:
    """Ask for the entries from `begin` to `end`, the first of them if there are many."""
    ask_for(pool, begin)
    ask_for(pool, begin + _LINE)
    if end - begin > _MEDIUM:
        for line in range(2, _MOST_LINES):
            ask_for(pool, begin + line * _LINE)


@njit(**INLINE)
def count_connected(heard: Any, threshold: int, bits: int, memory: Any) -> tuple[int, int]:
    """Count active connected synapses in `segments.tally`.

    Returns how many segments reached `threshold`, which are listed in `segments.matching`, and how
    many synapses were counted.
    """
    return _count_lists(heard, False, 0, threshold, bits, memory)


@njit(**INLINE)
def count_others(heard: Any, m: int, threshold: int, bits: int, memory: Any) -> tuple[int, int]:
    """Add the synapses that are not connected; returns the same of all and of these."""
    return _count_lists(heard, True, m, threshold, bits, memory)


@njit(**INLINE)
def _count_lists(
    heard: Any, others: bool, m: int, threshold: int, bits: int, memory: Any
) -> tuple[int, int]:
    """Count one half of each cell's list; returns matching segments and what was counted.

    Short lists are copied behind each other first, some entries too many each time: to count
    every one by itself would cost a wrong guess of the branch predictor, where it ends, as much
    as twenty entries.
    """
    index, pool, segments = memory.cells.listeners, memory.pool, memory.segments
    joined = memory.scratch.joined
    length = np.int64(0)
    read = np.int64(0)
    for q in range(heard.shape[0]):
        if q + _AHEAD < heard.shape[0]:
            soon = np.uint64(heard[q + _AHEAD])
            begin, end = _half(soon, others, index)
            _ask(begin, end, pool)
        begin, end = _half(np.uint64(heard[q]), others, index)
        read += end - begin
        if end - begin > _LONG or begin + _LONG + LANES > pool.shape[0]:
            m = _count(begin, end, m, threshold, bits, pool, segments)
            continue
        to = length
        length += end - begin
        while begin < end:
            copy_lanes(pool, begin, joined, to)
            begin += LANES
            to += LANES
        if length > JOINED - _LONG - LANES:
            m = _count(0, length, m, threshold, bits, joined, segments)
            length = np.int64(0)
    return _count(0, length, m, threshold, bits, joined, segments), read


@njit(**INLINE)
def _half(cell: Any, others: bool, index: Any) -> tuple[int, int]:
    """Return where a cell's connected entries begin and end, or its `others`."""
    start = np.int64(index[cell, START])
    border = start + np.int64(index[cell, CONNECTED])
    return (border, start + np.int64(index[cell, LENGTH])) if others else (start, border)


@njit(**INLINE)
def _count(
    begin: int, end: int, m: int, threshold: int, bits: int, pool: Any, segments: Any
) -> int:
    """Count the entries from `begin` to `end`; returns the new number of matching segments.

    All unsigned: numba compares a signed with an unsigned integer as floats, and asks of each
    signed index whether it counts from the end.
    """
    tally, matching = segments.tally, segments.matching
    shift = np.uint32(bits)
    reached = np.uint64(threshold)
    for e in range(np.uint64(begin), np.uint64(end)):
        s = np.uint64(pool[e] >> shift)
        c = np.uint64(tally[s]) + np.uint64(1)
        tally[s] = c
        if c == reached:
            matching[np.uint64(m)] = s
            m += 1
    return m


@njit(**INLINE)
def clear_counts(
    heard: Any, others: bool, read: int, next_id: int, bits: int, index: Any, pool: Any, count: Any
) -> None:
    """Set every count that was raised back to 0, by the lists or all at once."""
    if read * _CLEARED_AT_ONCE > next_id:
        count[:next_id] = 0
        return
    shift = np.uint32(bits)
    for q in range(heard.shape[0]):
        cell = np.uint64(heard[q])
        start = np.int64(index[cell, START])
        length = np.int64(index[cell, LENGTH] if others else index[cell, CONNECTED])
        for e in range(np.uint64(start), np.uint64(start + length)):
            count[np.uint64(pool[e] >> shift)] = 0


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
def set_marks(cells: Any, value: int, per_column: int, mark: Any) -> None:
    """Mark ascending cells; those of a column that burst are `per_column` in a row."""
    more = np.uint64(per_column - 1)
    n = np.uint64(cells.shape[0])
    q = np.uint64(0)
    while q < n:
        cell = np.uint64(cells[q])
        mark[cell] = value
        q += _ONE
        # Ascending without repeats: so far apart, they are all that lie between.
        if q + more <= n and np.uint64(cells[q + more - _ONE]) == cell + more:
            for k in range(_ONE, more + _ONE):
                mark[cell + k] = value
            q += more


@njit(**INLINE)
def least_used_cell(column: int, per_column: int, word: Any, owned: Any, words: Any) -> int:
    """Return the column's cell with the fewest segments, ties by hash; word = mix(key ^ t).

    `words` is room for a hash of each of the column's cells.
    """
    n = np.uint64(per_column)
    start = np.uint64(column) * n
    fewest = owned[start]
    for k in range(_ONE, n):
        fewest = min(fewest, owned[start + k])
    # Without a branch, so that many are hashed at a time.
    for k in range(n):
        words[k] = mix(word ^ (start + k)) | (_ALL if owned[start + k] != fewest else _NOUGHT)
    lowest = _ALL
    for k in range(n):
        lowest = min(lowest, words[k])
    if lowest == _ALL:  # as those of cells that are out of the question have it
        k = _NOUGHT
        while owned[start + k] != fewest:
            k += _ONE
        return np.int64(start + k)
    first: Any = n
    for k in range(n):
        first = min(first, k if words[k] == lowest else n)
    return np.int64(start + first)
