"""A spatial pooler outside backprop that only hears how good an answer was.

In a window each sample has a reward r in [-1, 1]. Participants are its winners, or those whose
overlap lies `vote_sigma` standard deviations above the mean overlap of all columns. A potential
synapse of a participant changes by r * (increment if its input is on, else -decrement), rounded
to the nearest permanence unit (halves to even); the window's changes are added up and clipped once.
Duty cycles advance as in every commit. With rewards of 1 and all winners taking part this is the
spatial pooler's own commit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from htmrun.backends import SpatialPoolerBackend
from htmrun.backends.bits import Bits
from htmrun.backends.fixed_point import (
    DUTY_ONE,
    NO_SYNAPSE,
    PERMANENCE_ONE,
    advance_duty,
    boost_factors,
    permanence,
)
from htmrun.backends.plan import Plan
from htmrun.components.networks.layers.sp import RewardParameters, SPLayerParameters

Rewards = npt.NDArray[np.float64]


class Reward:
    """From answers to what a pooler hears of them."""

    def __init__(self, parameters: RewardParameters) -> None:
        self.parameters = parameters

    def hear(self, right: npt.NDArray[np.bool_], error: Rewards) -> Rewards:
        """Return rewards float64 (T,): 1 good, 0 nothing, -1 bad, or anything between.

        right: whether the answer was right. error: 1 - probability of the right class.
        """
        p = self.parameters
        if p.levels == "good_bad":
            reward = np.where(right, 1.0, -1.0)
        elif p.levels == "good_neutral_bad":
            reward = np.where(right, 1.0, np.where(error < p.threshold, 0.0, -1.0))
        elif p.levels == "scalar":
            reward = 1.0 - 2.0 * error
        else:
            reward = np.where(error > p.threshold, -1.0, 1.0)
        return reward if p.on_wrong == "weaken" else np.maximum(reward, 0.0)


def participants(
    model: SpatialPoolerBackend, bits: Bits, winners: Bits, sigma: float | None
) -> npt.NDArray[np.bool_]:
    """Return who takes part, bool (T, columns)."""
    won = winners.dense().astype(np.bool_)
    if sigma is None:
        return won
    overlap = model.overlaps(bits).astype(np.float64)
    least = overlap.mean(1, keepdims=True) + sigma * overlap.std(1, keepdims=True)
    return won & (overlap >= least)


def reward_commit(
    model: SpatialPoolerBackend, parameters: SPLayerParameters, bits: Bits, winners: Bits,
    reward: Rewards, boost: bool,
) -> None:  # fmt: skip
    """Apply a window: permanences of participants by their reward, then duty cycles, then boost."""
    p = parameters
    part = participants(model, bits, winners, p.reward.vote_sigma)
    weight = part * reward[:, None]
    rows = np.flatnonzero((weight != 0).any(0))
    state = model.state()
    if len(rows):
        up, down = permanence(p.increment), permanence(p.decrement)
        inputs = bits.dense().astype(np.float64)
        strength = weight[:, rows].T
        change = strength @ (inputs * (up + down)) - down * strength.sum(1, keepdims=True)
        before = state["permanences"][rows]
        after = np.clip(before + np.rint(change).astype(np.int64), 0, PERMANENCE_ONE)
        state["permanences"][rows] = np.where(before == NO_SYNAPSE, NO_SYNAPSE, after)
    wins = np.bincount(winners.indices, minlength=p.columns).astype(np.int64)
    state["active_duty"] = advance_duty(state["active_duty"], wins, len(bits), p.duty_period)
    if boost and p.boost_strength > 0 and not p.boosts_locally:
        target = p.active_columns * DUTY_ONE // p.columns
        state["boost"] = boost_factors(state["active_duty"], target, p.boost_strength)
    model.load(state)
    if boost and p.boost_strength > 0 and p.boosts_locally:
        _boost_locally(model, bits.size)


def _boost_locally(model: SpatialPoolerBackend, inputs: int) -> None:
    """Let the model recompute its boost factors from its duty cycles, learning nothing."""
    silent = Bits(inputs, np.zeros(0, np.int32), np.zeros(2, np.int64))
    none = np.zeros(1, np.uint8)
    model.run(silent, Plan(none, none, np.ones(1, np.uint8)))
    # The silent sample only carried the flag: it is taken out of the open window again.
    state = model.state()
    for name in ("input", "winner"):
        state[f"pending_{name}s"] = np.zeros(0, np.int32)
        state[f"pending_{name}_offsets"] = np.zeros(1, np.int64)
    model.load(state)
