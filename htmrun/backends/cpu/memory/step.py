"""One sample after the other: dendrites, cells, events, and commits where the plan has them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from htmrun.backends.cpu.memory.arrays import (
    ACTIVITY,
    COMMITTING,
    EVENTS,
    MEMORY,
    NEED,
    NEXT_ID,
    SAMPLE,
    SNAPSHOTS,
    TIME,
)
from htmrun.backends.cpu.memory.bursts import best_of_bursts
from htmrun.backends.cpu.memory.cells import choose_cells, sort
from htmrun.backends.cpu.memory.commit import DONE, OUTSIDE, SHORT_ACTIVITY, SHORT_QUEUE, commit
from htmrun.backends.cpu.memory.dendrites import (
    clear_counts,
    count_connected,
    count_others,
    heard_cells,
    listed_cells,
)
from htmrun.backends.cpu.memory.index import INLINE, UNCOUNTED
from htmrun.backends.cpu.memory.rules import RULES

_rules_of, _memory_of, _activity_of = RULES.unpack, MEMORY.unpack, ACTIVITY.unpack


@njit(**UNCOUNTED)
def advance(
    indices: Any,
    offsets: Any,
    reset: Any,
    commits: Any,
    learn: bool,
    position: Any,
    rules_table: Any,
    memory_table: Any,
    activity_table: Any,
) -> int:
    """Run the samples from ``position[SAMPLE]`` on; DONE, or which array is too short.

    Called again with a larger array, it goes on as if nothing had happened. Tables: `packed`.
    """
    rules, memory = _rules_of(rules_table), _memory_of(memory_table)
    activity = _activity_of(activity_table)
    if position[SAMPLE] == 0 and _outside(indices, memory.cells.column_segments.shape[0]):
        return OUTSIDE
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
def _outside(indices: Any, columns: int) -> bool:
    """Return whether an index is below 0 or not below `columns`."""
    found = False
    for q in range(np.uint64(indices.shape[0])):
        found |= indices[q] < 0 or indices[q] >= columns
    return found


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
    most = columns.shape[0] * rules.cells_per_column
    before = a - activity.active_start[row]
    code = _missing_activity(a, w, p, most, before, activity, memory)
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

    # A place to list cells in: behind the room of all cells that the sample may activate.
    heard = activity.active[a + most :]
    n = heard_cells(active, rules.cells_per_column, cells.heard, cells.listeners, heard)
    m, read = count_connected(heard[:n], rules.matching_threshold, rules.slot_bits, memory)
    events = m + columns.shape[0]
    predicted, m = _chain_active(m, p, activity.predicted, rules, memory)
    bursts, burst_segments = _bursts(columns, scratch.active_head, cells.column_segments)
    matching_columns = 0
    if bursts > 0 and not punish:
        matching_columns = best_of_bursts(columns, active, burst_segments, rules, memory)
    others = punish or matching_columns < 0
    if others:
        n = listed_cells(active, cells.listeners, heard)
        m, rest = count_others(heard[:n], m, rules.matching_threshold, rules.slot_bits, memory)
        read += rest
        matching_columns = _chain_matching(
            m, activity.predicted[p:predicted], punish, rules, memory
        )
    code = _missing_queue(learn, events + m, active, winners, memory)
    if code == DONE:
        choose_cells(
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
        heard[:n],
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
    a: int, w: int, p: int, most: int, before: int, activity: Any, memory: Any
) -> int:
    """Return whether there is room for `most` cells, and behind them for a list of `before`."""
    columns = memory.cells.column_segments.shape[0]
    if (
        a + most + before > activity.active.shape[0]
        or w + most > activity.winners.shape[0]
        or p + columns > activity.predicted.shape[0]
    ):
        memory.scalars[NEED] = max(most + before, columns)
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
    sort(predicted[p:end])
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
        sort(scratch.columns[:n])
    return n
