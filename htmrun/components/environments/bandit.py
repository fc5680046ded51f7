"""Slot machines: which of several arms pays depends on what is seen."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from htmrun.backends import rng
from htmrun.backends.parameters import Fraction
from htmrun.components.environments import (
    Environment,
    EnvironmentParameters,
    Frames,
    Observation,
    World,
)
from htmrun.components.environments.drawing import GREY, SIGNAL, cells, draw
from htmrun.components.registry import register
from htmrun.components.sources import Ranges


class BanditParameters(EnvironmentParameters):
    """Slot machines (Sutton, Barto 2018, chapter 2): the arm that pays depends on the context."""

    kind: Literal["bandit"] = "bandit"
    steps: int = Field(4000, ge=1, le=1 << 32, description="Actions in a run: its samples.")
    episode_steps: int = Field(
        10, ge=1, le=1 << 20, description="Actions after which an episode is cut."
    )
    levers: int = Field(4, ge=2, le=1000, description="Levers to choose from.")
    contexts: int = Field(4, ge=1, le=1000, description="Situations, each with a best lever.")
    best: Fraction = Field(0.9, description="How likely the best lever pays 1.")
    others: Fraction = Field(0.2, description="How likely any other pays 1; else it pays 0.")


class Levers:
    """The machines of one seed: the best lever of each context is drawn from it."""

    def __init__(self, parameters: BanditParameters, seed: int) -> None:
        self.parameters = p = parameters
        key = rng.key(seed, rng.Purpose.ENVIRONMENT)
        self.best = rng.below(rng.hash2(key, np.uint64(1), np.arange(p.contexts)), p.levers)
        self._seed, self._step, self._context = 0, 0, 0

    def reset(self, *, seed: int) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode of `episode_steps` pulls; nothing has been paid yet."""
        self._seed, self._step = seed, 0
        self._context = self._drawn(0, self.parameters.contexts)
        return np.array([self._context, 0.0]), {}

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Pull a lever."""
        p = self.parameters
        pays = p.best if action == self.best[self._context] else p.others
        key = rng.key(self._seed, rng.Purpose.ENVIRONMENT)
        paid = float(rng.uniform(rng.hash2(key, np.uint64(3), np.uint64(self._step))) < pays)
        self._step += 1
        self._context = self._drawn(self._step, p.contexts)
        return np.array([self._context, paid]), paid, False, self._step >= p.episode_steps, {}

    def _drawn(self, step: int, count: int) -> int:
        key = rng.key(self._seed, rng.Purpose.ENVIRONMENT)
        return int(rng.below(rng.hash2(key, np.uint64(2), np.uint64(step)), count))


@register("source", BanditParameters)
class Bandit(Environment):
    """It sees which context it is in, and what the last lever paid."""

    name = "bandit"
    names = ("context", "paid")
    state, goals = ("context",), ("paid",)

    @property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The levers."""
        return tuple(f"lever {i}" for i in range(self.parameters.levers))

    @property
    def ranges(self) -> Ranges:
        """Lowest and highest value of each name."""
        return {"context": (0.0, max(1.0, self.parameters.contexts - 1.0)), "paid": (0.0, 1.0)}

    def make(self, seed: int) -> World:
        """Return the machines of one seed."""
        return Levers(self.parameters, self.world_seed(seed))

    def wanted(self, observation: Observation) -> Observation:
        """Return that the lever pays."""
        return np.ones(1)

    def frame(self, observation: Observation) -> Frames:
        """Draw the contexts, the present one filled, and below whether the last lever paid."""
        grid = cells(self.parameters.contexts, 2)
        here = int(observation[0])
        shapes = [
            ("rectangle", place, SIGNAL if i == here else GREY) for i, place in enumerate(grid[0])
        ]
        return draw([*shapes, ("ellipse", grid[1][0], SIGNAL if observation[1] else GREY)])
