"""Environments: where an agent's samples come from, one for each of its actions.

One file per kind. What happens is a function of the seed, the episode and the actions alone, so
every arm with the same seed meets the same beginnings. A world keeps gymnasium's interface
(Towers et al. 2024): `reset(seed=...)` and `step(action)`.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import Field

from htmrun.backends import rng
from htmrun.components.sources import Chunk, Ranges, Shapes, Source, SourceParameters

Observation = npt.NDArray[np.float64]
Frames = npt.NDArray[np.uint8]
FIELD = "observation"


class World(Protocol):
    """What an agent acts in; gymnasium's environments are worlds."""

    def reset(self, *, seed: int) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; return the first observation and what else there is to know."""
        ...

    def step(self, action: int) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Return observation, reward, whether that ended the episode, and whether it was cut."""
        ...


class EnvironmentParameters(SourceParameters):
    """What a user can set on every environment."""

    held_out: Literal["test", "validation"] = Field(
        "test", description="validation: other episodes than those that results are made on."
    )
    steps: int = Field(10_000, ge=1, le=1 << 32, description="Actions in a run: its samples.")
    episode_steps: int = Field(
        100, ge=1, le=1 << 20, description="Actions after which an episode is cut."
    )
    solved: float | None = Field(
        None, description="Mean return of 100 episodes from which it counts as solved; null: none."
    )


class Environment(Source):
    """An environment. A sample is one action and what came of it.

    names: what an observation tells, in order. state: those that say where one is; goals: those
    in which what is wanted can be said. spaces: lowest and highest value of each.
    """

    task = "control"
    fields = (FIELD,)
    names: ClassVar[tuple[str, ...]]
    state: ClassVar[tuple[str, ...]]
    goals: ClassVar[tuple[str, ...]]
    class_names: tuple[str, ...]
    """Names of the actions."""

    @property
    @abstractmethod
    def ranges(self) -> Ranges:
        """Lowest and highest value of each name."""

    @abstractmethod
    def make(self, seed: int) -> World:
        """Return the world of one seed."""

    @abstractmethod
    def wanted(self, observation: Observation) -> Observation:
        """Return what is wanted of each of `goals`, float64, where `observation` is seen."""

    @abstractmethod
    def frame(self, observation: Observation) -> Frames:
        """Return a picture of an observation, uint8 (height, width, 3)."""

    @property
    def shapes(self) -> Shapes:
        """One observation, and each of its names."""
        return {FIELD: (len(self.names),), **dict.fromkeys(self.names, ())}

    @classmethod
    def known_shapes(cls, parameters: Any) -> Shapes:
        """One observation."""
        return {FIELD: (len(cls.names),)}

    @property
    def classes(self) -> int:
        """Number of actions."""
        return len(self.class_names)

    @property
    def samples(self) -> int:
        """Actions in a run."""
        steps: int = self.parameters.steps
        return steps

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the parameters: nothing else decides what happens."""
        return hashlib.sha256(self.parameters.model_dump_json().encode()).hexdigest()

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        """Yield nothing: without an agent there are no samples."""
        yield from ()

    def world_seed(self, seed: int) -> int:
        """Return what the world of a seed is drawn from: another one for validation."""
        return seed if self.parameters.held_out == "test" else seed + (1 << 63)

    def beginning(self, seed: int, episode: int) -> int:
        """Return the seed, below 2**31, with which the world of `seed` is reset for an episode."""
        key = rng.key(self.world_seed(seed), rng.Purpose.ENVIRONMENT)
        return int(rng.hash2(key, np.uint64(0), np.uint64(episode)) >> np.uint64(33))


def fields_of(
    names: tuple[str, ...], observation: Observation, wanted: tuple[str, ...]
) -> Mapping[str, np.ndarray]:
    """Return the values of `wanted` among `names`, as encoders read one sample: arrays (1,)."""
    return {name: observation[[names.index(name)]] for name in wanted}
