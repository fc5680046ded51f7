"""The spatial pooler in plain NumPy: what docs/math.md says, one sample at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from htmrun.backends import State, receptive_fields, rng, topology
from htmrun.backends.bits import Bits
from htmrun.backends.fixed_point import (
    DUTY_ONE,
    NO_SYNAPSE,
    PERMANENCE_ONE,
    advance_duty,
    boost_factors,
    permanence,
    shared_duty,
)
from htmrun.backends.parameters import SpatialPoolerParameters, round_half_up
from htmrun.backends.plan import Plan
from htmrun.backends.sp_contract import (
    DTYPES,
    check_bits,
    check_plan,
    check_rewards,
    check_shape,
    check_state,
    pool_size,
)

Int = npt.NDArray[np.int64]


class SpatialPooler:
    """Spatial pooler from `input_shape` to `parameters.columns` columns.

    Raises `UserError` if a column's potential pool would be empty. Source: Cui, Ahmad,
    Hawkins 2017; the rules are those of docs/math.md, "Spatial pooler".
    """

    def __init__(
        self, parameters: SpatialPoolerParameters, input_shape: tuple[int, ...], seed: int
    ) -> None:
        self.parameters = p = parameters
        self.inputs = check_shape(p, input_shape)
        self._connected = permanence(p.connected)
        self._permanences = _initial_permanences(p, input_shape, self.inputs, seed)
        self._active_duty = np.zeros(p.columns, np.uint32)
        self._overlap_duty = np.zeros(p.columns, np.uint32)
        self._min_overlap_duty = np.zeros(p.columns, np.uint32)
        self._boost = np.ones(p.columns, np.float32)
        self._window: list[tuple[npt.NDArray[np.int32], Int]] = []
        self._reached = np.zeros(p.columns, np.int64)
        self._neighbours: Int | None
        self._boosted_beside: Int | None
        self._input_shape, self._follows = input_shape, receptive_fields.follows(p)
        self._learned, self._radius = 0, receptive_fields.fixed_radius(p)
        if self._follows:
            self._renew_radius()
        self._look_around()

    def run(self, bits: Bits, plan: Plan, learn: bool = True) -> Bits:
        """Return the winners of each sample, learning, committing and boosting as `plan` says.

        bits: T samples of the input size; the result: T samples of `columns` bits. Raises
        ValueError for a wrong size and for a window larger than `duty_period`.
        """
        learn = learn and self.parameters.learn
        if not learn:
            return self.compute(bits)
        check_bits(bits, self.inputs)
        check_plan(plan, len(bits), len(self._window), self.parameters.duty_period)
        rows = []
        for t in range(len(bits)):
            overlap = self._overlap(bits.row(t))
            winners = self._winners(overlap, boosted=self.parameters.boost_strength > 0)
            rows.append(winners)
            self._window.append((bits.row(t).copy(), winners))
            if self.parameters.weak_bump > 0:
                self._reached += overlap >= self.parameters.stimulus_threshold
            if plan.commit[t]:
                self._commit()
            if plan.boost[t]:
                self._update_boost()
            if self._follows and self._learned >= receptive_fields.PERIOD:
                self._renew_radius()
                self._look_around()
        return Bits.from_rows(self.parameters.columns, rows)

    def compute(self, bits: Bits) -> Bits:
        """Return the winners of each sample under the present state; writes nothing."""
        check_bits(bits, self.inputs)
        boosted = self.parameters.boost_strength > 0 and self.parameters.infer_boost
        rows = [self._winners(self._overlap(bits.row(t)), boosted) for t in range(len(bits))]
        return Bits.from_rows(self.parameters.columns, rows)

    def modulate(
        self, bits: Bits, winners: Bits, reward: npt.NDArray[np.int64], boost: bool
    ) -> None:
        """Commit a window of its own whose sample t was good (1), neutral (0) or bad (-1).

        `winners`: those that took part in each of the samples `bits`; `reward`: int64 (T,). Raises
        ValueError for a window that cannot be. Source: docs/math.md, "Reward-modulated commit".
        """
        p = self.parameters
        check_bits(bits, self.inputs)
        check_rewards(p, bits, winners, reward)
        up, down = permanence(p.increment), permanence(p.decrement)
        change = np.zeros((p.columns, self.inputs), np.int64)
        for t in range(len(bits)):
            step = np.full(self.inputs, -down, np.int64)
            step[bits.row(t)] = up
            change[winners.row(t)] += reward[t] * step
        rows = np.unique(winners.indices).astype(np.int64)
        self._add(rows, change[rows])
        wins = np.bincount(winners.indices, minlength=p.columns).astype(np.int64)
        self._active_duty = advance_duty(self._active_duty, wins, len(bits), p.duty_period)
        if boost:
            self._update_boost()

    def overlaps(self, bits: Bits) -> npt.NDArray[np.int32]:
        """Return every column's overlap with each sample, int32 (T, columns)."""
        check_bits(bits, self.inputs)
        rows = [self._overlap(bits.row(t)) for t in range(len(bits))]
        return np.array(rows, np.int32).reshape(len(bits), self.parameters.columns)

    def state(self) -> State:
        """Return copies of the canonical state (names and meaning: `sp_contract`)."""
        inputs = Bits.from_rows(self.inputs, [x for x, _ in self._window])
        winners = Bits.from_rows(self.parameters.columns, [w for _, w in self._window])
        radius = {"inhibition_radius": np.array([self._radius, self._learned])}
        return (radius if self._follows else {}) | {
            "permanences": self._permanences.copy(),
            "active_duty": self._active_duty.copy(),
            "overlap_duty": self._overlap_duty.copy(),
            "min_overlap_duty": self._min_overlap_duty.copy(),
            "boost": self._boost.copy(),
            "pending_inputs": inputs.indices,
            "pending_input_offsets": inputs.offsets,
            "pending_winners": winners.indices,
            "pending_winner_offsets": winners.offsets,
            "pending_reached": self._reached.copy(),
        }

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError if a name, dtype or shape differs."""
        check_state(state, self.parameters.columns, self.inputs, self._follows)
        s = {name: state[name].copy() for name in DTYPES}
        self._permanences = s["permanences"]
        self._active_duty = s["active_duty"]
        self._overlap_duty = s["overlap_duty"]
        self._min_overlap_duty = s["min_overlap_duty"]
        self._boost = s["boost"]
        self._reached = s["pending_reached"]
        if self._follows:
            self._radius, self._learned = map(int, state["inhibition_radius"])
            self._look_around()
        inputs = Bits(self.inputs, s["pending_inputs"], s["pending_input_offsets"])
        winners = Bits(self.parameters.columns, s["pending_winners"], s["pending_winner_offsets"])
        self._window = [
            (inputs.row(t), winners.row(t).astype(np.int64)) for t in range(len(inputs))
        ]

    def _overlap(self, on: npt.NDArray[np.int32]) -> Int:
        return (self._permanences[:, on] >= self._connected).sum(1)

    def _winners(self, overlap: Int, boosted: bool) -> Int:
        score = overlap.astype(np.float32) * self._boost if boosted else overlap
        able = overlap >= self.parameters.stimulus_threshold
        if self._neighbours is None:
            ranking = np.argsort(-score, kind="stable")
            return np.sort(ranking[able[ranking]][: self.parameters.active_columns])
        return _local_winners(score, able, self._neighbours, self.parameters.density)

    def _commit(self) -> None:
        p, n = self.parameters, len(self._window)
        up, down = permanence(p.increment), permanence(p.decrement)
        wins = np.zeros(p.columns, np.int64)
        for _, winners in self._window:
            wins[winners] += 1
        rows = np.flatnonzero(wins)
        change = np.zeros((len(rows), self.inputs), np.int64)
        for on, winners in self._window:
            step = np.full(self.inputs, -down, np.int64)
            step[on] = up
            change[np.searchsorted(rows, winners)] += step
        self._add(rows, change)
        if p.push > 0:
            upwards = self._permanences[rows] >= permanence(p.inflection)
            self._add(rows, np.where(upwards, 1, -1) * (permanence(p.push) * wins[rows])[:, None])
        self._active_duty = advance_duty(self._active_duty, wins, n, p.duty_period)
        if p.weak_bump > 0:
            self._overlap_duty = advance_duty(self._overlap_duty, self._reached, n, p.duty_period)
            weak = np.flatnonzero(self._overlap_duty < self._min_overlap_duty)
            self._add(weak, np.int64(permanence(p.weak_bump)))
        self._window = []
        self._reached = np.zeros(p.columns, np.int64)
        self._learned += n

    def _renew_radius(self) -> None:
        p, connected = self.parameters, self._permanences >= self._connected
        spans = receptive_fields.span_total(connected, p, self._input_shape)
        self._radius, self._learned = receptive_fields.radius_of(p, self._input_shape, spans), 0

    def _look_around(self) -> None:
        """Find who competes with whom, and whose duty cycles who sees; None: all."""
        p = self.parameters
        self._neighbours = self._boosted_beside = None
        if p.inhibition == "local":
            self._neighbours = _neighbour_table(p, self._radius)
        if p.boosts_locally:
            around = receptive_fields.boost_radius(p, self._radius)
            self._boosted_beside = _neighbour_table(p, around)

    def _add(self, columns: Int, change: Int | np.int64) -> None:
        before = self._permanences[columns]
        after = np.clip(before + change, 0, PERMANENCE_ONE)
        self._permanences[columns] = np.where(before == NO_SYNAPSE, NO_SYNAPSE, after)

    def _update_boost(self) -> None:
        p = self.parameters
        share = np.int64(int(p.weak_fraction * 65536))
        active, overlap = self._active_duty.astype(np.int64), self._overlap_duty.astype(np.int64)
        if self._boosted_beside is None:
            target: npt.ArrayLike = p.active_columns * DUTY_ONE // p.columns
            most = np.full(p.columns, overlap.max())
        else:
            around, there = self._boosted_beside, self._boosted_beside >= 0
            seen_active, seen = (shared_duty(d, p.boost_bits) for d in (active, overlap))
            target = np.where(there, seen_active[around], 0).sum(1) // there.sum(1)
            most = np.where(there, seen[around], 0).max(1)
        self._boost = boost_factors(self._active_duty, target, p.boost_strength)
        self._min_overlap_duty = ((most * share) >> 16).astype(np.uint32)


def _initial_permanences(
    p: SpatialPoolerParameters, input_shape: tuple[int, ...], inputs: int, seed: int
) -> npt.NDArray[np.int16]:
    pool_key = rng.key(seed, rng.Purpose.SP_POOL)
    value_key = rng.key(seed, rng.Purpose.SP_PERMANENCE)
    if p.potential_radius is None:
        reach, offsets = np.arange(inputs), None
    else:
        assert p.column_shape is not None
        reach, offsets = topology.reachable(input_shape, p.column_shape, p.potential_radius, p.wrap)
    out = np.full((p.columns, inputs), NO_SYNAPSE, np.int16)
    for c in range(p.columns):
        near = reach if offsets is None else reach[offsets[c] : offsets[c + 1]]
        order = np.argsort(rng.hash2(pool_key, c, near), kind="stable")
        pool = near[order[: pool_size(p.potential_fraction, len(near))]]
        out[c, pool] = _starting_values(p, rng.hash2(value_key, c, pool))
    return out


def _starting_values(p: SpatialPoolerParameters, words: rng.U64) -> Int:
    threshold, spread = permanence(p.connected), permanence(p.initial_spread)
    high, low = (words >> np.uint64(32)).astype(np.int64), (words & np.uint64(0xFFFFFFFF))
    above = threshold + ((low * np.uint64(spread + 1)) >> np.uint64(32)).astype(np.int64)
    below = threshold - 1 - ((low * np.uint64(spread)) >> np.uint64(32)).astype(np.int64)
    starts_connected = high < int(p.initial_connected * 2**32)
    return np.clip(np.where(starts_connected, above, below), 0, PERMANENCE_ONE)


def _neighbour_table(p: SpatialPoolerParameters, radius: int) -> Int:
    """Return each column's neighbourhood as a row, filled up with -1."""
    assert p.column_shape is not None
    indices, offsets = topology.neighbourhoods(p.column_shape, radius, p.wrap)
    sizes = np.diff(offsets)
    table = np.full((p.columns, sizes.max()), -1, np.int64)
    table[np.arange(sizes.max()) < sizes[:, None]] = indices
    return table


def _local_winners(
    score: npt.NDArray, able: npt.NDArray[np.bool_], neighbours: Int, density: float
) -> Int:
    there = neighbours >= 0
    rival = able[neighbours] & there
    higher = ((score[neighbours] > score[:, None]) & rival).sum(1)
    equal = (score[neighbours] == score[:, None]) & rival
    places = np.array([max(1, round_half_up(density * n)) for n in there.sum(1)])
    won = np.zeros(len(score), np.bool_)
    # Ascending: of equal neighbours only those before have won yet.
    for c in np.flatnonzero(able & (higher < places)):
        won[c] = higher[c] + won[neighbours[c, equal[c]]].sum() < places[c]
    return np.flatnonzero(won)
