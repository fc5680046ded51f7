"""The CLA classifier: each bit remembers which classes came with it, and votes for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from htmrun.backends import State
from htmrun.backends.bits import Bits
from htmrun.backends.plan import Plan
from htmrun.backends.state import checked
from htmrun.backends.voting import Voting, load_voting
from htmrun.components.classifiers import Classes, Site, Targets
from htmrun.components.classifiers.buckets import summed
from htmrun.components.classifiers.events import NAMES, Events
from htmrun.components.classifiers.horizons import HorizonParameters, Made
from htmrun.components.classifiers.models import ModelsReadout
from htmrun.components.layout import Layout
from htmrun.components.registry import register


class CLAParameters(HorizonParameters):
    """CLA classifier: each bit votes for the classes that came with it, lately more than before."""

    kind: Literal["cla"] = "cla"
    rate: float = Field(
        0.05, gt=0.0, le=1.0,
        description="What a bit's memory gives way to the class that comes with it.",
    )  # fmt: skip
    floor: float = Field(
        0.01, ge=0.0, lt=1.0, description="Probability that all classes share alike."
    )


class BitVotes:
    """The classes that came with each of `size` bits, as exponential moving averages."""

    def __init__(self, parameters: CLAParameters, size: int, classes: int, voting: Voting) -> None:
        self._parameters, self._voting = parameters, voting
        self._table = np.zeros((size, classes), np.float32)
        self._events = Events(size)

    def run(
        self, bits: Bits, targets: Classes, plan: Plan, learn: bool = True,
        learn_bits: Bits | None = None,
    ) -> Made:  # fmt: skip
        """Predict each sample, then learn `targets` (-1: nothing) from `learn_bits` or `bits`.

        At a commit the samples of the window are learned one after the other.
        """
        p = self._parameters
        if not learn:
            return self.compute(bits)
        given = bits if learn_bits is None else learn_bits
        events, classes, due = self._events.with_chunk(given, targets, plan)
        made = self._voting.bit_votes(self._table, p.rate, p.floor, bits, events, classes, due)
        self._events.keep(events, classes, int(due[-1]) if len(due) else 0)
        return made

    def compute(self, bits: Bits) -> Made:
        """Return probabilities (T, classes); writes nothing."""
        none, due = np.zeros(0, np.int64), np.zeros(len(bits), np.int64)
        p, silent = self._parameters, Bits.empty(bits.size)
        return self._voting.bit_votes(self._table, p.rate, p.floor, bits, silent, none, due)

    def merge(self, ups: Sequence[bool]) -> None:
        """Make one bucket of every two neighbours: what came with either came with it."""
        for up in ups:
            self._table = summed(self._table, up)
        self._events.merge(ups, self._table.shape[1])

    def state(self) -> State:
        """Return the averages, float32 (size, classes), and what waits for the commit."""
        return {"table": self._table.copy(), **self._events.state()}

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        taken = checked(state, self.state(), NAMES)
        self._table = taken["table"]
        self._events.load(taken)


@register("readout", CLAParameters)
class CLAReadout(ModelsReadout):
    """One memory of all bits for each horizon."""

    widens = True
    grows = NAMES
    models: dict[int, BitVotes]  # type: ignore[assignment]

    @classmethod
    def build(cls, parameters: CLAParameters, site: Site) -> CLAReadout:
        """Return a classifier that has seen nothing."""
        cls.check_reads(site.name, parameters, site.front)
        reads = site.front.read(parameters.reads)
        size, voting = site.front.size(reads), load_voting(site.device)
        targets = cls.targets_of(site.name, parameters, site.source)
        return cls(
            targets, reads, size, lambda: BitVotes(parameters, size, targets.classes, voting),
            name=site.name, learn=site.name not in site.frozen,
        )  # fmt: skip

    @classmethod
    def state_bytes(cls, parameters: CLAParameters, front: Layout, targets: Targets) -> int:
        """Count the averages of each horizon."""
        size = front.size(front.read(parameters.reads))
        return len(targets.horizons) * size * targets.classes * 4

    def merge(self, ups: Sequence[bool]) -> None:
        """Make one bucket of every two neighbours, in averages and in what is pending."""
        for model in self.models.values():
            model.merge(ups)
