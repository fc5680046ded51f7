"""What an event does to one segment: adapt, grow, create, destroy.

Cells carry marks while a sample's events are applied: 1 active before the sample, 2 winner
before it; 4 is set while growing, for the cells that are on the segment already.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from htmrun.backends.cpu.memory.arrays import (
    CREATED,
    FREE_TOP,
    GONE,
    NEXT_ID,
    ROWS_END,
    SEGMENTS_CREATED,
    SEGMENTS_DESTROYED,
    SYNAPSES_CREATED,
    SYNAPSES_DESTROYED,
)
from htmrun.backends.cpu.memory.index import (
    INLINE,
    add_entry,
    block_class,
    block_size,
    cross_threshold,
    free_block,
    remove_entry,
    take_block,
)
from htmrun.backends.cpu.memory.sample import LOW, candidates, smallest
from htmrun.backends.cpu.memory.signatures import add_record, remove_record, sign
from htmrun.backends.fixed_point import PERMANENCE_ONE

_ONE: Any = PERMANENCE_ONE


@njit(**INLINE)
def adapt(s: int, on_change: int, off_change: int, rules: Any, memory: Any, mark: Any) -> Any:
    """Change permanences by whether the cell is marked 1; returns how many such synapses remain."""
    segments, synapses = memory.segments, memory.synapses
    row = segments.row[s]
    on_cells = 0
    for k in range(np.int64(segments.room[s])):
        y = row + k
        cell = synapses.cell[y]
        if cell == rules.cells:
            continue
        on = mark[cell] & 1
        before = np.int64(synapses.permanence[y])
        p = min(before + (on_change if on else off_change), _ONE)
        if p <= 0:
            _remove_synapse(s, np.int64(k), rules, memory)
            continue
        on_cells += on
        if p == before:
            continue
        synapses.permanence[y] = p
        connected = p >= rules.connected
        if connected != (before >= rules.connected):
            cross_threshold(
                cell,
                (s << rules.slot_bits) | k,
                y,
                connected,
                rules.slot_bits,
                memory.cells.listeners,
                memory.cells.heard,
                memory.pool,
                segments,
                synapses,
            )
    return on_cells


@njit(**INLINE)
def _remove_synapse(s: int, k: int, rules: Any, memory: Any) -> None:
    segments, synapses = memory.segments, memory.synapses
    y = segments.row[s] + k
    remove_entry(
        synapses.cell[y],
        (s << rules.slot_bits) | k,
        y,
        rules.slot_bits,
        memory.cells.listeners,
        memory.cells.heard,
        memory.pool,
        segments,
        synapses,
    )
    synapses.cell[y] = rules.cells
    segments.size[s] -= 1
    memory.scalars[SYNAPSES_DESTROYED] += 1


@njit(**INLINE)
def grow(s: int, n: int, word: Any, winners: Any, rules: Any, memory: Any, mark: Any) -> None:
    """Give the segment up to `n` synapses to `winners` (marked 2); word = mix(key ^ sample)."""
    segments, synapses, queue = memory.segments, memory.synapses, memory.queue
    m = candidates(s, word, winners, segments, synapses, queue, mark)
    n = min(n, m)
    if n <= 0:
        return
    smallest(queue.keys, m, n, queue.chosen, memory.scratch.buckets)
    size = np.int64(segments.size[s])
    if rules.segment_size - size < n:
        n = _make_room(s, n, rules, memory, mark)
        size = np.int64(segments.size[s])
    if size + n > segments.room[s]:
        _longer_row(s, size + n, rules, memory)
    row = segments.row[s]
    connected = rules.initial >= rules.connected
    k = 0
    for q in range(n):
        while synapses.cell[row + k] != rules.cells:
            k += 1
        y = row + k
        cell = np.int64(queue.chosen[q] & LOW)
        synapses.cell[y] = cell
        synapses.permanence[y] = rules.initial
        sign(s, k, cell, rules, memory)
        add_entry(
            cell,
            (s << rules.slot_bits) | k,
            y,
            connected,
            rules.slot_bits,
            memory.cells.listeners,
            memory.cells.heard,
            memory.pool,
            segments,
            synapses,
            memory.scratch.free_lists,
            memory.scalars,
        )
    segments.size[s] = size + n
    memory.scalars[SYNAPSES_CREATED] += n


@njit(**INLINE)
def _make_room(s: int, n: int, rules: Any, memory: Any, mark: Any) -> int:
    """Evict the weakest synapses whose cell is no winner; returns how many of `n` fit now."""
    segments, synapses = memory.segments, memory.synapses
    row = segments.row[s]
    room = np.int64(segments.room[s])
    free = rules.segment_size - np.int64(segments.size[s])
    while free < n:
        weakest = -1
        lowest = _ONE + 1
        for k in range(room):
            cell = synapses.cell[row + k]
            p = np.int64(synapses.permanence[row + k])
            if cell != rules.cells and (mark[cell] & 2) == 0 and p < lowest:
                weakest = k
                lowest = p
        if weakest < 0:
            return free
        _remove_synapse(s, np.int64(weakest), rules, memory)
        free += 1
    return n


@njit(**INLINE)
def _longer_row(s: int, slots: int, rules: Any, memory: Any) -> None:
    """Move the segment to a row of at least `slots` slots."""
    segments, synapses = memory.segments, memory.synapses
    old = segments.row[s]
    used = np.int64(segments.room[s])
    c = block_class(slots)
    room = block_size(c)
    row = take_block(c, memory.scratch.free_rows, synapses.cell, memory.scalars, ROWS_END)
    for k in range(used):
        synapses.cell[row + k] = synapses.cell[old + k]
        synapses.permanence[row + k] = synapses.permanence[old + k]
        synapses.place[row + k] = synapses.place[old + k]
    for k in range(used, room):
        synapses.cell[row + k] = rules.cells
    if used > 0:
        free_block(old, used, memory.scratch.free_rows, synapses.cell)
    segments.row[s] = row
    segments.room[s] = room


@njit(**INLINE)
def new_segment(cell: int, rules: Any, memory: Any) -> int:
    """Return the id of a new segment of `cell`, without a synapse."""
    segments, scalars = memory.segments, memory.scalars
    s = scalars[FREE_TOP]
    if s >= 0:
        scalars[FREE_TOP] = segments.next[s]
    else:
        s = scalars[NEXT_ID]
        scalars[NEXT_ID] = s + 1
    segments.cell[s] = cell
    segments.next[s] = memory.cells.first[cell]
    segments.room[s] = 0
    segments.size[s] = 0
    memory.cells.first[cell] = s
    memory.cells.owned[cell] += 1
    column = cell // rules.cells_per_column
    add_record(s, column, rules.signature, memory)
    memory.cells.column_segments[column] += 1
    scalars[SEGMENTS_CREATED] += 1
    return s


@njit(**INLINE)
def least_recent_segment(cell: int, first: Any, segments: Any) -> int:
    """Return the cell's segment with the smallest (last used, id)."""
    best = first[cell]
    s = segments.next[best]
    while s >= 0:
        used = segments.last_used[s]
        if used < segments.last_used[best] or (used == segments.last_used[best] and s < best):
            best = s
        s = segments.next[s]
    return best


@njit(**INLINE)
def destroy(s: int, rules: Any, memory: Any) -> None:
    """Destroy a segment and its synapses; its id goes on the free stack."""
    segments, synapses, cells = memory.segments, memory.synapses, memory.cells
    scalars, scratch, queue = memory.scalars, memory.scratch, memory.queue
    row = segments.row[s]
    room = np.int64(segments.room[s])
    for k in range(room):
        if synapses.cell[row + k] != rules.cells:
            _remove_synapse(s, np.int64(k), rules, memory)
    if room > 0:
        free_block(row, room, scratch.free_rows, synapses.cell)
    cell = segments.cell[s]
    if cells.first[cell] == s:
        cells.first[cell] = segments.next[s]
    else:
        before = cells.first[cell]
        while segments.next[before] != s:
            before = segments.next[before]
        segments.next[before] = segments.next[s]
    column = cell // rules.cells_per_column
    remove_record(s, column, rules.signature, memory)
    cells.owned[cell] -= 1
    cells.column_segments[column] -= 1
    segments.cell[s] = -1
    segments.next[s] = scalars[FREE_TOP]
    scalars[FREE_TOP] = s
    if segments.gone[s] == 0:
        segments.gone[s] = 1
        queue.gone[scalars[GONE]] = s
        scalars[GONE] += 1
    if scalars[CREATED] > 0:
        q = scratch.created_head[column]
        while q >= 0:
            if queue.created[q] == s:
                queue.created[q] = -1
            q = queue.created_next[q]
    scalars[SEGMENTS_DESTROYED] += 1
