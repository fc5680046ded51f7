"""A source: noisy positions in the plane, to be told apart by the place that they belong to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from htmrun.components.registry import register
from htmrun.components.sources import Chunk, Source, SourceParameters


class PlacesParameters(SourceParameters):
    """Positions around places that lie evenly on a circle."""

    kind: Literal["places"] = "places"
    places: int = Field(6, ge=2, le=50, description="Number of places, each a class.")
    noise: float = Field(2.0, ge=0.0, description="Standard deviation around a place.")
    train_samples: int = Field(300, ge=10, description="Positions that are learned.")
    test_samples: int = Field(60, ge=1, description="Positions that are held out.")
    data_seed: int = Field(0, ge=0, description="Chooses the positions.")


@register("source", PlacesParameters)
class PlacesSource(Source):
    """Fields: `position` (2,). The circle has a radius of 10."""

    task = "classification"
    fields = ("position",)
    name = "places"

    def __init__(self, parameters: PlacesParameters, base: Path) -> None:
        super().__init__(parameters, base)
        p = parameters
        self.shapes: dict[str, tuple[int, ...]] = {"position": (2,)}
        self.ranges: dict[str, tuple[float, float]] = {}
        self.classes = p.places
        self.class_names = tuple(f"place {i}" for i in range(p.places))
        random = np.random.default_rng(p.data_seed)
        count = p.train_samples + p.test_samples
        self._target = random.integers(0, p.places, count)
        angle = 2 * np.pi * self._target / p.places
        centre = 10 * np.stack([np.cos(angle), np.sin(angle)], 1)
        self._position = centre + random.normal(0, p.noise, (count, 2))
        learned, judged = np.arange(p.train_samples), np.arange(p.train_samples, count)
        if p.held_out == "validation":
            # Settings are chosen on some of what is learned otherwise; test samples stay unseen.
            learned, judged = np.split(learned, [p.train_samples * 4 // 5])
        self._learned, self._judged = learned, judged

    @property
    def samples(self) -> int:
        """Positions that are learned in an epoch."""
        return len(self._learned)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the positions, their places, and which are learned."""
        arrays = (self._position, self._target, self._learned, self._judged)
        return hashlib.sha256(
            b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)
        ).hexdigest()

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        """Yield the positions that are learned, in another order for each seed and epoch."""
        order = np.random.default_rng([seed, epoch]).permutation(self._learned)
        return self._chunk(order).pieces(chunk)

    def test(self, chunk: int) -> Iterator[Chunk]:
        """Yield the held-out positions."""
        return self._chunk(self._judged).pieces(chunk)

    def _chunk(self, order: np.ndarray) -> Chunk:
        flags = np.ones(len(order), np.uint8)  # Every position is a sequence of its own.
        return Chunk({"position": self._position[order]}, self._target[order], flags, flags)
