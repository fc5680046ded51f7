"""Temporal memory in plain Python: the section of that name in `docs/math.md`, line by line.

Slow on purpose. Sources: Hawkins, Ahmad 2016 ("Why Neurons Have Thousands of Synapses");
BAMI, chapter "Temporal Memory Algorithm".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from htmrun.backends import CellActivity, State, rng, tm_contract
from htmrun.backends.bits import Bits
from htmrun.backends.fixed_point import PERMANENCE_ONE, permanence
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.backends.plan import Flags, Plan
from htmrun.backends.tm_contract import COUNTERS, CREATE, EVICTED_SHARE, PUNISH, REINFORCE


@dataclass
class _Segment:
    """Synapses of one cell: slot -> (presynaptic cell, permanence)."""

    cell: int
    last_used: int
    synapses: dict[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Event:
    sample: int
    column: int
    kind: int
    target: int  # segment id; of a create the cell


@dataclass
class _Cells:
    """What the samples before sample number `sample` left for it."""

    sample: int = 0
    active: set[int] = field(default_factory=set)
    winners: set[int] = field(default_factory=set)


class TemporalMemory:
    """Temporal memory over `columns` columns; see `htmrun.backends.TemporalMemoryBackend`."""

    def __init__(self, parameters: TemporalMemoryParameters, columns: int, seed: int) -> None:
        self.parameters = parameters
        self.columns = columns
        self._cell_key = rng.key(seed, rng.Purpose.TM_CELL)
        self._grow_key = rng.key(seed, rng.Purpose.TM_GROW)
        self._connected = permanence(parameters.connected)
        self._initial = max(1, permanence(parameters.initial_permanence))
        self._increment = permanence(parameters.increment)
        self._decrement = permanence(parameters.decrement)
        self._punishment = permanence(parameters.punishment)
        self._limit = tm_contract.segment_limit(parameters, columns)
        self._cells = _Cells()
        self._segments: dict[int, _Segment] = {}
        self._free: list[int] = []
        self._next_id = 0
        self._events: list[_Event] = []
        self._snapshots: dict[int, _Cells] = {}
        self._count = dict.fromkeys(COUNTERS, 0)

    def run(self, bits: Bits, plan: Plan, learn: bool = True) -> CellActivity:
        """Predict, emit events and commit sample by sample as `plan` says.

        Without `learn` cell state and sample counter advance, nothing is queued or committed.
        """
        if len(plan) != len(bits):
            raise ValueError(f"plan of {len(plan)} samples for {len(bits)} samples")
        learn = learn and self.parameters.learn
        rows = []
        for t in range(len(bits)):
            rows.append(self._sample(self._cells, bits.row(t), bool(plan.reset[t]), learn))
            if learn and plan.commit[t]:
                self._commit()
        return self._activity(rows)

    def compute(self, bits: Bits, reset: Flags) -> CellActivity:
        """Return what `run` would say with frozen segments, from the current cells on."""
        cells = _Cells(self._cells.sample, self._cells.active, self._cells.winners)
        rows = [self._sample(cells, bits.row(t), bool(reset[t]), False) for t in range(len(bits))]
        return self._activity(rows)

    def counters(self) -> dict[str, int]:
        """Return live segments and synapses, and what happened to them so far."""
        synapses = sum(len(s.synapses) for s in self._segments.values())
        return {"segments": len(self._segments), "synapses": synapses, **self._count}

    # One sample

    def _sample(
        self, cells: _Cells, columns: np.ndarray, reset: bool, learn: bool
    ) -> tuple[list[int], list[int], list[int], int, int]:
        if reset:
            cells.active, cells.winners = set(), set()
        active_segments, potential = self._dendrites(cells.active)
        active: list[int] = []
        winners: list[int] = []
        events: list[_Event] = []
        t = cells.sample
        bursting = 0
        for column in (int(c) for c in columns):
            predicting = [s for s in active_segments if self._column(s) == column]
            if predicting:
                predicted_cells = sorted({self._segments[s].cell for s in predicting})
                active += predicted_cells
                winners += predicted_cells
                events += [_Event(t, column, REINFORCE, s) for s in predicting]
                continue
            bursting += 1
            first = column * self.parameters.cells_per_column
            active += range(first, first + self.parameters.cells_per_column)
            matching = [s for s in potential if self._column(s) == column]
            if matching:
                best = min(matching, key=lambda s: (-potential[s], s))
                winners.append(self._segments[best].cell)
                events.append(_Event(t, column, REINFORCE, best))
            else:
                winner = self._least_used_cell(column, t)
                winners.append(winner)
                if cells.winners:
                    events.append(_Event(t, column, CREATE, winner))
        if self._punishment > 0:
            on = set(columns.tolist())
            silent = [s for s in potential if self._column(s) not in on]
            events += [_Event(t, self._column(s), PUNISH, s) for s in silent]
        if learn and events:
            self._events += sorted(events, key=lambda e: (e.column, e.kind, e.target))
            self._snapshots[t] = _Cells(t, cells.active, cells.winners)
        predicted = sorted({self._column(s) for s in active_segments})
        cells.sample, cells.active, cells.winners = t + 1, set(active), set(winners)
        return active, winners, predicted, len(columns) - bursting, bursting

    def _column(self, segment: int) -> int:
        return self._segments[segment].cell // self.parameters.cells_per_column

    def _dendrites(self, previous: set[int]) -> tuple[list[int], dict[int, int]]:
        """Return the active segments, and the matching ones with their potential, by id."""
        active: list[int] = []
        matching: dict[int, int] = {}
        for s in sorted(self._segments):
            on = [p for cell, p in self._segments[s].synapses.values() if cell in previous]
            if sum(p >= self._connected for p in on) >= self.parameters.activation_threshold:
                active.append(s)
            if len(on) >= self.parameters.matching_threshold:
                matching[s] = len(on)
        return active, matching

    def _least_used_cell(self, column: int, t: int) -> int:
        first = column * self.parameters.cells_per_column
        cells = np.arange(first, first + self.parameters.cells_per_column)
        owned = [self._owned(int(c)) for c in cells]
        words = rng.hash2(self._cell_key, np.uint64(t), cells.astype(np.uint64))
        return min(zip((len(o) for o in owned), words.tolist(), cells.tolist(), strict=True))[2]

    def _owned(self, cell: int) -> list[int]:
        return [i for i, s in self._segments.items() if s.cell == cell]

    def _activity(
        self, rows: list[tuple[list[int], list[int], list[int], int, int]]
    ) -> CellActivity:
        size = self.columns * self.parameters.cells_per_column
        return CellActivity(
            Bits.from_rows(size, [r[0] for r in rows]),
            Bits.from_rows(size, [r[1] for r in rows]),
            Bits.from_rows(self.columns, [r[2] for r in rows]),
            np.array([r[3] for r in rows], np.int32),
            np.array([r[4] for r in rows], np.int32),
        )

    # Commit

    def _commit(self) -> None:
        destroyed: set[int] = set()
        created: list[tuple[int, set[int], int, _Segment]] = []
        for _, of_sample in groupby(self._events, key=lambda e: e.sample):
            events = list(of_sample)
            self._make_room(sum(e.kind == CREATE for e in events), destroyed)
            for event in events:
                self._apply(event, created, destroyed)
        self._events, self._snapshots = [], {}

    def _make_room(self, creates: int, destroyed: set[int]) -> None:
        """Evict the segments used longest ago, if so many new ones could exceed the limit."""
        excess = len(self._segments) + creates - self._limit
        if excess <= 0:
            return
        by_age = sorted(self._segments, key=lambda i: (self._segments[i].last_used, i))
        for i in sorted(by_age[: max(excess, self._limit // EVICTED_SHARE)]):
            self._count["segments_evicted"] += 1
            self._destroy(i, destroyed)

    def _apply(
        self,
        event: _Event,
        created: list[tuple[int, set[int], int, _Segment]],
        destroyed: set[int],
    ) -> None:
        before = self._snapshots[event.sample]
        if event.kind == CREATE:
            segment = self._create(event, before, created, destroyed)
        elif event.target in destroyed:
            self._count["events_dropped"] += 1
            return
        elif event.kind == REINFORCE:
            segment = self._reinforce(event.target, before)
        else:
            segment = self._punish(event.target, before)
        if not self._segments[segment].synapses:
            self._destroy(segment, destroyed)

    def _create(
        self,
        event: _Event,
        before: _Cells,
        created: list[tuple[int, set[int], int, _Segment]],
        destroyed: set[int],
    ) -> int:
        for column, winners, i, segment in created:
            stands = self._segments.get(i) is segment
            if stands and column == event.column and winners == before.winners:
                return self._reinforce(i, before)
        owned = self._owned(event.target)
        if len(owned) >= self.parameters.segments_per_cell:
            self._count["segments_evicted"] += 1
            self._destroy(min(owned, key=lambda i: (self._segments[i].last_used, i)), destroyed)
        if self._free:
            new = self._free.pop()
        else:
            new, self._next_id = self._next_id, self._next_id + 1
        self._segments[new] = _Segment(event.target, event.sample)
        self._count["segments_created"] += 1
        created.append((event.column, before.winners, new, self._segments[new]))
        self._grow(new, self.parameters.new_synapses, before)
        return new

    def _reinforce(self, i: int, before: _Cells) -> int:
        segment = self._segments[i]
        segment.last_used = before.sample
        for slot, (cell, p) in list(segment.synapses.items()):
            change = self._increment if cell in before.active else -self._decrement
            self._set(segment, slot, cell, p + change)
        on = sum(cell in before.active for cell, _ in segment.synapses.values())
        self._grow(i, self.parameters.new_synapses - on, before)
        return i

    def _punish(self, i: int, before: _Cells) -> int:
        segment = self._segments[i]
        for slot, (cell, p) in list(segment.synapses.items()):
            if cell in before.active:
                self._set(segment, slot, cell, p - self._punishment)
        return i

    def _set(self, segment: _Segment, slot: int, cell: int, p: int) -> None:
        if p <= 0:
            self._remove(segment, slot)
        else:
            segment.synapses[slot] = (cell, min(p, PERMANENCE_ONE))

    def _remove(self, segment: _Segment, slot: int) -> None:
        del segment.synapses[slot]
        self._count["synapses_destroyed"] += 1

    def _grow(self, i: int, n: int, before: _Cells) -> None:
        segment = self._segments[i]
        taken = {cell for cell, _ in segment.synapses.values()}
        cells = np.array([c for c in before.winners if c not in taken], np.uint64)
        start = rng.mix(self._grow_key ^ np.uint64(before.sample))
        words = rng.mix(rng.mix(start ^ np.uint64(i)) ^ cells) >> np.uint64(32)
        chosen = cells[np.lexsort((cells, words))][: max(n, 0)].astype(np.int64).tolist()
        size = self.parameters.segment_size
        weakest_first = sorted(
            (p, slot) for slot, (cell, p) in segment.synapses.items() if cell not in before.winners
        )
        missing = max(0, len(segment.synapses) + len(chosen) - size)
        for _, slot in weakest_first[:missing]:
            self._remove(segment, slot)
        free = [slot for slot in range(size) if slot not in segment.synapses]
        for slot, cell in zip(free, chosen, strict=False):
            segment.synapses[slot] = (cell, self._initial)
            self._count["synapses_created"] += 1

    def _destroy(self, i: int, destroyed: set[int]) -> None:
        segment = self._segments.pop(i)
        self._count["segments_destroyed"] += 1
        self._count["synapses_destroyed"] += len(segment.synapses)
        self._free.append(i)
        destroyed.add(i)

    # State

    def state(self) -> State:
        """Return the canonical state; names, dtypes, orders: `tm_contract.DTYPES`."""
        ids = sorted(self._segments)
        synapses = [
            (i, slot, *self._segments[i].synapses[slot])
            for i in ids
            for slot in sorted(self._segments[i].synapses)
        ]
        before = list(self._snapshots.values())
        values: dict[str, list[int]] = {
            "sample": [self._cells.sample],
            "next_id": [self._next_id],
            "counters": list(self._count.values()),
            "segment_id": ids,
            "segment_cell": [self._segments[i].cell for i in ids],
            "segment_last_used": [self._segments[i].last_used for i in ids],
            "synapse_segment": [s[0] for s in synapses],
            "synapse_slot": [s[1] for s in synapses],
            "synapse_cell": [s[2] for s in synapses],
            "synapse_permanence": [s[3] for s in synapses],
            "free_ids": self._free,
            "active": sorted(self._cells.active),
            "winners": sorted(self._cells.winners),
            "event_sample": [e.sample for e in self._events],
            "event_column": [e.column for e in self._events],
            "event_kind": [e.kind for e in self._events],
            "event_target": [e.target for e in self._events],
            "snapshot_sample": [c.sample for c in before],
            "snapshot_active": [x for c in before for x in sorted(c.active)],
            "snapshot_active_offsets": np.cumsum([0] + [len(c.active) for c in before]).tolist(),
            "snapshot_winners": [x for c in before for x in sorted(c.winners)],
            "snapshot_winners_offsets": np.cumsum([0] + [len(c.winners) for c in before]).tolist(),
        }
        return {n: np.array(v, tm_contract.DTYPES[n]) for n, v in values.items()}

    def load(self, state: State) -> None:
        """Take over what `state()` returned; raises UserError for anything else."""
        tm_contract.check(state, self.parameters, self.columns)
        rows = {name: array.tolist() for name, array in state.items()}
        self._cells = _Cells(rows["sample"][0], set(rows["active"]), set(rows["winners"]))
        self._next_id = rows["next_id"][0]
        self._count = dict(zip(COUNTERS, rows["counters"], strict=True))
        self._free = rows["free_ids"]
        owners = zip(rows["segment_cell"], rows["segment_last_used"], strict=True)
        self._segments = {
            i: _Segment(cell, used)
            for i, (cell, used) in zip(rows["segment_id"], owners, strict=True)
        }
        names = ("segment", "slot", "cell", "permanence")
        for i, slot, cell, p in zip(*(rows[f"synapse_{n}"] for n in names), strict=True):
            self._segments[i].synapses[slot] = (cell, p)
        names = ("sample", "column", "kind", "target")
        self._events = [_Event(*e) for e in zip(*(rows[f"event_{n}"] for n in names), strict=True)]
        self._snapshots = {}
        for q, sample in enumerate(rows["snapshot_sample"]):
            active, winners = (
                set(rows[n][rows[f"{n}_offsets"][q] : rows[f"{n}_offsets"][q + 1]])
                for n in ("snapshot_active", "snapshot_winners")
            )
            self._snapshots[sample] = _Cells(sample, active, winners)
