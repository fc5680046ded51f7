"""Between the arrays of the CPU temporal memory and the canonical ones of `tm_contract`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from htmrun.backends.cpu.common.numeric import JIT
from htmrun.backends.cpu.memory import arrays as tm_arrays
from htmrun.backends.cpu.memory.arrays import (
    CONNECTED,
    EVENTS,
    FREE_TOP,
    LENGTH,
    NEXT_ID,
    SNAPSHOTS,
    START,
    SYNAPSES_CREATED,
    SYNAPSES_DESTROYED,
    Memory,
)
from htmrun.backends.cpu.memory.index import (
    block_class,
    block_size,
    gather_pool,
    gathered_pool_size,
    set_border,
)
from htmrun.backends.cpu.memory.rules import Rules
from htmrun.backends.cpu.memory.signatures import add_record, sign
from htmrun.backends.tm_contract import COUNTERS, CREATE, State


def canonical_segments(rules: Rules, memory: Memory) -> State:
    """Return segments, synapses and free ids as canonical arrays."""
    scalars, segments = memory.scalars, memory.segments
    ids = np.flatnonzero(segments.cell[: scalars[NEXT_ID]] >= 0).astype(np.int32)
    live = int(scalars[SYNAPSES_CREATED] - scalars[SYNAPSES_DESTROYED])
    synapses = (
        np.empty(live, np.int32),
        np.empty(live, np.uint8),
        np.empty(live, np.int32),
        np.empty(live, np.int16),
    )
    _copy_synapses(ids, rules.cells, segments, memory.synapses, synapses)
    free = np.empty(int(scalars[NEXT_ID]) - len(ids), np.int32)
    _copy_free(scalars[FREE_TOP], segments.next, free)
    return {
        "segment_id": ids,
        "segment_cell": segments.cell[ids],
        "segment_last_used": segments.last_used[ids],
        "synapse_segment": synapses[0],
        "synapse_slot": synapses[1],
        "synapse_cell": synapses[2],
        "synapse_permanence": synapses[3],
        "free_ids": free,
    }


def canonical_queue(rules: Rules, memory: Memory) -> State:
    """Return the pending window as canonical arrays."""
    queue, events, n = memory.queue, memory.scalars[EVENTS], memory.scalars[SNAPSHOTS]
    kind, target = queue.kind[:events].copy(), queue.target[:events].copy()
    cell = memory.segments.cell[np.where(kind == CREATE, 0, target)]
    cell = np.where(kind == CREATE, target, cell)
    return {
        "event_sample": queue.sample[queue.snapshot[:events]],
        "event_column": (cell // rules.cells_per_column).astype(np.int32),
        "event_kind": kind,
        "event_target": target,
        "snapshot_sample": queue.sample[:n].copy(),
        "snapshot_active": queue.active[: queue.active_start[n]].copy(),
        "snapshot_active_offsets": queue.active_start[: n + 1].copy(),
        "snapshot_winners": queue.winners[: queue.winners_start[n]].copy(),
        "snapshot_winners_offsets": queue.winners_start[: n + 1].copy(),
    }


def from_canonical(state: State, rules: Rules, columns: int) -> Memory:
    """Return the memory that `state`, which has been checked, describes."""
    next_id = int(state["next_id"][0])
    rows = _row_sizes(state["segment_id"], state["synapse_segment"], state["synapse_slot"])
    memory = tm_arrays.allocate(rules.cells, columns, rules.signature, next_id, int(rows.sum()))
    memory.scalars[: len(COUNTERS)] = state["counters"]
    memory.scalars[NEXT_ID] = next_id
    index = memory.cells.listeners
    index[:, LENGTH] = np.bincount(state["synapse_cell"], minlength=rules.cells)
    entries = gathered_pool_size(index) + tm_arrays.SPARE.entries
    memory = memory._replace(pool=tm_arrays.entries(entries))
    # With lists of the right lengths but nothing in them, gathering makes their room.
    gather_pool(memory.pool, memory.pool, memory.cells, memory.scratch.free_lists, memory.scalars)
    index[:, LENGTH] = 0
    _fill_segments(
        state["segment_id"],
        state["segment_cell"],
        state["segment_last_used"],
        rows,
        state["free_ids"],
        rules,
        memory,
    )
    _fill_synapses(
        state["synapse_segment"],
        state["synapse_slot"],
        state["synapse_cell"],
        state["synapse_permanence"],
        rules,
        memory,
    )
    return _with_queue(memory, state)


def _row_sizes(ids: np.ndarray, owner: np.ndarray, slot: np.ndarray) -> np.ndarray:
    last = np.searchsorted(owner, ids, side="right") - 1
    needed, inverse = np.unique(slot[last], return_inverse=True)
    sizes = [block_size(block_class(int(n) + 1)) for n in needed]
    return np.array(sizes, np.int64)[inverse] if sizes else np.zeros(0, np.int64)


def _with_queue(memory: Memory, state: State) -> Memory:
    samples = state["snapshot_sample"]
    events = len(state["event_kind"])
    cells = max(len(state["snapshot_active"]), len(state["snapshot_winners"]))
    memory.scalars[EVENTS] = events
    memory.scalars[SNAPSHOTS] = len(samples)
    spare = tm_arrays.SPARE
    queue = tm_arrays.queue(
        events + spare.events, len(samples) + spare.snapshots, cells + spare.cells
    )
    for place, array in (
        (queue.snapshot, np.searchsorted(samples, state["event_sample"])),
        (queue.kind, state["event_kind"]),
        (queue.target, state["event_target"]),
        (queue.sample, samples),
        (queue.active_start, state["snapshot_active_offsets"]),
        (queue.winners_start, state["snapshot_winners_offsets"]),
        (queue.active, state["snapshot_active"]),
        (queue.winners, state["snapshot_winners"]),
    ):
        place[: len(array)] = array
    return memory._replace(queue=queue)


@njit(**JIT)
def _copy_synapses(ids: Any, empty: int, segments: Any, synapses: Any, out: Any) -> None:
    owner, slot, cell, permanence = out
    n = 0
    for s in ids:
        row = segments.row[s]
        for k in range(segments.room[s]):
            if synapses.cell[row + k] != empty:
                owner[n] = s
                slot[n] = k
                cell[n] = synapses.cell[row + k]
                permanence[n] = synapses.permanence[row + k]
                n += 1


@njit(**JIT)
def _copy_free(top: int, links: Any, out: Any) -> None:
    s = np.int64(top)
    for q in range(len(out) - 1, -1, -1):
        out[q] = s
        s = links[s]


@njit(**JIT)
def _fill_segments(
    ids: Any, cell: Any, last_used: Any, rows: Any, free_ids: Any, rules: Any, memory: Any
) -> None:
    segments, cells, scalars = memory.segments, memory.cells, memory.scalars
    end = 0
    for q in range(ids.shape[0]):
        s, c = ids[q], cell[q]
        segments.cell[s] = c
        segments.last_used[s] = last_used[q]
        segments.next[s] = cells.first[c]
        segments.row[s] = end
        segments.room[s] = rows[q]
        memory.synapses.cell[end : end + rows[q]] = rules.cells
        cells.first[c] = s
        cells.owned[c] += 1
        column = c // rules.cells_per_column
        add_record(s, column, rules.signature, memory)
        cells.column_segments[column] += 1
        end += rows[q]
    scalars[tm_arrays.ROWS_END] = end
    top = -1
    for s in free_ids:
        segments.next[s] = top
        top = s
    scalars[FREE_TOP] = top


@njit(**JIT)
def _fill_synapses(
    owner: Any, slot: Any, cell: Any, permanence: Any, rules: Any, memory: Any
) -> None:
    segments, synapses, index = memory.segments, memory.synapses, memory.cells.listeners
    for connected in (True, False):
        for q in range(owner.shape[0]):
            if (permanence[q] >= rules.connected) != connected:
                continue
            s, k, c = np.int64(owner[q]), np.int64(slot[q]), cell[q]
            y = segments.row[s] + k
            place = index[c, LENGTH]
            synapses.cell[y] = c
            synapses.permanence[y] = permanence[q]
            synapses.place[y] = place & 0xFFFF
            segments.size[s] += 1
            memory.pool[index[c, START] + place] = (s << rules.slot_bits) | k
            index[c, LENGTH] = place + 1
            sign(s, k, c, rules, memory)
            if connected:
                set_border(c, index[c, CONNECTED] + 1, index, memory.cells.heard)
