"""Nearest neighbours: patterns that were seen, and the classes that came with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from htmrun.backends import State
from htmrun.backends.bits import Bits
from htmrun.backends.plan import Plan
from htmrun.backends.state import checked
from htmrun.backends.voting import Voting, load_voting
from htmrun.components.classifiers import Classes, Site, Targets
from htmrun.components.classifiers.events import NAMES, Events, doubled, tail
from htmrun.components.classifiers.horizons import HorizonParameters, Made
from htmrun.components.classifiers.models import ModelsReadout
from htmrun.components.layout import Layout
from htmrun.components.registry import register

STORED = frozenset({"stored_indices", "stored_offsets", "stored_classes"})
USUAL = 20
"""Memory is estimated as if one of so many bits were on."""


class KNNParameters(HorizonParameters):
    """Nearest neighbours: the classes of the stored patterns most like what is read."""

    kind: Literal["knn"] = "knn"
    neighbours: int = Field(5, ge=1, le=10_000, description="Stored patterns that vote.")
    similarity: Literal["overlap", "cosine", "jaccard"] = Field(
        "overlap",
        description="Bits that two patterns share; over the root of the product of how many each "
        "has; over the bits that either has.",
    )
    weights: Literal["uniform", "similarity"] = Field(
        "uniform", description="similarity: votes count by how alike the patterns are."
    )
    patterns: int = Field(
        10_000, ge=1, le=1 << 24,
        description="Patterns that are stored for each horizon; beyond it the oldest leave.",
    )  # fmt: skip
    floor: float = Field(
        0.01, ge=0.0, lt=1.0, description="Probability that all classes share alike."
    )

    @model_validator(mode="after")
    def _check_patterns(self) -> Self:
        if self.patterns < self.neighbours:
            raise ValueError(
                f"patterns: found {self.patterns}, expected at least neighbours = {self.neighbours}"
            )
        return self


class StoredPatterns:
    """The latest patterns of `size` bits, oldest first, and the class of each."""

    def __init__(self, parameters: KNNParameters, size: int, classes: int, voting: Voting) -> None:
        self._parameters, self._count, self._voting = parameters, classes, voting
        self._stored, self._classes = Bits.empty(size), np.zeros(0, np.int64)
        self._events = Events(size)

    def run(
        self, bits: Bits, targets: Classes, plan: Plan, learn: bool = True,
        learn_bits: Bits | None = None,
    ) -> Made:  # fmt: skip
        """Predict each sample, then store `learn_bits` or `bits` with `targets` (-1: nothing).

        What a window brings is stored at its commit, in order; then the oldest leave.
        """
        if not learn or not len(bits):
            return self.compute(bits)
        given = bits if learn_bits is None else learn_bits
        events, classes, due = self._events.with_chunk(given, targets, plan)
        held = len(self._classes)
        every = Bits.concatenate([self._stored, events])
        named = np.concatenate([self._classes, classes])
        high = held + np.concatenate([np.zeros(1, np.int64), due])
        low = np.maximum(high - self._parameters.patterns, 0)
        made = self._vote(bits, every, named, low[:-1], high[:-1])
        first, last = int(low[-1]), int(high[-1])
        self._stored = tail(every.slice(0, last), first)
        self._classes = named[first:last].copy()
        self._events.keep(events, classes, last - held)
        return made

    def compute(self, bits: Bits) -> Made:
        """Return probabilities (T, classes); writes nothing."""
        low = np.zeros(len(bits), np.int64)
        return self._vote(bits, self._stored, self._classes, low, low + len(self._classes))

    def merge(self, ups: Sequence[bool]) -> None:
        """Make one bucket of every two neighbours."""
        self._classes = doubled(self._classes, ups, self._count)
        self._events.merge(ups, self._count)

    def state(self) -> State:
        """Return the patterns with their classes, and what waits for the commit."""
        return {
            "stored_indices": self._stored.indices.copy(),
            "stored_offsets": self._stored.offsets.copy(),
            "stored_classes": self._classes.copy(),
            **self._events.state(),
        }

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        taken = checked(state, self.state(), STORED | NAMES)
        self._stored = Bits(self._stored.size, taken["stored_indices"], taken["stored_offsets"])
        self._classes = taken["stored_classes"]
        self._events.load(taken)

    def _vote(
        self, bits: Bits, stored: Bits, classes: Classes, low: Classes, high: Classes
    ) -> Made:
        p = self._parameters
        return self._voting.nearest_votes(
            bits, stored, classes, low, high, p.neighbours, p.similarity,
            p.weights == "similarity", p.floor, self._count,
        )  # fmt: skip


@register("readout", KNNParameters)
class KNNReadout(ModelsReadout):
    """One store of patterns for each horizon."""

    widens = True
    grows = STORED | NAMES
    size_field = "patterns"
    models: dict[int, StoredPatterns]  # type: ignore[assignment]

    @classmethod
    def build(cls, parameters: KNNParameters, site: Site) -> KNNReadout:
        """Return a classifier without patterns."""
        cls.check_reads(site.name, parameters, site.front)
        reads = site.front.read(parameters.reads)
        size, voting = site.front.size(reads), load_voting(site.device)
        targets = cls.targets_of(site.name, parameters, site.source)
        return cls(
            targets, reads, size, lambda: StoredPatterns(parameters, size, targets.classes, voting),
            name=site.name, learn=site.name not in site.frozen,
        )  # fmt: skip

    @classmethod
    def state_bytes(cls, parameters: KNNParameters, front: Layout, targets: Targets) -> int:
        """Estimate the patterns of each horizon, a twentieth of whose bits are taken to be on."""
        each = 4 * (front.size(front.read(parameters.reads)) // USUAL + 1) + 16
        return len(targets.horizons) * parameters.patterns * each

    def merge(self, ups: Sequence[bool]) -> None:
        """Make one bucket of every two neighbours, in what is stored and what is pending."""
        for model in self.models.values():
            model.merge(ups)
