"""One sample after the other: dendrites, cells, events, and commits where the plan has them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from htmrun.backends.cpu.numeric import mix
from htmrun.backends.cpu.tm_arrays import EVENTS, NEED, NEXT_ID, SNAPSHOTS
from htmrun.backends.cpu.tm_commit import DONE, SHORT_ACTIVITY, SHORT_QUEUE, commit
from htmrun.backends.cpu.tm_dendrites import (
    best_in_chain,
    best_in_column,
    clear_counts,
    count_connected,
    count_others,
    least_used_cell,
)
from htmrun.backends.cpu.tm_index import INLINE, UNCOUNTED
from htmrun.backends.reference.tm_state import CREATE, PUNISH, REINFORCE

SAMPLE, TIME, COMMITTING = 0, 1, 2
"""Places in the position: sample of the chunk, sample counter, whether a commit was cut short."""

# Reading a segment's synapses costs about as much as this many entries of the lists.
_ENTRIES_PER_SEGMENT = 64


@njit(**UNCOUNTED)
def advance(
    indices: Any,
    offsets: Any,
    reset: Any,
    commits: Any,
    learn: bool,
    position: Any,
    activity: Any,
    rules: Any,
    memory: Any,
) -> int:
    """Run the samples from ``position[SAMPLE]`` on; DONE, or which array is too short.

    Called again with a larger array, it goes on as if nothing had happened.
    """
    while position[SAMPLE] < reset.shape[0]:
        t = position[SAMPLE]
        if position[COMMITTING] == 0:
            columns = indices[offsets[t] : offsets[t + 1]]
            code = _sample(columns, reset[t] != 0, learn, position, activity, rules, memory)
            if code != DONE:
                return code
            position[TIME] += 1
        if learn and commits[t] != 0:
            position[COMMITTING] = 1
            code = commit(rules, memory)
            if code != DONE:
                return code
            position[COMMITTING] = 0
        position[SAMPLE] = t + 1
    return DONE


@njit(**INLINE)
def _sample(
    columns: Any,
    reset: bool,
    learn: bool,
    position: Any,
    activity: Any,
    rules: Any,
    memory: Any,
) -> int:
    row = position[SAMPLE]
    a, w, p = (
        activity.active_start[row + 1],
        activity.winners_start[row + 1],
        activity.predicted_start[row],
    )
    code = _missing_activity(a, w, p, columns.shape[0], activity, rules, memory)
    if code != DONE:
        return code
    active = activity.active[activity.active_start[row] : a]
    winners = activity.winners[activity.winners_start[row] : w]
    if reset:
        active = active[:0]
        winners = winners[:0]
    segments, scratch, cells, scalars = (
        memory.segments,
        memory.scratch,
        memory.cells,
        memory.scalars,
    )
    punish = learn and rules.punishment > 0

    m, read, rest = count_connected(
        active, rules.matching_threshold, rules.slot_bits, cells.listeners, memory.pool, segments
    )
    events = m + columns.shape[0]
    predicted, m = _chain_active(m, p, activity.predicted, rules, memory)
    bursts, burst_segments = _bursts(columns, scratch.active_head, cells.column_segments)
    others = punish or (bursts > 0 and rest <= burst_segments * _ENTRIES_PER_SEGMENT)
    matching_columns = 0
    if others:
        m = count_others(
            active,
            m,
            rules.matching_threshold,
            rules.slot_bits,
            cells.listeners,
            memory.pool,
            segments,
        )
        read += rest
        matching_columns = _chain_matching(
            m, activity.predicted[p:predicted], punish, rules, memory
        )
    code = _missing_queue(learn, events + m, active, winners, memory)
    if code == DONE:
        _cells(
            columns,
            active,
            winners,
            learn,
            matching_columns,
            others,
            position,
            activity,
            rules,
            memory,
        )
        activity.hits[row] = columns.shape[0] - bursts
        activity.bursting[row] = bursts
        activity.predicted_start[row + 1] = predicted
    for q in range(p, predicted):
        scratch.active_head[activity.predicted[q]] = -1
    for q in range(matching_columns):
        scratch.matching_head[scratch.columns[q]] = -1
    clear_counts(
        active,
        others,
        read,
        scalars[NEXT_ID],
        rules.slot_bits,
        cells.listeners,
        memory.pool,
        segments.tally,
    )
    return code


@njit(**INLINE)
def _missing_activity(
    a: int, w: int, p: int, columns: int, activity: Any, rules: Any, memory: Any
) -> int:
    most = columns * rules.cells_per_column
    if (
        a + most > activity.active.shape[0]
        or w + most > activity.winners.shape[0]
        or p + memory.cells.column_segments.shape[0] > activity.predicted.shape[0]
    ):
        memory.scalars[NEED] = max(most, memory.cells.column_segments.shape[0])
        return SHORT_ACTIVITY
    return DONE


@njit(**INLINE)
def _missing_queue(learn: bool, events: int, active: Any, winners: Any, memory: Any) -> int:
    if not learn:
        return DONE
    queue, scalars = memory.queue, memory.scalars
    snapshots = scalars[SNAPSHOTS]
    if (
        scalars[EVENTS] + events > queue.kind.shape[0]
        or snapshots + 1 > queue.sample.shape[0]
        or queue.active_start[snapshots] + active.shape[0] > queue.active.shape[0]
        or queue.winners_start[snapshots] + winners.shape[0] > queue.winners.shape[0]
    ):
        scalars[NEED] = events + active.shape[0]
        return SHORT_QUEUE
    return DONE


@njit(**INLINE)
def _chain_active(m: int, p: int, predicted: Any, rules: Any, memory: Any) -> tuple[int, int]:
    """Chain the active segments by column and list the columns.

    Returns the end of the list, and how many segments of `matching` are left: those that
    match by their connected synapses but are not active.
    """
    segments, head = memory.segments, memory.scratch.active_head
    end = p
    left = 0
    for q in range(m):
        s = segments.matching[q]
        if segments.tally[s] < rules.activation_threshold:
            segments.matching[left] = s
            left += 1
            continue
        column = segments.cell[s] // rules.cells_per_column
        if head[column] < 0:
            predicted[end] = column
            end += 1
        segments.chain[s] = head[column]
        head[column] = s
    _sort(predicted[p:end])
    return end, left


@njit(**INLINE)
def _bursts(columns: Any, active_head: Any, column_segments: Any) -> tuple[int, int]:
    """Return how many columns burst and how many segments they have."""
    bursts = 0
    burst_segments = 0
    for q in range(columns.shape[0]):
        column = columns[q]
        if active_head[column] < 0:
            bursts += 1
            burst_segments += column_segments[column]
    return bursts, burst_segments


@njit(**INLINE)
def _chain_matching(m: int, predicted: Any, punish: bool, rules: Any, memory: Any) -> int:
    """Chain the matching segments that are not active by column, and list the columns.

    Returns the length of the list, which for punishment is ascending and includes the
    `predicted` columns.
    """
    segments, scratch = memory.segments, memory.scratch
    head = scratch.matching_head
    n = 0
    for q in range(m):
        s = segments.matching[q]
        column = segments.cell[s] // rules.cells_per_column
        if head[column] < 0:
            scratch.columns[n] = column
            n += 1
        segments.chain[s] = head[column]
        head[column] = s
    if punish:
        for q in range(predicted.shape[0]):
            if head[predicted[q]] < 0:
                scratch.columns[n] = predicted[q]
                n += 1
        _sort(scratch.columns[:n])
    return n


@njit(**INLINE)
def _cells(
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
    cells, mark = memory.cells, memory.cells.mark
    row = position[SAMPLE]
    a, w = activity.active_start[row + 1], activity.winners_start[row + 1]
    per_column = rules.cells_per_column
    snapshot = scalars[SNAPSHOTS]
    first_event = scalars[EVENTS]
    word = mix(rules.cell_key ^ np.uint64(position[TIME]))
    silent = np.int64(0)
    if not others:
        for q in range(active.shape[0]):
            mark[active[q]] = 1
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
            _sort(segments.matching[:n])
            if learn:
                for q in range(n):
                    _emit(snapshot, REINFORCE, segments.matching[q], queue, scalars)
            end = _distinct_cells(n, a, activity.active, segments)
            for q in range(a, end):
                activity.winners[w] = activity.active[q]
                w += 1
            a = end
            continue
        for cell in range(column * per_column, (column + 1) * per_column):
            activity.active[a] = cell
            a += 1
        if others:
            best = best_in_chain(scratch.matching_head[column], segments)
        else:
            best = best_in_column(
                column,
                per_column,
                rules.matching_threshold,
                mark,
                cells.first,
                segments,
                memory.synapses,
            )
        winner = np.int64(0)
        if best >= 0:
            winner = np.int64(segments.cell[best])
            if learn:
                _emit(snapshot, REINFORCE, best, queue, scalars)
        else:
            winner = least_used_cell(column, per_column, word, cells.owned)
            if learn and winners.shape[0] > 0:
                _emit(snapshot, CREATE, winner, queue, scalars)
        activity.winners[w] = winner
        w += 1
    if not others:
        for q in range(active.shape[0]):
            mark[active[q]] = 0
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
        _sort(segments.matching[:k])
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
def _sort(values: Any) -> None:
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
