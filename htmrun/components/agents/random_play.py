"""An agent that does anything: what the others have to beat."""

from __future__ import annotations

from typing import Literal

import numpy as np

from htmrun.backends.parameters import Parameters
from htmrun.components.agents import Agent, Policy, Step
from htmrun.components.environments import Observation
from htmrun.components.registry import register


class RandomPlayParameters(Parameters):
    """Every action is as likely as any other, and nothing is learned."""

    kind: Literal["random_play"] = "random_play"


@register("readout", RandomPlayParameters)
class RandomPlay(Agent):
    """Takes each action equally often."""

    def policy(self, observation: Observation) -> Policy:
        """Return the same chance for each action."""
        return np.full(self.actions, 1.0 / self.actions)

    def hear(self, step: Step) -> None:
        """Learn nothing."""
