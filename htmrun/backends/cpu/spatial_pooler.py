"""The spatial pooler in numba, driven by events; one compiled call per chunk of samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from htmrun.backends import State
from htmrun.backends.cpu import sp_kernel, sp_start
from htmrun.backends.cpu.sp_memory import SLACK, Rules
from htmrun.backends.sp_contract import DTYPES, check_bits, check_plan, check_shape, check_state
from htmrun.bits import Bits
from htmrun.fixed_point import boost_gain, permanence
from htmrun.parameters import SpatialPoolerParameters
from htmrun.plan import Plan

_WINNERS_AT_ONCE = 1 << 22
"""Winners that one compiled call has room for; longer chunks are cut, which shows nowhere."""


class SpatialPooler:
    """Spatial pooler from `input_shape` to `parameters.columns` columns.

    Equal to the reference byte for byte. Raises `UserError` if a column's potential pool
    would be empty. Source: Cui, Ahmad, Hawkins 2017; docs/math.md, "Spatial pooler".
    """

    def __init__(
        self, parameters: SpatialPoolerParameters, input_shape: tuple[int, ...], seed: int
    ) -> None:
        self.parameters = p = parameters
        self.inputs = check_shape(p, input_shape)
        self._field = sp_start.make_field(p)
        self._memory = sp_start.empty_memory(p.columns, self.inputs)
        sp_start.draw(p, input_shape, self.inputs, seed, self._memory)
        self._rules = _rules(p, self.inputs)
        self._most = sp_start.most_winners(p, self._field)
        self._pending: list[tuple[Bits, Bits]] = []

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
        step = max(1, _WINNERS_AT_ONCE // self._most)
        cuts = range(0, len(bits), step)
        parts = [self._learn(bits.slice(a, b), plan.slice(a, b)) for a, b in _pieces(cuts, bits)]
        return Bits.concatenate([Bits.empty(self.parameters.columns), *parts])

    def compute(self, bits: Bits) -> Bits:
        """Return the winners of each sample under the present state; writes nothing."""
        check_bits(bits, self.inputs)
        boosted = self.parameters.boost_strength > 0 and self.parameters.infer_boost
        parts = [Bits.empty(self.parameters.columns)]
        step = max(1, _WINNERS_AT_ONCE // self._most)
        for a, b in _pieces(range(0, len(bits), step), bits):
            piece = bits.slice(a, b)
            winners = np.empty(len(piece) * self._most + SLACK, np.int32)
            offsets = np.zeros(len(piece) + 1, np.int64)
            sp_kernel.infer_chunk(
                *_arrays(piece), boosted, winners, offsets, self._rules, self._field, self._memory
            )
            parts.append(Bits(self.parameters.columns, winners[: offsets[-1]].copy(), offsets))
        return Bits.concatenate(parts)

    def overlaps(self, bits: Bits) -> npt.NDArray[np.int32]:
        """Return every column's overlap with each sample, int32 (T, columns)."""
        check_bits(bits, self.inputs)
        out = np.empty((len(bits), self.parameters.columns), np.int32)
        sp_kernel.overlap_chunk(*_arrays(bits), out, self._memory)
        return out

    def state(self) -> State:
        """Return copies of the canonical state (names and meaning: `sp_contract`)."""
        m, columns = self._memory, self.parameters.columns
        permanences = np.empty((columns, self.inputs), np.int16)
        sp_start.give_permanences(permanences, m)
        inputs, winners = self._window()
        return {
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
        check_state(state, columns, self.inputs)
        s = {name: np.ascontiguousarray(state[name]).copy() for name in DTYPES}
        m = self._memory
        sp_start.take_permanences(s["permanences"], m)
        sp_start.connect(self.parameters, m)
        for name in ("active_duty", "overlap_duty", "min_overlap_duty", "boost"):
            getattr(m, name)[:columns] = s[name]
        m.reached[:columns] = s["pending_reached"]
        inputs = Bits(self.inputs, s["pending_inputs"], s["pending_input_offsets"])
        winners = Bits(columns, s["pending_winners"], s["pending_winner_offsets"])
        self._pending = [(inputs, winners)] if len(inputs) else []

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
        room = len(before_winners.indices) + len(bits) * self._most + SLACK
        winners = np.empty(room, np.int32)
        winners[: len(before_winners.indices)] = before_winners.indices
        offsets = np.zeros(len(joined) + 1, np.int64)
        offsets[: start + 1] = before_winners.offsets
        windows = np.diff(np.concatenate([[-start], ends + 1])) if len(ends) else [0]
        largest = int(max(windows))
        sp_kernel.run_chunk(
            *_arrays(joined),
            start,
            np.ascontiguousarray(plan.commit, np.uint8),
            np.ascontiguousarray(plan.boost, np.uint8),
            self.parameters.boost_strength > 0,
            winners,
            offsets,
            np.zeros((largest + 1, self._memory.window_planes.shape[1]), np.uint64),
            np.empty(len(winners), np.int32),
            self._rules,
            self._field,
            self._memory,
        )
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


def _pieces(cuts: range, bits: Bits) -> list[tuple[int, int]]:
    return [(a, min(a + cuts.step, len(bits))) for a in cuts]


def _arrays(bits: Bits) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    return (
        np.ascontiguousarray(bits.indices, np.int32),
        np.ascontiguousarray(bits.offsets, np.int64),
    )


def _copy(bits: Bits) -> Bits:
    return Bits(bits.size, bits.indices.copy(), bits.offsets.copy())


def _rules(p: SpatialPoolerParameters, inputs: int) -> Rules:
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
        radius=p.inhibition_radius or 0,
        wrap=p.wrap,
    )
