"""The canonical state of a temporal memory: names, dtypes and what must hold between them.

Every backend writes these arrays in `state()` and has `check` look at them in `load()`.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from htmrun.backends.fixed_point import PERMANENCE_ONE
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.errors import UserError, nearest

State = dict[str, np.ndarray]

REINFORCE, CREATE, PUNISH = 0, 1, 2

COUNTERS = (
    "segments_created",
    "segments_destroyed",
    "segments_evicted",
    "synapses_created",
    "synapses_destroyed",
    "events_dropped",
)
"""What the array `counters` holds, in this order; destroyed includes evicted."""

DTYPES = {
    "sample": "int64",  # (1,) samples seen by `run`
    "next_id": "int64",  # (1,) the id a new segment gets when none is free
    "counters": "int64",  # (6,) see COUNTERS
    "segment_id": "int32",  # (n,) ascending
    "segment_cell": "int32",  # (n,)
    "segment_last_used": "int64",  # (n,) sample
    "synapse_segment": "int32",  # (m,) ordered by (segment, slot)
    "synapse_slot": "uint8",  # (m,)
    "synapse_cell": "int32",  # (m,) presynaptic cell
    "synapse_permanence": "int16",  # (m,) 1.0 = 10000
    "free_ids": "int32",  # the stack of freed segment ids, top last
    "active": "int32",  # the last sample's active cells, ascending
    "winners": "int32",  # the last sample's winner cells, ascending
    "event_sample": "int64",  # (e,) the pending window, in the order in which it is committed
    "event_column": "int32",  # (e,)
    "event_kind": "uint8",  # (e,) 0 reinforce, 1 create, 2 punish
    "event_target": "int32",  # (e,) segment id, or the cell of a create
    "snapshot_sample": "int64",  # (q,) samples that emitted the pending events, ascending
    "snapshot_active": "int32",  # active cells before each of these samples, joined
    "snapshot_active_offsets": "int64",  # (q + 1,)
    "snapshot_winners": "int32",  # winner cells before each of these samples, joined
    "snapshot_winners_offsets": "int64",  # (q + 1,)
}

NO_LIMIT = 2**31 - 1
"""Segments that no memory reaches: their ids are int32."""

EVICTED_SHARE = 64
"""A full memory gives up this part of its segments at a time, so that looking for the oldest is
seldom."""

_SAME_LENGTH = (
    ("segment_id", "segment_cell", "segment_last_used"),
    ("synapse_segment", "synapse_slot", "synapse_cell", "synapse_permanence"),
    ("event_sample", "event_column", "event_kind", "event_target"),
)
_FIXED_LENGTH = {"sample": 1, "next_id": 1, "counters": len(COUNTERS)}


def segment_limit(parameters: TemporalMemoryParameters, columns: int) -> int:
    """Return how many segments the memory as a whole may have; NO_LIMIT if its cells hold no more.

    At least one for each column, so there is always room for what one sample creates.
    """
    most, held = parameters.segments_per_column, _held_by_cells(parameters)
    if most is None or most >= held:
        return NO_LIMIT
    return min(most * columns, NO_LIMIT)


def most_segments(parameters: TemporalMemoryParameters, columns: int) -> int:
    """Return how many segments there can be, by the limits of a cell and of the whole memory."""
    held = columns * _held_by_cells(parameters)
    return min(held, segment_limit(parameters, columns))


def _held_by_cells(parameters: TemporalMemoryParameters) -> int:
    return parameters.cells_per_column * parameters.segments_per_cell


def check(state: State, parameters: TemporalMemoryParameters, columns: int) -> None:
    """Raise UserError unless `state` could have been returned by `state()` of such a memory."""
    _check_arrays(state)
    _check_segments(state, parameters, columns)
    _check_synapses(state, parameters, columns)
    cells = columns * parameters.cells_per_column
    for name in ("active", "winners"):
        _require(name, _ascending(state[name], cells), "ascending cells of this memory")
    _check_window(state, parameters, columns)
    _check_counters(state)


def _require(name: str, holds: bool | np.bool_, expected: str) -> None:
    if not holds:
        raise UserError(f"temporal_memory.{name}: found a broken state, expected {expected}")


def _check_arrays(state: State) -> None:
    for name in state:
        if name not in DTYPES:
            raise UserError(
                f"temporal_memory.{name}: found an unknown array, expected the arrays of a "
                f"temporal memory{nearest(name, DTYPES)}"
            )
    for name, dtype in DTYPES.items():
        if name not in state:
            raise UserError(f"temporal_memory.{name}: found nothing, expected {dtype} array")
        array = state[name]
        if array.dtype != np.dtype(dtype) or array.ndim != 1:
            raise UserError(
                f"temporal_memory.{name}: found {array.dtype} with {array.ndim} dimensions, "
                f"expected {dtype} with 1"
            )
        length = _FIXED_LENGTH.get(name)
        if length is not None:
            _require(name, len(array) == length, f"{length} values")
    for group in _SAME_LENGTH:
        for name in group[1:]:
            _require(name, len(state[name]) == len(state[group[0]]), f"as many as {group[0]}")


def _ascending(values: npt.NDArray[np.int32], stop: int) -> bool:
    """Whether `values` are strictly ascending in 0..stop."""
    if len(values) == 0:
        return True
    return bool(values[0] >= 0 and values[-1] < stop and np.all(np.diff(values) > 0))


def _inside(values: np.ndarray, stop: int) -> bool:
    return len(values) == 0 or bool(values.min() >= 0 and values.max() < stop)


def _check_segments(state: State, parameters: TemporalMemoryParameters, columns: int) -> None:
    ids, cells, free = state["segment_id"], state["segment_cell"], state["free_ids"]
    next_id = int(state["next_id"][0])
    _require("sample", state["sample"][0] >= 0, "a count")
    _require("segment_id", _ascending(ids, next_id), "ascending ids below next_id")
    _require(
        "free_ids",
        len(free) + len(ids) == next_id
        and np.array_equal(np.sort(np.concatenate([ids, free])), np.arange(next_id)),
        "every id below next_id either in use or free",
    )
    _require(
        "segment_cell",
        _inside(cells, columns * parameters.cells_per_column),
        "cells of this memory",
    )
    _require(
        "segment_cell",
        len(cells) == 0
        or np.unique(cells, return_counts=True)[1].max() <= parameters.segments_per_cell,
        f"at most segments_per_cell = {parameters.segments_per_cell} segments on a cell",
    )
    limit = segment_limit(parameters, columns)
    _require(
        "segment_id", len(ids) <= limit, f"at most segments_per_column * columns = {limit} segments"
    )
    used = state["segment_last_used"]
    _require("segment_last_used", _inside(used, int(state["sample"][0])), "samples of the past")


def _check_synapses(state: State, parameters: TemporalMemoryParameters, columns: int) -> None:
    owner, slot, cell = (state[f"synapse_{n}"] for n in ("segment", "slot", "cell"))
    permanence = state["synapse_permanence"]
    order = owner.astype(np.int64) * 256 + slot
    _require("synapse_slot", np.all(np.diff(order) > 0), "order by (segment, slot)")
    first = np.concatenate([[True], owner[1:] != owner[:-1]])[: len(owner)]
    _require(
        "synapse_segment",
        np.array_equal(owner[first], state["segment_id"]),
        "synapses on every segment and on no other",
    )
    _require("synapse_slot", _inside(slot, parameters.segment_size), "slots below segment_size")
    cells = columns * parameters.cells_per_column
    _require("synapse_cell", _inside(cell, cells), "cells of this memory")
    pairs = np.sort(owner.astype(np.int64) * cells + cell)
    _require("synapse_cell", np.all(pairs[1:] != pairs[:-1]), "no cell twice on a segment")
    _require("synapse_permanence", _inside(permanence - 1, PERMANENCE_ONE), "1 to 10000")


def _check_window(state: State, parameters: TemporalMemoryParameters, columns: int) -> None:
    per_column = parameters.cells_per_column
    samples = state["snapshot_sample"]
    _require("snapshot_sample", _ascending(samples, int(state["sample"][0])), "past samples")
    for name in ("snapshot_active", "snapshot_winners"):
        cells, offsets = state[name], state[f"{name}_offsets"]
        _require(
            f"{name}_offsets",
            len(offsets) == len(samples) + 1
            and offsets[0] == 0
            and offsets[-1] == len(cells)
            and np.all(np.diff(offsets) >= 0),
            "offsets from 0 to the number of cells, one more than samples",
        )
        for low, high in pairwise(offsets):
            _require(name, _ascending(cells[low:high], columns * per_column), "ascending cells")
    kind, target, column = state["event_kind"], state["event_target"], state["event_column"]
    _require("event_kind", _inside(kind, 3), "0, 1 or 2")
    _require(
        "event_sample",
        np.array_equal(np.unique(state["event_sample"]), samples),
        "events of every snapshot and of no other",
    )
    creates = kind == CREATE
    _require(
        "event_target",
        np.isin(target[~creates], state["segment_id"]).all()
        and _inside(target[creates], columns * per_column),
        "segments in use, or cells to create on",
    )
    at = np.where(creates, 0, np.searchsorted(state["segment_id"], target))
    cell = target if creates.all() else np.where(creates, target, state["segment_cell"][at])
    _require("event_column", np.array_equal(column, cell // per_column), "the target's column")
    key = np.stack([state["event_sample"], column, kind, target]).astype(np.int64)
    ordered = np.array_equal(np.lexsort(key[::-1]), np.arange(len(kind)))
    _require("event_sample", ordered, "order by (sample, column, kind, target)")
    together = np.all(key[:2, 1:] == key[:2, :-1], axis=0)
    again = together & ((kind[1:] != kind[:-1]) | (target[1:] == target[:-1]) | creates[1:])
    _require("event_kind", not again.any(), "one create, or other events of one kind, in a column")
    winners = np.diff(state["snapshot_winners_offsets"])
    after = winners[np.searchsorted(samples, state["event_sample"][creates])]
    _require("event_kind", np.all(after > 0), "creates only where there were winner cells")


def _check_counters(state: State) -> None:
    counters = dict(zip(COUNTERS, state["counters"].tolist(), strict=True))
    _require("counters", min(counters.values()) >= 0, "counts")
    for what, live in (("segments", "segment_id"), ("synapses", "synapse_segment")):
        balance = counters[f"{what}_created"] - counters[f"{what}_destroyed"]
        _require("counters", balance == len(state[live]), f"{what} created - destroyed = live")


def named(counters: npt.NDArray[np.int64], segments: int, synapses: int) -> dict[str, int]:
    """Return the counters by name, with the live `segments` and `synapses` first."""
    return {
        "segments": segments,
        "synapses": synapses,
        **dict(zip(COUNTERS, (int(x) for x in counters), strict=True)),
    }
