"""The commit of a window: its events, one after the other, in the order of the queue."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from htmrun.backends.cpu.common.numeric import mix
from htmrun.backends.cpu.memory.arrays import (
    CREATED,
    CURSOR,
    EVENTS,
    EVENTS_DROPPED,
    FREE_TOP,
    FRESH,
    FRESH_MOST,
    GONE,
    LENGTH,
    LONGEST,
    NEED,
    NEXT_ID,
    POOL_END,
    ROOM,
    ROWS_END,
    SEGMENTS_CREATED,
    SEGMENTS_DESTROYED,
    SEGMENTS_EVICTED,
    SNAPSHOTS,
    SWEPT,
)
from htmrun.backends.cpu.memory.dendrites import set_marks
from htmrun.backends.cpu.memory.evict import evict_oldest
from htmrun.backends.cpu.memory.fresh import add_fresh, connect_fresh
from htmrun.backends.cpu.memory.index import INLINE, block_class, block_size, longer
from htmrun.backends.cpu.memory.learn import (
    adapt,
    destroy,
    grow,
    least_recent_segment,
    new_segment,
)
from htmrun.backends.tm_contract import CREATE, EVICTED_SHARE, PUNISH

DONE, SHORT_SEGMENTS, SHORT_ROWS, SHORT_POOL, SHORT_QUEUE, SHORT_ACTIVITY, OUTSIDE = range(7)
"""Why compiled code returned: finished, an array needs `scalars[NEED]` more places, or an input
is no column."""


@njit(**INLINE)
def commit(rules: Any, memory: Any) -> int:
    """Apply the queue from CURSOR on; returns DONE, or which array is too short for an event.

    Nothing of an event is done before there is room for all of it, so the commit goes on
    where it stopped once the array is larger. New segments get their synapses when the events of
    their sample are over.
    """
    queue, scalars, mark = memory.queue, memory.scalars, memory.cells.mark
    current = -1
    word = np.uint64(0)
    code = DONE
    while True:
        event = scalars[CURSOR]
        if _fresh_wait(event, queue, scalars) and not _connect(event - 1, rules, memory):
            code = SHORT_POOL
            break
        if event == scalars[EVENTS]:
            break
        snapshot = queue.snapshot[event]
        winners = queue.winners[queue.winners_start[snapshot] : queue.winners_start[snapshot + 1]]
        if event == 0 or queue.snapshot[event - 1] != snapshot:
            _keep_limit(event, snapshot, rules, memory)
        code = _missing_room(winners, rules, memory)
        if code != DONE:
            break
        if snapshot != current:
            if current >= 0:
                _unmark(current, rules.cells_per_column, queue, mark)
            _mark(snapshot, rules.cells_per_column, queue, mark)
            current = snapshot
            word = _word(snapshot, rules, queue)
        _apply(event, snapshot, word, winners, rules, memory)
        scalars[CURSOR] = event + 1
    if current >= 0:
        _unmark(current, rules.cells_per_column, queue, mark)
    if code == DONE:
        _empty_queue(rules, memory)
    return code


@njit(**INLINE)
def _word(snapshot: int, rules: Any, queue: Any) -> Any:
    return mix(rules.grow_key ^ np.uint64(queue.sample[snapshot]))


@njit(**INLINE)
def _fresh_wait(event: int, queue: Any, scalars: Any) -> bool:
    """Return whether new segments wait for their synapses that have to be there before `event`."""
    if scalars[FRESH] == 0:
        return False
    return (
        scalars[FRESH] == FRESH_MOST
        or event == scalars[EVENTS]
        or queue.snapshot[event] != queue.snapshot[event - 1]
    )


@njit(**INLINE)
def _connect(event: int, rules: Any, memory: Any) -> bool:
    """Give new segments of the event's sample their synapses; False if the pool is too short."""
    queue = memory.queue
    snapshot = queue.snapshot[event]
    winners = queue.winners[queue.winners_start[snapshot] : queue.winners_start[snapshot + 1]]
    return connect_fresh(_word(snapshot, rules, queue), winners, rules, memory)


@njit(**INLINE)
def _keep_limit(event: int, snapshot: int, rules: Any, memory: Any) -> None:
    """Before the first event of a sample: evict, if its creates could exceed the limit.

    Called again it finds nothing more to do.
    """
    queue, scalars = memory.queue, memory.scalars
    excess = scalars[SEGMENTS_CREATED] - scalars[SEGMENTS_DESTROYED] - rules.segment_limit
    if excess + scalars[EVENTS] - event <= 0:
        return
    for e in range(event, scalars[EVENTS]):
        if queue.snapshot[e] != snapshot:
            break
        excess += queue.kind[e] == CREATE
    if excess > 0:
        most = max(excess, rules.segment_limit // EVICTED_SHARE)
        evict_oldest(most, queue.sample[snapshot], rules, memory)


@njit(**INLINE)
def _apply(event: int, snapshot: int, word: Any, winners: Any, rules: Any, memory: Any) -> None:
    queue, segments, scalars = memory.queue, memory.segments, memory.scalars
    kind = queue.kind[event]
    s = np.int64(queue.target[event])
    if kind == CREATE:
        cell = s
        s = _standing(cell // rules.cells_per_column, snapshot, memory)
        if s < 0:
            _create(cell, snapshot, winners, rules, memory)
            return
    elif segments.gone[s] != 0:
        scalars[EVENTS_DROPPED] += 1
        return
    up = -rules.punishment if kind == PUNISH else rules.increment
    down = 0 if kind == PUNISH else -rules.decrement
    need = rules.new_synapses - adapt(s, up, down, rules, memory, memory.cells.mark)
    if kind != PUNISH:
        segments.last_used[s] = queue.sample[snapshot]
        if need > 0:
            grow(s, need, word, winners, rules, memory, memory.cells.mark)
    if segments.size[s] == 0:
        destroy(s, rules, memory)


@njit(**INLINE)
def _create(cell: int, snapshot: int, winners: Any, rules: Any, memory: Any) -> None:
    segments, scalars = memory.segments, memory.scalars
    if memory.cells.owned[cell] >= rules.segments_per_cell:
        scalars[SEGMENTS_EVICTED] += 1
        oldest = np.int64(least_recent_segment(cell, memory.cells.first, segments))
        destroy(oldest, rules, memory)
    s = new_segment(cell, rules, memory)
    segments.last_used[s] = memory.queue.sample[snapshot]
    if scalars[SNAPSHOTS] > 1:
        _remember(s, cell // rules.cells_per_column, snapshot, memory)
    add_fresh(s, winners.shape[0], rules, memory)


@njit(**INLINE)
def _missing_room(winners: Any, rules: Any, memory: Any) -> int:
    """Return which array might be too short for one more event, or DONE."""
    scalars = memory.scalars
    if scalars[FREE_TOP] < 0 and scalars[NEXT_ID] >= memory.segments.cell.shape[0]:
        scalars[NEED] = 1
        return SHORT_SEGMENTS
    slots = block_size(block_class(rules.segment_size))
    if scalars[ROWS_END] + slots > memory.synapses.cell.shape[0]:
        scalars[NEED] = slots
        return SHORT_ROWS
    room = memory.pool.shape[0] - scalars[POOL_END]
    # A bound without a look at the winners; near the end of the pool it is worth the look.
    if winners.shape[0] * 2 * (scalars[LONGEST] + 8) <= room:
        return DONE
    index = memory.cells.listeners
    need = 0
    for q in range(winners.shape[0]):
        length = index[winners[q], LENGTH]
        if length == index[winners[q], ROOM]:
            need += longer(np.int64(length))
    scalars[NEED] = need
    return SHORT_POOL if need > room else DONE


@njit(**INLINE)
def _standing(column: int, snapshot: int, memory: Any) -> int:
    """Return the segment this commit created for the column from equal winners; -1: none."""
    queue = memory.queue
    q = memory.scratch.created_head[column]
    while q >= 0:
        if queue.created[q] >= 0 and _equal_winners(queue.created_snapshot[q], snapshot, queue):
            return queue.created[q]
        q = queue.created_next[q]
    return -1


@njit(**INLINE)
def _equal_winners(a: int, b: int, queue: Any) -> bool:
    low, other = queue.winners_start[a], queue.winners_start[b]
    n = queue.winners_start[a + 1] - low
    q = 0
    if queue.winners_start[b + 1] - other == n:
        while q < n and queue.winners[low + q] == queue.winners[other + q]:
            q += 1
    return q == n


@njit(**INLINE)
def _remember(s: int, column: int, snapshot: int, memory: Any) -> None:
    queue, scratch, scalars = memory.queue, memory.scratch, memory.scalars
    q = scalars[CREATED]
    queue.created[q] = s
    queue.created_snapshot[q] = snapshot
    queue.created_next[q] = scratch.created_head[column]
    scratch.created_head[column] = q
    scalars[CREATED] = q + 1


@njit(**INLINE)
def _mark(snapshot: int, per_column: int, queue: Any, mark: Any) -> None:
    low, high = queue.active_start[snapshot], queue.active_start[snapshot + 1]
    set_marks(queue.active[low:high], 1, per_column, mark)
    for q in range(queue.winners_start[snapshot], queue.winners_start[snapshot + 1]):
        mark[queue.winners[q]] |= 2


@njit(**INLINE)
def _unmark(snapshot: int, per_column: int, queue: Any, mark: Any) -> None:
    low, high = queue.active_start[snapshot], queue.active_start[snapshot + 1]
    set_marks(queue.active[low:high], 0, per_column, mark)
    for q in range(queue.winners_start[snapshot], queue.winners_start[snapshot + 1]):
        mark[queue.winners[q]] = 0


@njit(**INLINE)
def _empty_queue(rules: Any, memory: Any) -> None:
    queue, scalars = memory.queue, memory.scalars
    if scalars[SWEPT] != 0:
        memory.segments.gone[: scalars[NEXT_ID]] = 0
        scalars[SWEPT] = 0
    for q in range(scalars[GONE]):
        memory.segments.gone[queue.gone[q]] = 0
    if scalars[CREATED] > 0:
        for event in range(scalars[EVENTS]):
            if queue.kind[event] == CREATE:
                column = queue.target[event] // rules.cells_per_column
                memory.scratch.created_head[column] = -1
    for place in (CURSOR, EVENTS, SNAPSHOTS, GONE, CREATED):
        scalars[place] = 0
