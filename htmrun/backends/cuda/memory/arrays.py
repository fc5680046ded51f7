"""The arrays of a group of temporal memories on a device, and what they take.

Segments, queue and scratch have the same room in every model and grow for all together:
a kernel that lacks room stops and says how much it needs (see `kernels/tm_model.cuh`,
whose order of rules and scalars this file repeats).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends import rng, tm_contract
from htmrun.backends.cuda.device import Device
from htmrun.backends.fixed_point import permanence
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.errors import UserError

NEXT_ID, FREE, EVENTS, CREATES, SNAPSHOTS, COMMIT = 6, 7, 8, 9, 10, 11
POSITION, COMMITTING, SHORT, NEED, INDEX, INDEX_END, SCALARS = 12, 13, 14, 15, 16, 17, 18
SHORT_OF_SEGMENTS, SHORT_OF_EVENTS = 1, 2

LANES = 32
MASK_WORDS = 4096
EVENT_ARRAYS, COLUMN_ARRAYS, LIST_ARRAYS = 8, 6, 3
UNIT = 4

SEGMENTS, QUEUE = 4096, 2048
"""Room that a new group has, for segments and for events of each model."""

_INDEX_LIMIT = 2**31 - LANES

_BY_SEGMENT: dict[str, tuple[npt.DTypeLike, int]] = {
    "seg_cell": (np.int32, 0),
    "used": (np.int64, 0),
    "room": (np.uint8, 0),
    "free": (np.int32, 0),
    "gone": (np.uint32, 0),
    "born": (np.int32, -1),
    "found": (np.uint64, 0),
    "count": (np.uint32, 0),
}
"""Arrays of one entry a segment, and what a new entry holds."""


def words(bits: int) -> int:
    """Return how many words of 32 bits hold `bits` bits."""
    return -(-bits // LANES)


def pool_units(slots: int, cells: int) -> int:
    """Return how many units of four words the lists of an index may take for so many slots.

    `kernels/tm_index.cuh` gives each cell that has some n + n / 8 + 1 entries, two words ahead and
    whole units; an eighth of the slots is for what comes later.
    """
    return (slots + slots // 4 + 7 * min(cells, slots)) // UNIT + 4


class Arrays:
    """All arrays of `len(seeds)` temporal memories; attributes are device arrays.

    Raises `UserError` if the cells cannot be numbered or the device has no room.
    """

    seg_cell: Any
    used: Any
    room: Any
    free: Any
    gone: Any
    born: Any
    found: Any
    count: Any

    def __init__(
        self,
        parameters: TemporalMemoryParameters,
        columns: int,
        seeds: Sequence[int],
        device: Device,
        shared_masks: bool,
    ) -> None:
        self.parameters, self.columns, self.models = parameters, columns, len(seeds)
        self.device = device
        self.cells = checked_cells(parameters, columns)
        self.limit = tm_contract.segment_limit(parameters, columns)
        self.segments, self.events, self.snapshots, self.winners = 0, 0, 0, 0
        self.units = 0
        self.shared_masks = shared_masks and words(self.cells + 1) <= MASK_WORDS
        self.warps = device.select_threads // LANES
        self.rules: Any = None
        purposes = (rng.Purpose.TM_CELL, rng.Purpose.TM_GROW)
        self.keys = self._upload(np.array([[rng.key(s, p) for p in purposes] for s in seeds]))
        scalars = np.zeros((self.models, SCALARS), np.int64)
        scalars[:, COMMIT] = 1
        self.scalars = self._upload(scalars)
        self.syn_cell = self._new((self.models, 0, parameters.segment_size), np.int32)
        self.syn_permanence = self._new(self.syn_cell.shape, np.int16)
        for name, (dtype, _) in _BY_SEGMENT.items():
            setattr(self, name, self._new((self.models, 0), dtype))
        self.owned = self._new((self.models, self.cells), np.int32)
        self.lists = self._new((self.models, LIST_ARRAYS, self.cells), np.uint32)
        self.pool = self._new((self.models, 0), np.uint32)
        self.queue = self._new((self.models, EVENT_ARRAYS, 0), np.int32)
        self.oldest = self._new((self.models, 0), np.uint64)
        self.snapshot = self._new((self.models, 2, 0), np.int32)
        self.of_column = self._new((self.models, COLUMN_ARRAYS, columns), np.int32, -1)
        self.best = self._new((self.models, columns), np.uint64)
        self.mask = self._new((self.models, 2, words(self.cells + 1)), np.uint32)
        self.keys_of_growth = self._new((self.models, self.warps, 2, 0), np.uint64)
        self.reserve(segments=SEGMENTS, events=QUEUE, snapshots=64, winners=64)

    def reserve(
        self, segments: int = 0, events: int = 0, snapshots: int = 0, winners: int = 0
    ) -> None:
        """Make room for at least so many of each in every model; what is there stays."""
        if segments > self.segments:
            if segments > _INDEX_LIMIT:
                raise UserError(
                    f"temporal_memory: found {segments} segments, expected at most "
                    f"{_INDEX_LIMIT}; lower tm.segments_per_column"
                )
            # Ids are used again, so no model needs more than there can be.
            most = tm_contract.most_segments(self.parameters, self.columns)
            limit = min(most, _INDEX_LIMIT)
            grown = min(max(segments, self.segments * 3 // 2), limit)
            self._longer_segments(words(grown) * LANES)
        if events > self.events:
            self.events = max(events, 2 * self.events)
            self.queue = self._longer(self.queue, 2, self.events, "pending events")
            self.oldest = self._longer(self.oldest, 1, self.events, "pending events")
        if snapshots > self.snapshots:
            self.snapshots = max(snapshots, 2 * self.snapshots)
            self.snapshot = self._longer(self.snapshot, 2, self.snapshots, "pending samples")
        if winners > self.winners:
            self.winners = winners
            shape = (self.models, self.warps, 2, winners)
            self.keys_of_growth = self._new(shape, np.uint64)
        self._write_rules()

    def arguments(self, first: int, last: int) -> tuple[Any, ...]:
        """Return what the kernel takes of models first..last."""
        by_model = (
            self.keys, self.scalars, self.seg_cell, self.used, self.room, self.syn_cell,
            self.syn_permanence, self.owned, self.free, self.gone, self.born, self.found,
            self.count, self.lists, self.pool, self.queue, self.oldest, self.snapshot,
            self.of_column, self.best, self.mask, self.keys_of_growth,
        )  # fmt: skip
        return self.rules, *(array[first:last] for array in by_model)

    def pending_rows(
        self, first: int, pending: npt.NDArray[np.int64]
    ) -> list[npt.NDArray[np.int64]]:
        """Return the rows that pending events refer to: `pending` of each model from `first` on.

        They are counted from the start of the chunk.
        """
        rows = self.device.to_host(self.snapshot[first : first + len(pending), 0, : pending.max()])
        return [rows[m, :n].astype(np.int64) for m, n in enumerate(pending)]

    def number_pending_rows(self, first: int, counts: Sequence[int]) -> None:
        """Make the `n` pending rows of each model, from `first` on, the first of the n + 1 rows
        before its next chunk."""
        if max(counts) > 0:
            rows = np.zeros((len(counts), max(counts)), np.int32)
            for m, n in enumerate(counts):
                rows[m, :n] = np.arange(n) - (n + 1)
            models = slice(first, first + len(counts))
            self.snapshot[models, 0, : max(counts)] = self._upload(rows)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that outlive a call, slack included."""
        return sum(int(a.nbytes) for a in vars(self).values() if hasattr(a, "nbytes"))

    def _longer_segments(self, room: int) -> None:
        what = f"segments of {self.models} model(s)"
        for name in ("syn_cell", "syn_permanence"):
            setattr(self, name, self._longer(getattr(self, name), 1, room, what))
        for name, (_, fill) in _BY_SEGMENT.items():
            setattr(self, name, self._longer(getattr(self, name), 1, room, what, fill))
        self.units = pool_units(room * self.parameters.segment_size, self.cells)
        if self.units > _INDEX_LIMIT:
            raise UserError(
                f"temporal_memory: found {room} segments of {self.parameters.segment_size} "
                "synapses, more than a card's index can number; lower tm.segments_per_column"
            )
        self.pool = self._longer(self.pool, 1, self.units * UNIT, what)
        self.segments = room

    def _longer(self, array: Any, axis: int, length: int, what: str, fill: int = 0) -> Any:
        shape = list(array.shape)
        old, shape[axis] = shape[axis], length
        longer = self._new(tuple(shape), array.dtype, fill, f"{length} {what}")
        head = (slice(None),) * axis
        longer[(*head, slice(0, old))] = array
        return longer

    def _new(
        self, shape: tuple[int, ...], dtype: npt.DTypeLike, fill: int = 0, what: str = "a model"
    ) -> Any:
        try:
            return self.device.xp.full(shape, fill, dtype)
        except MemoryError as error:
            size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
            raise UserError(
                f"device: found no room for {what} of the temporal memory ({size} bytes more), "
                "expected fewer models side by side, a lower tm.segments_per_column or device=cpu"
            ) from error

    def _upload(self, array: np.ndarray) -> Any:
        return self.device.xp.asarray(array)

    def _write_rules(self) -> None:
        p = self.parameters
        values = (
            self.columns, p.cells_per_column, p.activation_threshold, p.matching_threshold,
            p.new_synapses, p.segment_size, p.segments_per_cell, permanence(p.connected),
            max(1, permanence(p.initial_permanence)), permanence(p.increment),
            permanence(p.decrement), permanence(p.punishment), self.segments, self.units,
            self.events, self.snapshots, self.winners, int(self.shared_masks), self.limit,
        )  # fmt: skip
        self.rules = self._upload(np.array(values, np.int32))


def checked_cells(parameters: TemporalMemoryParameters, columns: int) -> int:
    """Return the number of cells; `UserError` if they cannot be numbered."""
    cells = columns * parameters.cells_per_column
    if cells >= _INDEX_LIMIT:
        raise UserError(
            f"tm.cells_per_column: found {parameters.cells_per_column} on {columns} columns, "
            f"expected at most {_INDEX_LIMIT} cells in all"
        )
    return cells


def memory_bytes(
    parameters: TemporalMemoryParameters, columns: int, segments: int = SEGMENTS
) -> int:
    """Return the bytes of device memory that one model with room for `segments` segments takes.

    Room for longer windows and the samples of a chunk come on top; segments are the bulk.
    """
    slots = segments * parameters.segment_size
    each = sum(np.dtype(dtype).itemsize for dtype, _ in _BY_SEGMENT.values())
    cells = checked_cells(parameters, columns)
    synapses = slots * (4 + 2) + pool_units(slots, cells) * UNIT * 4
    of_column = COLUMN_ARRAYS * 4 + 8
    queue = QUEUE * (EVENT_ARRAYS * 4 + 8)
    of_cell = 4 + LIST_ARRAYS * 4
    masks = 2 * 4 * words(cells + 1)
    return segments * each + synapses + cells * of_cell + masks + columns * of_column + queue
