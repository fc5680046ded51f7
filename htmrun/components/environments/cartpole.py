"""Gymnasium's CartPole-v1: a pole on a cart is kept upright by pushing the cart."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import Field

from htmrun._imports import gymnasium
from htmrun.components.environments import (
    Environment,
    EnvironmentParameters,
    Frames,
    Observation,
    World,
)
from htmrun.components.environments.drawing import GREY, INK, SIGNAL, draw
from htmrun.components.registry import register
from htmrun.components.sources import Ranges


class CartPoleParameters(EnvironmentParameters):
    """Gymnasium's CartPole-v1 (Barto, Sutton, Anderson 1983): keep the pole upright."""

    kind: Literal["cartpole"] = "cartpole"
    steps: int = Field(50_000, ge=1, le=1 << 32, description="Actions in a run: its samples.")
    episode_steps: int = Field(
        500, ge=1, le=1 << 20, description="Actions after which an episode is cut."
    )
    solved: float | None = Field(
        195.0, description="Mean return of 100 episodes from which it counts as solved; null: none."
    )


@register("source", CartPoleParameters)
class CartPole(Environment):
    """A reward of 1 for each action until the pole falls or the cart leaves the track.

    Ends of positions and angles are those at which it is over. Velocities have no end: encoders
    and tables see them up to 3 either way.
    """

    name = "CartPole-v1"
    names = ("position", "velocity", "angle", "angular_velocity")
    state = goals = names
    class_names = ("left", "right")

    @property
    def ranges(self) -> Ranges:
        """Lowest and highest value of each name: metres, metres a second, radians, and those."""
        angle = 12 * 2 * math.pi / 360
        return {
            "position": (-2.4, 2.4),
            "velocity": (-3.0, 3.0),
            "angle": (-angle, angle),
            "angular_velocity": (-3.0, 3.0),
        }

    def make(self, seed: int) -> World:
        """Return gymnasium's own."""
        most = self.parameters.episode_steps
        made: World = gymnasium.make(
            "CartPole-v1", max_episode_steps=most, disable_env_checker=True
        )
        return made

    def wanted(self, observation: Observation) -> Observation:
        """Return the middle of the track, upright and at rest."""
        return np.zeros(len(self.goals))

    def frame(self, observation: Observation) -> Frames:
        """Draw the cart and its pole."""
        x, y = 60 + 20 * float(observation[0]), 62.0
        lean = float(observation[2])
        tip = (x + 45 * math.sin(lean), y - 45 * math.cos(lean))
        return draw(
            [
                ("line", (12, y + 6, 108, y + 6), GREY),
                ("rectangle", (x - 10, y - 4, x + 10, y + 4), INK),
                ("line", (x, y - 4, *tip), SIGNAL),
            ]
        )
