"""A spatial pooler that hears only good, neutral or bad, and a readout that acts by its columns.

The three factors of its rule (Fremaux, Gerstner 2016): what came in, which columns took part, and
how much better it went than was expected. Rules: docs/math.md, "Agents".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Literal, Protocol, cast

import numpy as np
from pydantic import Field, model_validator

from htmrun.backends import State
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.state import checked
from htmrun.components.agents import (
    Agent,
    Coder,
    EncodingParameters,
    Policy,
    Step,
)
from htmrun.components.agents.actor_critic import ActorCritic, ActorCriticParameters
from htmrun.components.classifiers import Site, Targets
from htmrun.components.environments import Observation
from htmrun.components.layout import Layout, Window
from htmrun.components.registry import component_of, register

WAITING = (
    "waiting_inputs", "waiting_input_offsets", "waiting_winners", "waiting_winner_offsets",
    "waiting_rewards",
)  # fmt: skip


class RewardPoolerParameters(EncodingParameters):
    """A reward-modulated spatial pooler, and an actor and a critic on its active columns."""

    kind: Literal["reward_pooler"] = "reward_pooler"
    sp: SpatialPoolerParameters = Field(
        SpatialPoolerParameters.model_validate(
            {"columns": 512, "density": 0.05, "increment": 0.002, "decrement": 0.0005}
        ),
        description="The spatial pooler that hears how it went.",
    )
    neutral: float = Field(
        0.5,
        ge=0.0,
        le=1e6,
        description="Errors of the critic up to this, either way, are neutral; above good, below "
        "bad.",
    )
    on_bad: Literal["weaken", "none"] = Field(
        "weaken", description="After bad: synapses of columns that took part weaken, or nothing."
    )
    readout: ActorCriticParameters = Field(
        ActorCriticParameters.model_validate({}), description="Actor and critic."
    )

    @model_validator(mode="after")
    def _can_hear(self) -> RewardPoolerParameters:
        if self.sp.weak_bump > 0 or self.sp.inhibition_radius == "connected":
            field = "weak_bump" if self.sp.weak_bump > 0 else "inhibition_radius"
            raise ValueError(
                f"sp.{field}: found {getattr(self.sp, field)}, expected "
                f"{'0' if field == 'weak_bump' else 'a number'} where a pooler hears rewards"
            )
        return self


class Modulated(Protocol):
    """A pooler that can be told how good each sample was."""

    def modulate(self, bits: Bits, winners: Bits, reward: np.ndarray, boost: bool) -> None: ...
    def compute(self, bits: Bits) -> Bits: ...
    def state(self) -> State: ...
    def load(self, state: State) -> None: ...


@register("readout", RewardPoolerParameters)
class RewardPooler(Agent):
    """Encoder, spatial pooler, actor and critic; `sp` and `readout` can be frozen, `sp` left out.

    The pooler's window is that of the regime. With `sp` left out the readout reads the encoder.
    """

    size_field = "sp"

    def __init__(self, parameters: RewardPoolerParameters, site: Site) -> None:
        super().__init__(parameters, site)
        self._coder = Coder(parameters, site, self.environment.names)
        frozen = {part.partition(".")[2] for part in site.frozen if "." in part}
        left_out = {part.partition(".")[2] for part in site.front.left_out}
        self._pooler: Modulated | None = None
        if "sp" not in left_out:
            made = site.backend.SpatialPooler(parameters.sp, (self._coder.size,), site.seed)
            self._pooler = cast(Modulated, made)
        self._adapts = self.learn and parameters.sp.learn and "sp" not in frozen
        self._reads = self.learn and "readout" not in frozen
        size = self._coder.size if self._pooler is None else parameters.sp.columns
        self._readout = ActorCritic(parameters.readout, size, self.actions)
        self._waiting: list[tuple[Bits, Bits, int]] = []
        self._known: dict[bytes, tuple[Bits, Bits]] = {}

    @classmethod
    def parts(cls, parameters: Any) -> tuple[str, ...]:
        """The pooler and the readout."""
        return ("sp", "readout")

    @classmethod
    def windows(
        cls, name: str, parameters: RewardPoolerParameters, front: Layout, frozen: Collection[str]
    ) -> Iterator[Window]:
        """Yield the pooler's."""
        if f"{name}.sp" not in frozen and f"{name}.sp" not in front.left_out:
            yield from component_of(parameters.sp).windows(f"{name}.sp", parameters.sp)

    @classmethod
    def state_bytes(
        cls, parameters: RewardPoolerParameters, front: Layout, targets: Targets
    ) -> int:
        """Estimate the bytes of the pooler and of the weights on it."""
        fields = front.shape[0] if front.shape else 1
        inputs = fields * parameters.usual.size
        columns = parameters.sp.columns
        return int(component_of(parameters.sp).state_bytes(parameters.sp, (inputs,))) + (
            16 * columns * (1 + targets.classes)
        )

    def begin(self) -> None:
        """Forget what was done in the episode before."""
        self._readout.begin()

    def policy(self, observation: Observation) -> Policy:
        """Return the softmax of what the active columns say."""
        return self._readout.policy(self._seen(observation)[1].indices)

    def hear(self, step: Step) -> None:
        """Learn from the critic's error: the readout its size, the pooler its sign."""
        if not self.learn:
            return
        bits, won = self._seen(step.before)
        after = None if step.over else self._seen(step.after)[1].indices
        error = self._readout.error(won.indices, step.reward, after)
        if self._reads:
            self._readout.learn(won.indices, step.action, error)
        if self._pooler is not None and self._adapts:
            self._waiting.append((bits, won, self.heard(error)))
        if step.commit:
            self._commit(step.boost)

    def heard(self, error: float) -> int:
        """Return what the pooler hears of an error: 1 good, 0 neutral, -1 bad."""
        p = self.parameters
        if abs(error) <= p.neutral:
            return 0
        return 1 if error > 0 else (-1 if p.on_bad == "weaken" else 0)

    def learned(self) -> State:
        """Return the pooler, the weights, and what waits for the commit."""
        inputs = Bits.concatenate([Bits.empty(self._coder.size), *(w[0] for w in self._waiting)])
        columns = self.parameters.sp.columns
        winners = Bits.concatenate([Bits.empty(columns), *(w[1] for w in self._waiting)])
        arrays = (
            inputs.indices, inputs.offsets, winners.indices, winners.offsets,
            np.array([w[2] for w in self._waiting], np.int64),
        )  # fmt: skip
        pooler = {} if self._pooler is None else self._pooler.state()
        return {
            **{f"sp/{name}": array for name, array in pooler.items()},
            **self._readout.state(),
            **{name: np.array(array) for name, array in zip(WAITING, arrays, strict=True)},
        }

    def take(self, learned: State) -> None:
        """Take over what `learned()` returned; ValueError on other names or shapes."""
        taken = checked(learned, self.learned(), frozenset(WAITING))
        if self._pooler is not None:
            own = {n.removeprefix("sp/"): a for n, a in taken.items() if n.startswith("sp/")}
            self._pooler.load(own)
        self._readout.load({n: taken[n] for n in self._readout.state()})
        inputs = Bits(self._coder.size, taken[WAITING[0]], taken[WAITING[1]])
        winners = Bits(self.parameters.sp.columns, taken[WAITING[2]], taken[WAITING[3]])
        self._waiting = [
            (inputs.slice(t, t + 1), winners.slice(t, t + 1), int(reward))
            for t, reward in enumerate(taken[WAITING[4]])
        ]
        self._known = {}

    def _seen(self, observation: Observation) -> tuple[Bits, Bits]:
        """Return an observation's bits, and the columns that are active on them."""
        key = observation.tobytes()
        if key not in self._known:
            if len(self._known) > 1:  # What was before the last step is asked no more.
                self._known.pop(next(iter(self._known)))
            bits = self._coder.code(observation)
            won = bits if self._pooler is None else self._pooler.compute(bits)
            self._known[key] = (bits, won)
        return self._known[key]

    def _commit(self, boost: bool) -> None:
        self._readout.commit()
        if not self._waiting:
            return
        assert self._pooler is not None
        bits = Bits.concatenate([w[0] for w in self._waiting])
        won = Bits.concatenate([w[1] for w in self._waiting])
        reward = np.array([w[2] for w in self._waiting], np.int64)
        self._pooler.modulate(bits, won, reward, boost)
        self._waiting, self._known = [], {}
