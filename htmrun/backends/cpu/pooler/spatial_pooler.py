"""The spatial pooler in numba, driven by events; one compiled call per chunk of samples."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial

import numpy as np
import numpy.typing as npt

from htmrun.backends import State, receptive_fields
from htmrun.backends.bits import Bits
from htmrun.backends.cpu.pooler import compact, kernel, work_sharing
from htmrun.backends.cpu.pooler import start as sp_start
from htmrun.backends.cpu.pooler.field import make_field, most_winners
from htmrun.backends.cpu.pooler.layout import SLACK, Field, Memory, Rules
from htmrun.backends.cpu.pooler.modulated import modulated_window
from htmrun.backends.cpu.pooler.receptive import span_total
from htmrun.backends.cpu.pooler.threads import helped
from htmrun.backends.fixed_point import boost_gain, permanence
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


_SHARED_FROM = 1 << 16
"""Words to be read in a stretch of samples from which waking and waiting for threads pays."""


class SpatialPooler:
    """Spatial pooler from `input_shape` to `parameters.columns` columns.

    Equal to the reference byte for byte, whatever the number of `threads`, which share long
    windows and chunks. Raises `UserError` if a column's potential pool would be empty. Source:
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
        self._learned = 0
        self._reach(self._radius_now() if self._follows else receptive_fields.fixed_radius(p))
        self._pending: list[tuple[Bits, Bits]] = []
        self._reached = np.zeros((threads - 1, len(self._memory.reached)), np.int64)
        self._helping = [sp_start.helping(self._memory, own) for own in self._reached]

    def run(self, bits: Bits, plan: Plan, learn: bool = True) -> Bits:
        """Return the winners of each sample, learning, committing and boosting as `plan` says.

        bits: T samples of the input size; the result: T samples of `columns` bits. Raises
        ValueError for a wrong size and for a window larger than `duty_period`.
        """
        if not (learn and self.parameters.learn):
            return self.compute(bits)
        check_bits(bits, self.inputs)
        pending = sum(len(x) for x, _ in self._pending)
        check_plan(plan, len(bits), pending, self.parameters.duty_period)
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
        check_bits(bits, self.inputs)
        boosted = self.parameters.boost_strength > 0 and self.parameters.infer_boost
        parts = [Bits.empty(self.parameters.columns)]
        step = max(1, _WINNERS_AT_ONCE // self._most)
        for a, b in _pieces(range(0, len(bits), step), bits):
            piece = bits.slice(a, b)
            chunk = self._chunk(piece, 0, Bits.empty(self.parameters.columns), boosted, False, 0)
            with self._helped(chunk, len(piece)):
                kernel.infer_chunk(chunk, self._reached, self._rules, self._field, self._memory)
            found = chunk.winners[: chunk.winner_offsets[-1]].copy()
            parts.append(Bits(self.parameters.columns, found, chunk.winner_offsets))
        return Bits.concatenate(parts)

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
            *_arrays(bits), np.ascontiguousarray(winners.indices, np.int32),
            columns.astype(np.int64), np.append(starts, len(order)).astype(np.int64), sample,
            np.ascontiguousarray(reward, np.int64),
            np.zeros((len(bits), m.pool.shape[1]), np.uint64), boost,
            self._rules, self._field, m,
        )  # fmt: skip

    def overlaps(self, bits: Bits) -> npt.NDArray[np.int32]:
        """Return every column's overlap with each sample, int32 (T, columns)."""
        check_bits(bits, self.inputs)
        out = np.empty((len(bits), self.parameters.columns), np.int32)
        kernel.overlap_chunk(*_arrays(bits), out, self._memory)
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
            self._memory = self._room(largest)
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
        return sp_start.empty_memory(columns, inputs, words)

    def _reach(self, radius: int) -> None:
        """Let columns inhibit their neighbours within `radius` from now on."""
        p, self._radius = self.parameters, radius
        if radius not in self._fields:
            field = make_field(p, radius)
            most = most_winners(p, field, radius)
            self._fields[radius] = _rules(p, self.inputs, radius), field, most
        self._rules, self._field, self._most = self._fields[radius]

    def _radius_now(self) -> int:
        """Return the radius that the connected synapses, as they are, make."""
        p, m = self.parameters, self._memory
        assert p.column_shape is not None
        shape, _ = same_dimensions(self._input_shape, p.column_shape)
        row, line = np.zeros((2, m.connected.shape[1] + 1), np.uint64)
        grid = np.array(shape, np.int64)
        spans = span_total(p.columns, m.connected, grid, p.wrap, row, line)
        return receptive_fields.radius_of(p, self._input_shape, int(spans))

    def _learn_pieces(self, bits: Bits, plan: Plan) -> list[Bits]:
        step = max(1, _WINNERS_AT_ONCE // self._most)
        pieces = _pieces(range(0, len(bits), step), bits)
        parts = [self._learn(bits.slice(a, b), plan.slice(a, b)) for a, b in pieces]
        return [Bits.empty(self.parameters.columns), *parts]

    def _window(self) -> tuple[Bits, Bits]:
        inputs = [Bits.empty(self.inputs), *(x for x, _ in self._pending)]
        winners = [Bits.empty(self.parameters.columns), *(w for _, w in self._pending)]
        return Bits.concatenate(inputs), Bits.concatenate(winners)

    def _learn(self, bits: Bits, plan: Plan) -> Bits:
        """Run one piece; the open window is only put together when this piece commits it."""
        ends = np.flatnonzero(plan.commit)
        if len(ends) and self._pending:
            before, before_winners = self._window()
            joined = Bits.concatenate([before, bits])
        else:
            before_winners = Bits.empty(self.parameters.columns)
            joined = bits
        start = len(before_winners)
        boosted = self.parameters.boost_strength > 0
        largest, longest = _stretches(plan, ends, start)
        chunk = self._chunk(joined, start, before_winners, boosted, True, largest)
        with self._helped(chunk, longest):
            kernel.run_chunk(
                chunk,
                np.ascontiguousarray(plan.commit, np.uint8),
                np.ascontiguousarray(plan.boost, np.uint8),
                self._reached,
                *_turning(chunk),
                self._rules,
                self._field,
                self._memory,
            )
        winners, offsets = chunk.winners, chunk.winner_offsets
        found = Bits(self.parameters.columns, winners[: offsets[-1]], offsets)
        if len(ends):
            self._pending = []
        open_from = start + int(ends[-1]) + 1 if len(ends) else start
        if open_from < len(joined):
            self._pending.append(
                (
                    _copy(joined.slice(open_from, len(joined))),
                    _copy(found.slice(open_from, len(joined))),
                )
            )
        return _copy(found.slice(start, len(joined)))

    def _chunk(
        self, bits: Bits, start: int, before: Bits, boosted: bool, learns: bool, largest: int
    ) -> kernel.Chunk:
        """Return samples and room for what the kernels make of them; `largest` window.

        `before` are the winners of samples 0..start, the open window.
        """
        slot = self._most + SLACK
        winners = np.empty(len(before.indices) + (len(bits) - start) * slot, np.int32)
        winners[: len(before.indices)] = before.indices
        offsets = np.zeros(len(bits) + 1, np.int64)
        offsets[: start + 1] = before.offsets
        m = self._memory
        return kernel.Chunk(
            *_arrays(bits),
            start,
            boosted,
            learns,
            winners,
            offsets,
            slot,
            np.zeros((largest + 1, m.window_planes.shape[1]), np.uint64),
            np.empty((largest, len(m.selected)), np.uint64),
            work_sharing.new_board(),
            _SHARED_FROM if self._helping else 0,
        )

    def _helped(self, x: kernel.Chunk, longest: int) -> AbstractContextManager[None]:
        """Ask other threads to help if the longest stretch of samples is worth it."""
        work = longest * len(x.on) // max(len(x.offsets) - 1, 1) * len(self._memory.selected)
        if x.crew == 0 or work < x.crew:
            return nullcontext()
        rules, f = self._rules, self._field
        return helped(
            x.board,
            [partial(kernel.help_chunk, x, *_turning(x), rules, f, m) for m in self._helping],
        )


def _stretches(plan: Plan, ends: npt.NDArray[np.int64], pending: int) -> tuple[int, int]:
    """Return the samples of the largest window that ends, and the most between two turns.

    ends: the samples with which windows end; pending: samples of the open window before these.
    """
    if len(plan) == 1:
        return (pending + 1 if len(ends) else 0), 1
    windows = np.diff(np.concatenate([[-pending], ends + 1])) if len(ends) else [0]
    stops = np.flatnonzero((plan.commit | plan.boost)[:-1]) + 1
    return int(max(windows)), int(np.diff(np.concatenate([[0], stops, [len(plan)]])).max())


def _turning(x: kernel.Chunk) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
    """Return scratch for a thread that learns from windows of `x`."""
    blocks = -(-len(x.won) // 64)
    return np.empty((blocks, 64), np.uint64), np.empty(len(x.won) + SLACK, np.int32)


def _pieces(cuts: range, bits: Bits) -> list[tuple[int, int]]:
    return [(a, min(a + cuts.step, len(bits))) for a in cuts]


def _arrays(bits: Bits) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    return (
        np.ascontiguousarray(bits.indices, np.int32),
        np.ascontiguousarray(bits.offsets, np.int64),
    )


def _copy(bits: Bits) -> Bits:
    return Bits(bits.size, bits.indices.copy(), bits.offsets.copy())


def _rules(p: SpatialPoolerParameters, inputs: int, radius: int) -> Rules:
    return Rules(
        inputs=inputs,
        columns=p.columns,
        up=permanence(p.increment),
        down=permanence(p.decrement),
        threshold=permanence(p.connected),
        stimulus=p.stimulus_threshold,
        k=p.active_columns,
        local=p.inhibition == "local",
        boost_gain=boost_gain(p.boost_strength),
        period=p.duty_period,
        bump=permanence(p.weak_bump),
        weak_share=int(p.weak_fraction * 65536),
        radius=radius,
        wrap=p.wrap,
        boosts_locally=p.boosts_locally,
        boost_radius=receptive_fields.boost_radius(p, radius),
        boost_drop=30 - p.boost_bits,
        push=permanence(p.push),
        inflection=permanence(p.inflection),
    )
