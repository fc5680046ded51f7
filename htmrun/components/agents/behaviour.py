"""Behaviour learned without reward: a spatial pooler remembers which action led where.

It sees a state, what was seen some steps later, and the action that was taken in between, side by
side, and learns by its usual rule. To act, what is wanted stands in the place of what came later,
and the action is read out of the columns that become active. Rules: docs/math.md, "Agents".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal

import numpy as np
from pydantic import Field

from htmrun.backends import State, rng
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import Fraction, SpatialPoolerParameters
from htmrun.components.agents import Agent, Coder, EncodingParameters, Policy, Step, exploring
from htmrun.components.classifiers import Site, Targets
from htmrun.components.encoders import Encoder, build_encoder
from htmrun.components.encoders.category import CategoryEncoderParameters
from htmrun.components.environments import Observation
from htmrun.components.layout import Layout, Window
from htmrun.components.registry import component_of, register


class BehaviourParameters(EncodingParameters):
    """A spatial pooler that associates states, later states and actions, and hears no reward."""

    kind: Literal["behaviour"] = "behaviour"
    sp: SpatialPoolerParameters = Field(
        SpatialPoolerParameters.model_validate({"columns": 1024, "potential_fraction": 0.8}),
        description="The spatial pooler that associates.",
    )
    action_bits: int = Field(40, ge=1, le=1 << 16, description="On-bits of an action.")
    horizon: int = Field(
        1, ge=1, le=10_000,
        description="What came up to this many steps later is what an action led to.",
    )  # fmt: skip
    babble: int = Field(
        1000, ge=0, le=1 << 32, description="First actions that are taken at random, to learn from."
    )
    explore: Fraction = Field(0.05, description="How often it does anything after that.")


@register("readout", BehaviourParameters)
class Behaviour(Agent):
    """Its votes for an action: connected synapses from active columns to the action's bits."""

    size_field = "sp"

    def __init__(self, parameters: BehaviourParameters, site: Site) -> None:
        super().__init__(parameters, site)
        source = self.environment
        self._states = Coder(parameters, site, source.state)
        self._goals = Coder(parameters, site, source.goals)
        self._goal_places = [source.names.index(name) for name in source.goals]
        actions = self._action_encoder(site)
        codes = actions.encode({"action": np.arange(self.actions, dtype=np.float64)})
        self._no_action = Bits(codes.size, codes.indices[:0], np.zeros(2, np.int64))
        nothing = [Bits(c.size, codes.indices[:0], np.zeros(2, np.int64))
                   for c in (self._states, self._goals)]  # fmt: skip
        self._codes = [codes.slice(a, a + 1) for a in range(self.actions)]
        # Each action alone, as the pooler would see it without anything else.
        self._alone = Bits.concatenate([Bits.beside([*nothing, code]) for code in self._codes])
        self._pooler = site.backend.SpatialPooler(parameters.sp, (self._alone.size,), site.seed)
        frozen = f"{site.name}.sp" in site.frozen
        self._learns = self.learn and parameters.sp.learn and not frozen
        self._past: list[tuple[Observation, int]] = []
        self._synapses = np.zeros(0)
        self._word = rng.key(site.seed, rng.Purpose.ACTION)

    def _action_encoder(self, site: Site) -> Encoder:
        p = CategoryEncoderParameters.model_validate(
            {"field": "action", "categories": self.actions, "active": self.parameters.action_bits}
        )
        return build_encoder(p, {"action": ()}, site.seed, {}, f"{site.name}.action_bits")

    @classmethod
    def parts(cls, parameters: BehaviourParameters) -> tuple[str, ...]:
        """The pooler."""
        return ("sp",)

    @classmethod
    def windows(
        cls, name: str, parameters: BehaviourParameters, front: Layout, frozen: Collection[str]
    ) -> Iterator[Window]:
        """Yield the pooler's."""
        if f"{name}.sp" not in frozen:
            yield from component_of(parameters.sp).windows(f"{name}.sp", parameters.sp)

    @classmethod
    def state_bytes(cls, parameters: BehaviourParameters, front: Layout, targets: Targets) -> int:
        """Estimate the bytes of the pooler."""
        fields = front.shape[0] if front.shape else 1
        inputs = 2 * fields * parameters.usual.size + targets.classes * parameters.action_bits
        return int(component_of(parameters.sp).state_bytes(parameters.sp, (inputs,)))

    def begin(self) -> None:
        """Forget the states of the episode before."""
        self._past = []

    def policy(self, observation: Observation) -> Policy:
        """Return mostly the action with the most votes, of equal ones the first; first anything."""
        p = self.parameters
        if self.acted <= p.babble:
            return np.full(self.actions, 1.0 / self.actions)
        return exploring(int(self.votes(observation).argmax()), self.actions, p.explore)

    def votes(self, observation: Observation) -> np.ndarray:
        """Return the votes for each action where `observation` is seen, float64 (actions,)."""
        wanted = self._goals.code_of(self.environment.wanted(observation))
        asked = Bits.beside([self._states.code(observation), wanted, self._no_action])
        if not len(self._synapses):
            self._synapses = self._pooler.overlaps(self._alone).astype(np.float64)
        return self._synapses[:, self._pooler.compute(asked).indices].sum(1)

    def hear(self, step: Step) -> None:
        """Learn that an action of the last `horizon` steps has led to what is seen now."""
        if not self._learns:
            return
        p = self.parameters
        self._past = [*self._past, (step.before, step.action)][-p.horizon :]
        word = rng.hash2(self._word, np.uint64(1), np.uint64(self.acted))
        before, action = self._past[int(rng.below(word, len(self._past)))]
        later = self._goals.code_of(step.after[self._goal_places])
        seen = Bits.beside([self._states.code(before), later, self._codes[action]])
        self._pooler.run(seen, step.plan)
        if step.commit:
            self._synapses = np.zeros(0)

    def learned(self) -> State:
        """Return the pooler with its open window."""
        return self._pooler.state()

    def take(self, learned: State) -> None:
        """Take over what `learned()` returned; ValueError on other names or shapes."""
        self._pooler.load(learned)
        self._synapses = np.zeros(0)
