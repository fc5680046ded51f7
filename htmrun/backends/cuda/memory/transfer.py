"""Between one model's arrays on the device and the canonical ones of `tm_contract`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from htmrun.backends import State, tm_contract
from htmrun.backends.bits import Bits
from htmrun.backends.cuda.memory.arrays import (
    COMMIT,
    CREATES,
    EVENTS,
    FREE,
    NEXT_ID,
    SNAPSHOTS,
    Arrays,
)
from htmrun.backends.cuda.memory.rows import Rows, cells_of, rows_of
from htmrun.backends.tm_contract import COUNTERS, CREATE


def state(arrays: Arrays, model: int, history: Rows) -> State:
    """Return the canonical state of one model, whose rows `history` are those it keeps."""
    scalars = arrays.device.to_host(arrays.scalars[model])
    per_column = arrays.parameters.cells_per_column
    active = cells_of(history.columns, history.active, per_column)
    winners = cells_of(history.columns, history.winners, per_column)
    n = len(history) - 1
    values: State = {
        "sample": history.following[n:].copy(),
        "next_id": scalars[NEXT_ID : NEXT_ID + 1].copy(),
        "counters": scalars[: len(COUNTERS)].copy(),
        **_segments(arrays, model, int(scalars[NEXT_ID]), int(scalars[FREE])),
        "active": active.row(n).copy(),
        "winners": winners.row(n).copy(),
        **_events(arrays, model, int(scalars[EVENTS]), history),
        "snapshot_sample": history.following[:n].copy(),
    }
    for name, cells in (("active", active), ("winners", winners)):
        values[f"snapshot_{name}"] = cells.indices[: cells.offsets[n]].copy()
        values[f"snapshot_{name}_offsets"] = cells.offsets[: n + 1].copy()
    return {name: values[name] for name in tm_contract.DTYPES}


def _segments(arrays: Arrays, model: int, next_id: int, free: int) -> State:
    host = arrays.device.to_host
    cell = host(arrays.seg_cell[model, :next_id])
    ids = np.flatnonzero(cell >= 0).astype(np.int32)
    room = host(arrays.room[model, :next_id])[ids]
    cells = host(arrays.syn_cell[model, :next_id])[ids]
    slots = np.arange(cells.shape[1])
    owner, slot = np.nonzero((slots < room[:, None]) & (cells != arrays.cells))
    permanence = host(arrays.syn_permanence[model, :next_id])[ids]
    return {
        "segment_id": ids,
        "segment_cell": cell[ids],
        "segment_last_used": host(arrays.used[model, :next_id])[ids],
        "synapse_segment": ids[owner],
        "synapse_slot": slot.astype(np.uint8),
        "synapse_cell": cells[owner, slot],
        "synapse_permanence": permanence[owner, slot],
        "free_ids": host(arrays.free[model, :free]).copy(),
    }


def _events(arrays: Arrays, model: int, events: int, history: Rows) -> State:
    host, n = arrays.device.to_host, len(history) - 1
    target, kind = host(arrays.queue[model, :2, :events])
    first = host(arrays.snapshot[model, 1, :n])
    counts = np.diff(np.append(first, events)) if n else np.zeros(0, np.int64)
    cell = target.copy()
    if events:
        others = kind != CREATE
        cell[others] = host(arrays.seg_cell[model])[target[others]]
    return {
        "event_sample": np.repeat(history.following[:n], counts),
        "event_column": (cell // arrays.parameters.cells_per_column).astype(np.int32),
        "event_kind": kind.astype(np.uint8),
        "event_target": target.copy(),
    }


def load(arrays: Arrays, model: int, state: State) -> Rows:
    """Make one model what `state`, which has been checked, says; return the rows it keeps."""
    next_id, events = int(state["next_id"][0]), len(state["event_kind"])
    n = len(state["snapshot_sample"])
    arrays.reserve(segments=next_id, events=events, snapshots=n)
    _load_segments(arrays, model, state, next_id)
    scalars = np.zeros(arrays.scalars.shape[1], np.int64)
    scalars[: len(COUNTERS)] = state["counters"]
    for place, value in (
        (NEXT_ID, next_id),
        (FREE, len(state["free_ids"])),
        (EVENTS, events),
        (CREATES, int((state["event_kind"] == CREATE).sum())),
        (SNAPSHOTS, n),
        (COMMIT, 1),
    ):
        scalars[place] = value
    first = np.searchsorted(state["event_sample"], state["snapshot_sample"])
    _put(arrays, "scalars", model, scalars)
    _put(arrays, "snapshot", (model, 0, slice(n)), (np.arange(n) - (n + 1)).astype(np.int32))
    _put(arrays, "snapshot", (model, 1, slice(n)), first.astype(np.int32))
    _put(arrays, "queue", (model, 0, slice(events)), state["event_target"])
    _put(arrays, "queue", (model, 1, slice(events)), state["event_kind"].astype(np.int32))
    return _rows(state, arrays.cells, arrays.parameters.cells_per_column)


def _load_segments(arrays: Arrays, model: int, state: State, next_id: int) -> None:
    ids, slots = state["segment_id"], arrays.parameters.segment_size
    cell = np.full(next_id, -1, np.int32)
    cell[ids] = state["segment_cell"]
    used = np.zeros(next_id, np.int64)
    used[ids] = state["segment_last_used"]
    room = np.zeros(next_id, np.uint8)
    np.maximum.at(room, state["synapse_segment"], state["synapse_slot"] + np.uint8(1))
    synapses = np.full((next_id, slots), arrays.cells, np.int32)
    permanence = np.zeros(synapses.shape, np.int16)
    at = state["synapse_segment"], state["synapse_slot"]
    synapses[at], permanence[at] = state["synapse_cell"], state["synapse_permanence"]
    owned = np.bincount(state["segment_cell"], minlength=arrays.cells).astype(np.int32)
    head = (model, slice(next_id))
    _put(arrays, "seg_cell", head, cell)
    _put(arrays, "used", head, used)
    _put(arrays, "room", head, room)
    _put(arrays, "gone", head, np.zeros(next_id, np.uint32))
    _put(arrays, "born", head, np.full(next_id, -1, np.int32))
    _put(arrays, "free", (model, slice(len(state["free_ids"]))), state["free_ids"])
    _put(arrays, "owned", model, owned)
    _put(arrays, "syn_cell", head, synapses)
    _put(arrays, "syn_permanence", head, permanence)


def _put(
    arrays: Arrays, name: str, place: int | tuple[int | slice, ...], values: npt.NDArray[np.generic]
) -> None:
    getattr(arrays, name)[place] = arrays.device.xp.asarray(np.ascontiguousarray(values))


def _rows(state: State, cells: int, cells_per_column: int) -> Rows:
    active, winners = (
        Bits.concatenate(
            [
                Bits(cells, state[f"snapshot_{name}"], state[f"snapshot_{name}_offsets"]),
                Bits.from_rows(cells, [state[name]]),
            ]
        )
        for name in ("active", "winners")
    )
    following = np.concatenate([state["snapshot_sample"], state["sample"]])
    return rows_of(active, winners, following, cells_per_column)
