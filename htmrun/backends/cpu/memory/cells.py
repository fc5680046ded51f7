"""A sample's cells: those predicted, those that burst, and the events they queue."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from htmrun.backends.cpu.common.numeric import mix
from htmrun.backends.cpu.memory.arrays import EVENTS, SAMPLE, SNAPSHOTS, TIME
from htmrun.backends.cpu.memory.dendrites import (
    best_in_chain,
    least_used_cell,
)
from htmrun.backends.cpu.memory.index import INLINE
from htmrun.backends.tm_contract import CREATE, PUNISH, REINFORCE


@njit(**INLINE)
def choose_cells(
    columns: Any,
    active: Any,
    winners: Any,
    learn: bool,
    matching_columns: int,
    others: bool,
    position: Any,
    activity: Any,
    rules: Any,
    memory: Any,
) -> None:
    """Choose the sample's cells and queue its events; with `learn` there is room for them."""
    scalars, scratch, queue, segments = (
        memory.scalars,
        memory.scratch,
        memory.queue,
        memory.segments,
    )
    cells = memory.cells
    row = position[SAMPLE]
    a, w = activity.active_start[row + 1], activity.winners_start[row + 1]
    per_column = rules.cells_per_column
    snapshot = scalars[SNAPSHOTS]
    first_event = scalars[EVENTS]
    word = mix(rules.cell_key ^ np.uint64(position[TIME]))
    silent = np.int64(0)
    for ic in range(columns.shape[0] + 1):
        last = ic == columns.shape[0]
        if learn and rules.punishment > 0:
            stop = np.int64(cells.column_segments.shape[0]) if last else np.int64(columns[ic])
            silent = _punish_before(stop, silent, matching_columns, snapshot, memory)
        if last:
            break
        column = columns[ic]
        if scratch.active_head[column] >= 0:
            n = _collect(scratch.active_head[column], 0, segments)
            sort(segments.matching[:n])
            if learn:
                for q in range(n):
                    _emit(snapshot, REINFORCE, segments.matching[q], queue, scalars)
            end = _distinct_cells(n, a, activity.active, segments)
            for q in range(a, end):
                activity.winners[w] = activity.active[q]
                w += 1
            a = end
            continue
        for k in range(np.uint64(per_column)):
            activity.active[np.uint64(a) + k] = column * per_column + np.int64(k)
        a += per_column
        if others:
            best = best_in_chain(scratch.matching_head[column], segments)
        else:
            best = np.int64(scratch.matching_head[column])
        winner = np.int64(0)
        if best >= 0:
            winner = np.int64(segments.cell[best])
            if learn:
                _emit(snapshot, REINFORCE, best, queue, scalars)
        else:
            winner = least_used_cell(column, per_column, word, cells.owned, scratch.words)
            if learn and winners.shape[0] > 0:
                _emit(snapshot, CREATE, winner, queue, scalars)
        activity.winners[w] = winner
        w += 1
    activity.active_start[row + 2] = a
    activity.winners_start[row + 2] = w
    if scalars[EVENTS] > first_event:
        _snapshot(snapshot, position[TIME], active, winners, queue, scalars)


@njit(**INLINE)
def _punish_before(stop: int, silent: int, n: int, snapshot: int, memory: Any) -> int:
    """Punish the listed columns below `stop`, from the one at `silent` on; skip `stop` itself."""
    scratch, segments = memory.scratch, memory.segments
    while silent < n and scratch.columns[silent] <= stop:
        column = scratch.columns[silent]
        silent += 1
        if column == stop:
            break
        k = _collect(scratch.active_head[column], 0, segments)
        k = _collect(scratch.matching_head[column], k, segments)
        sort(segments.matching[:k])
        for q in range(k):
            _emit(snapshot, PUNISH, segments.matching[q], memory.queue, memory.scalars)
    return silent


@njit(**INLINE)
def _collect(head: int, n: int, segments: Any) -> int:
    """Append a chain to the list `matching`, which is free once the chains stand."""
    s = head
    while s >= 0:
        segments.matching[n] = s
        n += 1
        s = segments.chain[s]
    return n


@njit(**INLINE)
def _distinct_cells(n: int, a: int, out: Any, segments: Any) -> int:
    """Write the cells of the first `n` listed segments, ascending and once; returns the end."""
    end = a
    for q in range(n):
        cell = segments.cell[segments.matching[q]]
        r = end
        while r > a and out[r - 1] > cell:
            r -= 1
        if r > a and out[r - 1] == cell:
            continue
        for x in range(end, r, -1):
            out[x] = out[x - 1]
        out[r] = cell
        end += 1
    return end


@njit(**INLINE)
def _emit(snapshot: int, kind: int, target: int, queue: Any, scalars: Any) -> None:
    e = scalars[EVENTS]
    queue.snapshot[e] = snapshot
    queue.kind[e] = kind
    queue.target[e] = target
    scalars[EVENTS] = e + 1


@njit(**INLINE)
def _snapshot(
    snapshot: int, sample: int, active: Any, winners: Any, queue: Any, scalars: Any
) -> None:
    """Keep the cells before the sample, which its events refer to."""
    a, w = queue.active_start[snapshot], queue.winners_start[snapshot]
    for q in range(active.shape[0]):
        queue.active[a + q] = active[q]
    for q in range(winners.shape[0]):
        queue.winners[w + q] = winners[q]
    queue.active_start[snapshot + 1] = a + active.shape[0]
    queue.winners_start[snapshot + 1] = w + winners.shape[0]
    queue.sample[snapshot] = sample
    scalars[SNAPSHOTS] = snapshot + 1


@njit(**INLINE)
def sort(values: Any) -> None:
    """Sort ascending, in place: Shell's sort, for the compiled code cannot allocate."""
    n = values.shape[0]
    gap = 1
    while 3 * gap + 1 < n // 2:
        gap = 3 * gap + 1
    while gap > 0:
        for q in range(gap, n):
            value = values[q]
            r = q
            while r >= gap and values[r - gap] > value:
                values[r] = values[r - gap]
                r -= gap
            values[r] = value
        gap //= 3
