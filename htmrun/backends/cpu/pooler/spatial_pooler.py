"""The spatial pooler in numba, driven by events; one compiled call per chunk of samples."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends import State, receptive_fields
from htmrun.backends.bits import Bits
from htmrun.backends.cpu.common.checks import inside
from htmrun.backends.cpu.common.packed import Packed
from htmrun.backends.cpu.pooler import compact, kernel, listed, work_sharing
from htmrun.backends.cpu.pooler import standing as sp_standing
from htmrun.backends.cpu.pooler import start as sp_start
from htmrun.backends.cpu.pooler.field import make_field, most_winners
from htmrun.backends.cpu.pooler.layout import SLACK, Field, Memory, Rules
from htmrun.backends.cpu.pooler.modulated import modulated_window
from htmrun.backends.cpu.pooler.receptive import span_total
from htmrun.backends.cpu.pooler.room import (
    Room,
    arrays,
    copied,
    fitting,
    flags,
    pieces,
    turning,
    winners_room,
)
from htmrun.backends.cpu.pooler.standing import rules_of, survey
from htmrun.backends.cpu.pooler.threads import helped
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.backends.sp_contract import (
    DTYPES,
    check_bits,
    check_plan,
    check_rewards,
    check_shape,
    check_state,
)
from htmrun.backends.topology import same_dimensions

_WINNERS_AT_ONCE = 1 << 22
"""Winners that one compiled call has room for; longer chunks are cut, which shows nowhere."""

_INT32, _INT64, _empty = np.dtype(np.int32), np.dtype(np.int64), np.empty

_SHARED_FROM = 1 << 16
"""Words to be read in a stretch of samples from which waking and waiting for threads pays."""


class SpatialPooler:
    """Spatial pooler from `input_shape` to `parameters.columns` columns.

    Equal to the reference byte for byte, whatever the number of `threads`, which share long
    windows and chunks. One call at a time: all share scratch, `compute` too. Raises `UserError`
    if a column's potential pool would be empty. Source:
    Cui, Ahmad, Hawkins 2017; docs/math.md, "Spatial pooler".
    """

    def __init__(
        self,
        parameters: SpatialPoolerParameters,
        input_shape: tuple[int, ...],
        seed: int,
        threads: int = 1,
    ) -> None:
        if threads < 1:
            raise ValueError(f"threads: {threads}, expected at least 1")
        self.parameters = p = parameters
        self.inputs = check_shape(p, input_shape)
        self._input_shape, self._follows = input_shape, receptive_fields.follows(p)
        pools = sp_start.pools_of(p, input_shape, self.inputs)
        self._memory = self._room(int(pools.sizes.max()))
        sp_start.draw(p, pools, self.inputs, seed, self._memory)
        self._fields: dict[int, tuple[Rules, Field, int]] = {}
        self._held: Packed | None = None
        self._board = np.zeros(work_sharing.BOARD, np.int64)
        self._alone, self._columns = nullcontext(self._board), p.columns
        self._learned = 0
        self._reach(self._radius_now() if self._follows else receptive_fields.fixed_radius(p))
        self._pending: list[tuple[Bits, Bits]] = []
        self._reached = np.zeros((threads - 1, len(self._memory.reached)), np.int64)
        self._helping = [sp_start.helping(self._memory, own) for own in self._reached]

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of: arrays, not where they lie."""
        return {**vars(self), "_held": None}

    def run(self, bits: Bits, plan: Plan, learn: bool = True) -> Bits:
        """Return the winners of each sample, learning, committing and boosting as `plan` says.

        bits: T samples of the input size; the result: T samples of `columns` bits. Raises
        ValueError for a wrong size and for a window larger than `duty_period`.
        """
        p = self.parameters
        if not (learn and p.learn):
            return self.compute(bits)
        self._check(bits)
        pending = sum(len(x) for x, _ in self._pending) if self._pending else 0
        found = self._surveyed(plan, len(bits), pending)
        if len(bits) <= self._at_once and not self._follows:
            return self._learn(bits, plan, found)
        if not self._follows:
            return Bits.concatenate(self._learn_pieces(bits, plan))
        parts, start = [Bits.empty(self.parameters.columns)], 0
        ends, learned = receptive_fields.renewals(plan.commit, pending, self._learned)
        for stop in ends:
            parts += self._learn_pieces(bits.slice(start, stop), plan.slice(start, stop))
            self._reach(self._radius_now())
            start = stop
        self._learned = learned
        rest = slice(start, len(bits))
        parts += self._learn_pieces(
            bits.slice(rest.start, rest.stop), plan.slice(rest.start, rest.stop)
        )
        return Bits.concatenate(parts)

    def compute(self, bits: Bits) -> Bits:
        """Return the winners of each sample under the present state; writes nothing."""
        if bits.size != self.inputs:
            check_bits(bits, self.inputs)
        samples = len(bits.offsets) - 1
        if samples == 1 and not self._helping:
            return self._one(bits)
        if samples <= self._at_once:
            return self._infer(bits)
        parts = [bits.slice(a, b) for a, b in pieces(range(0, samples, self._at_once), bits)]
        return Bits.concatenate([self._infer(part) for part in parts])

    def modulate(
        self, bits: Bits, winners: Bits, reward: npt.NDArray[np.int64], boost: bool
    ) -> None:
        """Commit a window of its own whose sample t was good (1), neutral (0) or bad (-1).

        `winners`: those that took part in each of the samples `bits`; `reward`: int64 (T,). Raises
        ValueError for a window that cannot be. Source: docs/math.md, "Reward-modulated commit".
        """
        check_bits(bits, self.inputs)
        check_rewards(self.parameters, bits, winners, reward)
        m = self._memory
        order = np.argsort(winners.indices, kind="stable")
        columns, starts = np.unique(winners.indices[order], return_index=True)
        sample = np.repeat(np.arange(len(winners)), winners.counts())[order]
        modulated_window(
            *arrays(bits), np.ascontiguousarray(winners.indices, np.int32),
            columns.astype(np.int64), np.append(starts, len(order)).astype(np.int64), sample,
            np.ascontiguousarray(reward, np.int64),
            np.zeros((len(bits), m.pool.shape[1]), np.uint64), boost,
            self._rules, self._field, m,
        )  # fmt: skip

    def overlaps(self, bits: Bits) -> npt.NDArray[np.int32]:
        """Return every column's overlap with each sample, int32 (T, columns)."""
        check_bits(bits, self.inputs)
        out = np.empty((len(bits), self.parameters.columns), np.int32)
        held = self._hold(0)
        kernel.overlap_chunk(*arrays(bits), out, held.table)
        return out

    def state(self) -> State:
        """Return copies of the canonical state (names and meaning: `sp_contract`)."""
        m, columns = self._memory, self.parameters.columns
        permanences = np.empty((columns, self.inputs), np.int16)
        sp_start.give_permanences(permanences, m)
        inputs, winners = self._window()
        radius = {"inhibition_radius": np.array([self._radius, self._learned])}
        return (radius if self._follows else {}) | {
            "permanences": permanences,
            "active_duty": m.active_duty[:columns].copy(),
            "overlap_duty": m.overlap_duty[:columns].copy(),
            "min_overlap_duty": m.min_overlap_duty[:columns].copy(),
            "boost": m.boost[:columns].copy(),
            "pending_inputs": inputs.indices.copy(),
            "pending_input_offsets": inputs.offsets.copy(),
            "pending_winners": winners.indices.copy(),
            "pending_winner_offsets": winners.offsets.copy(),
            "pending_reached": m.reached[:columns].copy(),
        }

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError if a name, dtype or shape differs."""
        columns = self.parameters.columns
        check_state(state, columns, self.inputs, self._follows)
        s = {name: np.ascontiguousarray(state[name]).copy() for name in DTYPES}
        largest = sp_start.largest_pool(s["permanences"])
        if self._memory.x.shape[1] < min(largest + 1, 64 * self._memory.pool.shape[1]):
            self._memory, self._held = self._room(largest), None
            self._helping = [sp_start.helping(self._memory, own) for own in self._reached]
        m = self._memory
        sp_start.take_permanences(s["permanences"], m)
        sp_start.connect(self.parameters, m)
        for name in ("active_duty", "overlap_duty", "min_overlap_duty", "boost"):
            getattr(m, name)[:columns] = s[name]
        m.reached[:columns] = s["pending_reached"]
        inputs = Bits(self.inputs, s["pending_inputs"], s["pending_input_offsets"])
        winners = Bits(columns, s["pending_winners"], s["pending_winner_offsets"])
        self._pending = [(inputs, winners)] if len(inputs) else []
        if self._follows:
            radius, self._learned = map(int, state["inhibition_radius"])
            self._reach(radius)

    def _room(self, largest: int) -> Memory:
        """Return arrays for pools of at most `largest` inputs."""
        columns, inputs = self.parameters.columns, self.inputs
        # The radius of connected receptive fields is read off rows of inputs.
        words = -(-inputs // 64) if self._follows else compact.words(inputs, largest)
        places = listed.places(inputs, words, largest)
        return sp_start.empty_memory(columns, inputs, words, places)

    def _reach(self, radius: int) -> None:
        """Let columns inhibit their neighbours within `radius` from now on."""
        p, self._radius = self.parameters, radius
        if radius not in self._fields:
            field = make_field(p, radius)
            most = most_winners(p, field, radius)
            self._fields[radius] = rules_of(p, self.inputs, radius), field, most
        self._rules, self._field, most = self._fields[radius]
        self._slot, self._at_once = most + SLACK, max(1, _WINNERS_AT_ONCE // most)
        self._held = None

    def _radius_now(self) -> int:
        """Return the radius that the connected synapses, as they are, make."""
        p, m = self.parameters, self._memory
        assert p.column_shape is not None
        shape, _ = same_dimensions(self._input_shape, p.column_shape)
        row, line = np.zeros((2, m.connected.shape[1] + 1), np.uint64)
        grid = np.array(shape, np.int64)
        spans = span_total(p.columns, m.connected, grid, p.wrap, row, line)
        return receptive_fields.radius_of(p, self._input_shape, int(spans))

    def _check(self, bits: Bits) -> None:
        """Raise ValueError unless `bits` has as many bits a sample, all inside the range."""
        if bits.size != self.inputs or not inside(bits.indices, self.inputs):
            check_bits(bits, self.inputs)

    def _surveyed(self, plan: Plan, samples: int, pending: int) -> tuple[int, int, int, int]:
        """Return what `survey` does; ValueError for a plan that cannot be."""
        if len(plan.commit) != samples or len(plan.boost) != samples:
            check_plan(plan, samples, pending, self.parameters.duty_period)
        found = survey(*flags(plan), pending)
        if max(found[1], found[2]) > self.parameters.duty_period:
            check_plan(plan, samples, pending, self.parameters.duty_period)
        return found

    def _hold(self, largest: int) -> Packed:
        """Return what the kernels work on, with scratch for windows of up to `largest` samples.

        The caller keeps it in a variable of its own until the kernel is back.
        """
        held = self._held
        if held is None or len(held.nest.window.won) < largest:
            p, helps = self.parameters, bool(self._helping)
            boosted = p.boost_strength > 0
            record = sp_standing.Standing(
                self._rules, self._field, self._memory, sp_standing.window(self._memory, largest),
                self._reached, self._slot, boosted, boosted and p.infer_boost,
                _SHARED_FROM if helps else 0,
            )  # fmt: skip
            held = sp_standing.STANDING.packed(record)
            self._held = held if sp_standing.worth_keeping(record.window) else None
        return held

    def _one(self, bits: Bits) -> Bits:
        """Return what `_infer` does of a single sample: half of what it takes there is Python."""
        held = self._held or self._hold(0)
        on, offsets, slot = bits.indices, bits.offsets, self._slot
        if on.dtype is not _INT32 or offsets.dtype is not _INT64:
            on, offsets = arrays(bits)
        winners, ends = _empty(slot, _INT32), _empty(2, _INT64)
        count = kernel.infer_chunk(on, offsets, winners, ends, self._board, held.table)
        if count < 0:
            check_bits(bits, self.inputs)
        found = winners[:count]
        return Bits(self._columns, found if 2 * count >= slot else found.copy(), ends)

    def _infer(self, bits: Bits) -> Bits:
        """Return the winners of so few samples that there is room for those of all.

        ValueError if an on-bit lies outside the range.
        """
        held, (on, offsets) = self._held or self._hold(0), arrays(bits)
        samples = len(offsets) - 1
        winners, ends = np.empty(samples * self._slot, np.int32), np.empty(samples + 1, np.int64)
        if self._helping:
            room = on, offsets, winners, ends
            with self._helped(room, samples, 0, False, held.nest) as board:
                count = kernel.infer_chunk(on, offsets, winners, ends, board, held.table)
        else:
            count = kernel.infer_chunk(on, offsets, winners, ends, self._board, held.table)
        if count < 0:
            check_bits(bits, self.inputs)
        return Bits(self._columns, fitting(winners, count), ends)

    def _learn_pieces(self, bits: Bits, plan: Plan) -> list[Bits]:
        parts = [Bits.empty(self.parameters.columns)]
        for a, b in pieces(range(0, len(bits), self._at_once), bits):
            pending = sum(len(x) for x, _ in self._pending)
            piece = plan.slice(a, b)
            parts.append(
                self._learn(bits.slice(a, b), piece, self._surveyed(piece, b - a, pending))
            )
        return parts

    def _window(self) -> tuple[Bits, Bits]:
        inputs = [Bits.empty(self.inputs), *(x for x, _ in self._pending)]
        winners = [Bits.empty(self.parameters.columns), *(w for _, w in self._pending)]
        return Bits.concatenate(inputs), Bits.concatenate(winners)

    def _learn(self, bits: Bits, plan: Plan, found: tuple[int, int, int, int]) -> Bits:
        """Run one piece; the open window is only put together when this piece commits it.

        found: what `survey` says of it.
        """
        end, largest, _, longest = found
        joined, before, start = bits, None, 0
        if end and self._pending:
            inputs, before = self._window()
            joined, start = Bits.concatenate([inputs, bits]), len(inputs)
        held = self._hold(largest)
        on, offsets = arrays(joined)
        winners, ends = winners_room(len(bits), before, self._slot)
        room = on, offsets, winners, ends
        helps, alone = self._helping, self._alone
        with (
            self._helped(room, longest, start, True, held.nest, largest) if helps else alone
        ) as board:
            kernel.run_chunk(
                on, offsets, *flags(plan), winners, ends, board, start, largest, held.table
            )
        winners = fitting(winners, ends.item(-1))
        if end:
            self._pending = []
        won = Bits(self.parameters.columns, winners, ends)
        if start + end < len(joined):
            places = start + end, len(joined)
            self._pending.append((copied(joined.slice(*places)), copied(won.slice(*places))))
        return won if start == 0 else copied(won.slice(start, len(joined)))

    def _helped(
        self, room: Room, longest: int, start: int, learns: bool, record: sp_standing.Standing,
        largest: int = 0,
    ) -> AbstractContextManager[npt.NDArray[np.int64]]:  # fmt: skip
        """Ask other threads to help if the longest stretch of samples is worth it.

        Yields the board that the kernel is to share.
        """
        on, offsets, winners, ends = room
        work = longest * len(on) // max(len(offsets) - 1, 1) * len(self._memory.selected)
        if work < record.crew:
            return self._alone
        board, w = work_sharing.new_board(), record.window
        x = kernel.Chunk(
            on, offsets, start, record.boosted if learns else record.infer_boosted, learns,
            winners, ends, record.slot, w.rows[: largest + 1], w.won[:largest], board, record.crew,
        )  # fmt: skip
        rules, f = self._rules, self._field
        return helped(
            board,
            [partial(kernel.help_chunk, x, *turning(x), rules, f, m) for m in self._helping],
        )
