"""Temporal memory on the CPU: an inverted index and compiled loops over whole chunks.

The rules are those of `docs/math.md`; the layout is described in `arrays`. Compiled
code never allocates: it returns when an array is too short, and goes on when called
again with a larger one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends import CellActivity, State, tm_contract
from htmrun.backends.bits import Bits
from htmrun.backends.cpu.memory import arrays as tm_arrays
from htmrun.backends.cpu.memory import commit as tm_commit
from htmrun.backends.cpu.memory import index as tm_index
from htmrun.backends.cpu.memory import step, transfer
from htmrun.backends.cpu.memory.arrays import (
    NEED,
    NEXT_ID,
    POOL_END,
    ROWS_END,
    SEGMENTS_CREATED,
    SEGMENTS_DESTROYED,
    SYNAPSES_CREATED,
    SYNAPSES_DESTROYED,
    Activity,
    Memory,
    Signatures,
)
from htmrun.backends.cpu.memory.rules import RULES, Rules, rules
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.backends.plan import Flags, Plan

I32 = npt.NDArray[np.int32]

# After chunks of at most so many samples the room for results is kept for the next: to make it
# would cost more than to fill it.
_KEPT_SAMPLES = 16
_NO_ROOM = tm_arrays.ACTIVITY.packed(tm_arrays.activity(0, 0))


class TemporalMemory:
    """Temporal memory over `columns` columns; see `htmrun.backends.TemporalMemoryBackend`."""

    def __init__(self, parameters: TemporalMemoryParameters, columns: int, seed: int) -> None:
        self.parameters = parameters
        self.columns = columns
        self._rules = rules(parameters, columns, seed)
        self._memory = tm_arrays.allocate(self._rules.cells, columns, self._rules.signature)
        self._packed_room = _NO_ROOM
        self._position = np.zeros(3, np.int64)
        self._sample = 0
        self._active: I32 = np.zeros(0, np.int32)
        self._winners: I32 = np.zeros(0, np.int32)

    # What compiled code works with, kept with a table of where it lies: `common.packed`.

    @property
    def _rules(self) -> Rules:
        return self._packed_rules.nest

    @_rules.setter
    def _rules(self, rules: Rules) -> None:
        self._packed_rules = RULES.packed(rules)

    @property
    def _memory(self) -> Memory:
        return self._packed_memory.nest

    @_memory.setter
    def _memory(self, memory: Memory) -> None:
        before = getattr(self, "_packed_memory", None)
        self._packed_memory = tm_arrays.MEMORY.packed(memory, before)

    @property
    def _room(self) -> Activity:
        return self._packed_room.nest

    @_room.setter
    def _room(self, room: Activity) -> None:
        self._packed_room = tm_arrays.ACTIVITY.packed(room)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of: arrays, not where they lie."""
        plain = {n: v for n, v in vars(self).items() if not n.startswith("_packed_")}
        return plain | {"_rules": self._rules, "_memory": self._memory, "_room": self._room}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def run(self, bits: Bits, plan: Plan, learn: bool = True) -> CellActivity:
        """Predict, emit events and commit sample by sample as `plan` says.

        Without `learn` cell state and sample counter advance, nothing is queued or committed.
        """
        if len(plan) != len(bits):
            raise ValueError(f"plan of {len(plan)} samples for {len(bits)} samples")
        learn = learn and self.parameters.learn
        samples = len(bits)
        self._advance(bits, plan.reset, plan.commit, learn)
        outputs = self._outputs(samples)
        if samples:
            self._active = outputs.active.row(samples - 1).copy()
            self._winners = outputs.winners.row(samples - 1).copy()
            self._sample += samples
        return outputs

    def compute(self, bits: Bits, reset: Flags) -> CellActivity:
        """Return what `run` would say with frozen segments, from the current cells on."""
        if len(reset) != len(bits):
            raise ValueError(f"{len(reset)} reset flags for {len(bits)} samples")
        self._advance(bits, reset, reset, False)
        return self._outputs(len(bits))

    def counters(self) -> dict[str, int]:
        """Return live segments and synapses, and what happened to them so far."""
        s = self._memory.scalars
        segments = int(s[SEGMENTS_CREATED] - s[SEGMENTS_DESTROYED])
        synapses = int(s[SYNAPSES_CREATED] - s[SYNAPSES_DESTROYED])
        return tm_contract.named(s[: len(tm_contract.COUNTERS)], segments, synapses)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that outlive a call, slack included."""
        arrays = (self._memory, self._room, self._active, self._winners)
        return tm_arrays.nbytes(arrays)

    def state(self) -> State:
        """Return the canonical state; names, dtypes, orders: `tm_contract.DTYPES`."""
        s = self._memory.scalars
        state: State = {
            "sample": np.array([self._sample], np.int64),
            "next_id": s[NEXT_ID : NEXT_ID + 1].copy(),
            "counters": s[: len(tm_contract.COUNTERS)].copy(),
            "active": self._active.copy(),
            "winners": self._winners.copy(),
            **transfer.canonical_segments(self._rules, self._memory),
            **transfer.canonical_queue(self._rules, self._memory),
        }
        return {name: state[name] for name in tm_contract.DTYPES}

    def load(self, state: State) -> None:
        """Take over what `state()` returned; raises UserError for anything else."""
        tm_contract.check(state, self.parameters, self.columns)
        self._memory = transfer.from_canonical(state, self._rules, self.columns)
        self._sample = int(state["sample"][0])
        self._active = state["active"].copy()
        self._winners = state["winners"].copy()

    def _advance(self, bits: Bits, reset: Flags, commit: Flags, learn: bool) -> None:
        if bits.size != self.columns:
            raise ValueError(f"samples of {bits.size} bits for {self.columns} columns")
        self._begin(bits)
        self._position[:] = 0, self._sample, 0
        while True:
            code = step.advance(
                np.ascontiguousarray(bits.indices, np.int32),
                np.ascontiguousarray(bits.offsets, np.int64),
                np.ascontiguousarray(reset, np.uint8),
                np.ascontiguousarray(commit, np.uint8),
                learn,
                self._position,
                self._packed_rules.table,
                self._packed_memory.table,
                self._packed_room.table,
            )
            if code == tm_commit.DONE:
                return
            if code == tm_commit.OUTSIDE:
                raise ValueError(f"on-bits outside of 0 to {self.columns - 1}")
            if code == tm_commit.SHORT_ACTIVITY:
                self._room = _longer_activity(self._room, int(self._memory.scalars[NEED]))
            else:
                self._enlarge(code)

    def _begin(self, bits: Bits) -> None:
        """Make room for the chunk's results, with the cells before it as row 0."""
        samples, active, winners = len(bits), len(self._active), len(self._winners)
        # After a sample that burst the next ones may; pages that are not written cost nothing.
        cells = active + max(2 * len(bits.indices), samples * active) + self.columns + 1024
        room = self._room
        if len(room.hits) < samples or len(room.winners) < cells:
            self._room = room = tm_arrays.activity(samples, cells)
        room.active[:active] = self._active
        room.winners[:winners] = self._winners
        room.active_start[1], room.winners_start[1] = active, winners

    def _outputs(self, samples: int) -> CellActivity:
        """Return what the room holds of the last call's samples, as arrays of their own."""
        room, cells = self._room, self._rules.cells
        a, w = room.active_start[1 : samples + 2], room.winners_start[1 : samples + 2]
        p = room.predicted_start[: samples + 1]
        outputs = CellActivity(
            Bits(cells, room.active[a[0] : a[-1]].copy(), a - a[0]),
            Bits(cells, room.winners[w[0] : w[-1]].copy(), w - w[0]),
            Bits(self.columns, room.predicted[: p[-1]].copy(), p.copy()),
            room.hits[:samples].copy(),
            room.bursting[:samples].copy(),
        )
        if samples > _KEPT_SAMPLES:
            self._packed_room = _NO_ROOM
        return outputs

    # Room

    def _enlarge(self, code: int) -> None:
        need = int(self._memory.scalars[NEED])
        if code == tm_commit.SHORT_SEGMENTS:
            self._longer_segments()
        elif code == tm_commit.SHORT_ROWS:
            self._more_rows(need)
        elif code == tm_commit.SHORT_POOL:
            self._more_pool(need)
        else:
            self._longer_queue(need)

    def _longer_segments(self) -> None:
        segments, spare = self._memory.segments, tm_arrays.SPARE.segments
        length = _more(len(segments.cell), 1, spare)
        tm_arrays.check_index("synapses", length * self.parameters.segment_size)
        longer = tm_arrays.lengthened(segments, [length] * len(segments))
        if longer is None:
            longer = [tm_arrays.reserved(length, spare, a.dtype, np.zeros) for a in segments]
            tm_arrays.copy(segments, longer)
        self._memory = self._memory._replace(
            segments=tm_arrays.Segments(*longer), signatures=self._more_signatures(length)
        )

    def _more_signatures(self, segments: int) -> Signatures:
        old, width = self._memory.signatures, self._rules.signature
        lengths = tm_arrays.signature_lengths(self.columns, segments, width)
        longer = tm_arrays.lengthened(old, lengths)
        if longer is not None:
            return Signatures(*longer)
        new = tm_arrays.signatures(self.columns, segments, width)
        tm_arrays.copy(old, new)
        return new

    def _more_rows(self, need: int) -> None:
        m, spare = self._memory, tm_arrays.SPARE.slots
        next_id, end = m.scalars[NEXT_ID], int(m.scalars[ROWS_END])
        live = m.segments.cell[:next_id] >= 0
        used = int(m.segments.room[:next_id][live].sum(dtype=np.int64))
        # Where next to nothing is free between the rows, they are copied as they lie.
        as_it_lies = end <= used + spare // 8
        slots = _more(end if as_it_lies else used, need, spare)
        longer = tm_arrays.lengthened(m.synapses, [slots] * len(m.synapses)) if as_it_lies else None
        if longer is not None:
            self._memory = m._replace(synapses=tm_arrays.Synapses(*longer))
            return
        synapses = tm_arrays.synapses(slots)
        if as_it_lies:
            tm_arrays.copy(m.synapses, synapses, end)
        else:
            tm_index.gather_rows(
                m.synapses, synapses, m.segments, next_id, m.scratch.free_rows, m.scalars
            )
        self._memory = m._replace(synapses=synapses)

    def _more_pool(self, need: int) -> None:
        m, spare = self._memory, tm_arrays.SPARE.entries
        end = int(m.scalars[POOL_END])
        # Lists keep their room to grow, as long as that is no more than `tm_footprint` counts.
        # They have a place for each synapse at least; only if that leaves doubts they are added up.
        used = int(m.scalars[SYNAPSES_CREATED] - m.scalars[SYNAPSES_DESTROYED])
        if end > used + used // 4 + spare:
            used = tm_index.gathered_pool_size(m.cells.listeners)
        as_it_lies = end <= used + used // 4 + spare
        entries = _more(end if as_it_lies else used, need, spare)
        longer = tm_arrays.lengthened([m.pool], [entries]) if as_it_lies else None
        if longer is not None:
            self._memory = m._replace(pool=longer[0])
            return
        pool = tm_arrays.entries(entries)
        if as_it_lies:
            pool[:end] = m.pool[:end]
        else:
            tm_index.gather_pool(m.pool, pool, m.cells, m.scratch.free_lists, m.scalars)
        self._memory = m._replace(pool=pool)

    def _longer_queue(self, need: int) -> None:
        old = self._memory.queue
        new = tm_arrays.queue(
            2 * len(old.kind) + need,
            2 * len(old.sample),
            2 * max(len(old.active), len(old.winners)) + need,
        )
        tm_arrays.copy(old, new)
        self._memory = self._memory._replace(queue=new)


def _more(used: int, need: int, least: int) -> int:
    """Return a length for `used` and `need` places and an eighth of slack, `least` or more."""
    return used + max(need, used // 8, least)


def _longer_activity(room: Activity, need: int) -> Activity:
    longer = tm_arrays.activity(len(room.hits), 2 * len(room.winners) + need)
    tm_arrays.copy(room, longer)
    return longer
