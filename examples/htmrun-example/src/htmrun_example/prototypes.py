"""A classifier: the class whose average bits fit best."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from htmrun.backends import State
from htmrun.backends.parameters import Parameters
from htmrun.backends.plan import Flags, Plan
from htmrun.backends.state import checked
from htmrun.components.classifiers import Classes, Readout, Site, Targets
from htmrun.components.classifiers.scores import Activity, Scores
from htmrun.components.layout import Layout
from htmrun.components.registry import register


class PrototypesParameters(Parameters):
    """A prototype for each class: how often each bit was on in it."""

    kind: Literal["prototypes"] = "prototypes"
    sharpness: int = Field(4, ge=1, le=100, description="Power to which overlaps are raised.")


@register("readout", PrototypesParameters)
class PrototypesReadout(Readout):
    """Counts bits by class; what was counted in a window counts from its commit on."""

    devices = ("cpu", "reference")
    joins_lots = False

    def __init__(
        self, name: str, reads: str, size: int, targets: Targets, sharpness: int, learn: bool = True
    ) -> None:
        """`reads`: the output of `size` bits that it reads."""
        self.name, self.reads_from, self.targets, self.learn = name, reads, targets, learn
        self.sharpness = sharpness
        self._counts = np.zeros((targets.classes, size), np.int64)
        self._samples = np.zeros(targets.classes, np.int64)
        self._pending_counts = np.zeros_like(self._counts)
        self._pending_samples = np.zeros_like(self._samples)

    @classmethod
    def horizons(cls, parameters: PrototypesParameters) -> tuple[int, ...]:
        """Return the sample's own class only."""
        return (0,)

    @classmethod
    def state_bytes(cls, parameters: PrototypesParameters, front: Layout, targets: Targets) -> int:
        """Count two numbers of 8 bytes for each bit of each class."""
        return 16 * targets.classes * (front.size([front.last]) + 1)

    @classmethod
    def build(cls, parameters: PrototypesParameters, site: Site) -> PrototypesReadout:
        """Return one that has seen nothing."""
        reads = site.front.last
        return cls(
            site.name,
            reads,
            site.front.size([reads]),
            cls.targets_of(site.name, parameters, site.source),
            parameters.sharpness,
            site.name not in site.frozen,
        )

    def run(self, activity: Activity, targets: Classes, plan: Plan) -> list[Scores]:
        """Score each sample, then count its bits."""
        bits = activity[self.reads_from]
        made = np.zeros((len(bits), self.targets.classes), np.float32)
        for t in range(len(bits)):
            made[t] = self._score(bits.row(t))
            if self.learn and targets[t] >= 0:
                self._pending_counts[targets[t], bits.row(t)] += 1
                self._pending_samples[targets[t]] += 1
            if self.learn and plan.commit[t]:
                self._counts += self._pending_counts
                self._samples += self._pending_samples
                self._pending_counts[:], self._pending_samples[:] = 0, 0
        return [Scores(0, made, np.ones(len(bits), np.bool_))]

    def compute(self, activity: Activity, reset: Flags) -> list[Scores]:
        """Score samples; count nothing."""
        bits = activity[self.reads_from]
        made = np.zeros((len(bits), self.targets.classes), np.float32)
        for t in range(len(bits)):
            made[t] = self._score(bits.row(t))
        return [Scores(0, made, np.ones(len(bits), np.bool_))]

    def _score(self, on: np.ndarray) -> np.ndarray:
        overlap = self._counts[:, on].sum(1) / np.maximum(self._samples, 1)
        score = (overlap / max(overlap.max(), 1e-9)) ** self.sharpness
        return (score / max(score.sum(), 1e-9)).astype(np.float32)

    def state(self) -> State:
        """Return all counts, committed and pending."""
        return {
            "counts": self._counts.copy(),
            "samples": self._samples.copy(),
            "pending_counts": self._pending_counts.copy(),
            "pending_samples": self._pending_samples.copy(),
        }

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        taken = checked(state, self.state())
        self._counts, self._samples = taken["counts"], taken["samples"]
        self._pending_counts = taken["pending_counts"]
        self._pending_samples = taken["pending_samples"]
