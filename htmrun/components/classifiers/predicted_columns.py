"""Reading the temporal memory's own prediction, without a network on top."""

from __future__ import annotations

from typing import Literal

import numpy as np

from htmrun.backends import State
from htmrun.backends.parameters import Parameters
from htmrun.backends.plan import Flags, Plan
from htmrun.backends.state import checked
from htmrun.components.classifiers import Classes, Readout, Site, Targets
from htmrun.components.classifiers.horizons import ages
from htmrun.components.classifiers.scores import Activity, Scores
from htmrun.components.layout import Layout
from htmrun.components.registry import register
from htmrun.errors import UserError


class PredictedColumnsParameters(Parameters):
    """Reads the temporal memory's own prediction: the symbol whose columns it expects most."""

    kind: Literal["predicted_columns"] = "predicted_columns"


@register("readout", PredictedColumnsParameters)
class PredictedColumnsReadout(Readout):
    """Names the class whose columns the temporal memory predicts most.

    A class is represented by the columns with which it was last seen, taken over at
    commits. Its score is the share of the overlaps between the predicted columns and the
    representations; nothing predicted: all scores are 0. One horizon: the next sample.
    """

    needs = ("predicted", "a temporal memory")

    def __init__(
        self, predicted: str, columns: str, size: int, classes: int, *, name: str = "classifier",
        learn: bool = True,
    ) -> None:  # fmt: skip
        """`predicted`, `columns`: the outputs that it compares, of `size` bits."""
        self.predicted, self.columns, self.classes = predicted, columns, classes
        self.name, self.learn, self.targets = name, learn, Targets(classes, (1,))
        self._seen = np.zeros((classes, size), np.uint8)
        self._pending = np.zeros((classes, size), np.uint8)
        self._is_pending = np.zeros(classes, np.uint8)
        self._since_reset = 0

    @classmethod
    def horizons(cls, parameters: PredictedColumnsParameters) -> tuple[int, ...]:
        """Return the next sample's."""
        return (1,)

    @classmethod
    def build(cls, parameters: PredictedColumnsParameters, site: Site) -> PredictedColumnsReadout:
        """Return a readout that has seen no class; UserError without a temporal memory."""
        front = site.front
        predicted = f"{front.last}.predicted"
        if predicted not in front.outputs:
            raise UserError(
                f"{site.name}.kind: 'predicted_columns' reads a temporal memory, expected one "
                "before it in every arm"
            )
        columns = front.stages[-2].name if len(front.stages) > 1 else front.first
        targets = cls.targets_of(site.name, parameters, site.source)
        return cls(
            predicted, columns, front.size([predicted]), targets.classes, name=site.name,
            learn=site.name not in site.frozen,
        )  # fmt: skip

    @classmethod
    def state_bytes(
        cls, parameters: PredictedColumnsParameters, front: Layout, targets: Targets
    ) -> int:
        """Count the columns of each class, committed and pending."""
        return 2 * targets.classes * front.size([f"{front.last}.predicted"])

    def run(self, activity: Activity, targets: Classes, plan: Plan) -> list[Scores]:
        """Score each sample by the columns predicted for it, then remember its own columns."""
        out = np.zeros((len(targets), self.classes), np.float32)
        for t in range(len(targets)):
            out[t] = self._score(activity[self.predicted].row(t))
            if self.learn and targets[t] >= 0:
                self._pending[targets[t]] = 0
                self._pending[targets[t], activity[self.columns].row(t)] = 1
                self._is_pending[targets[t]] = 1
            if self.learn and plan.commit[t]:
                fresh = self._is_pending != 0
                self._seen[fresh] = self._pending[fresh]
                self._pending[:] = 0
                self._is_pending[:] = 0
        age = ages(plan.reset, self._since_reset)
        self._since_reset = int(age[-1]) + 1 if len(age) else self._since_reset
        return [Scores(1, out, age >= 1)]

    def compute(self, activity: Activity, reset: Flags) -> list[Scores]:
        """Return scores of samples of their own; writes nothing."""
        bits = activity[self.predicted]
        made = np.stack([self._score(bits.row(t)) for t in range(len(bits))])
        return [Scores(1, made, ages(reset, 0) >= 1)]

    def state(self) -> State:
        """Return the classes' columns, committed and pending."""
        return {
            "seen": self._seen.copy(),
            "pending": self._pending.copy(),
            "is_pending": self._is_pending.copy(),
            "since_reset": np.array([self._since_reset], np.int64),
        }

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        taken = checked(state, self.state())
        self._seen, self._pending = taken["seen"], taken["pending"]
        self._is_pending = taken["is_pending"]
        self._since_reset = int(taken["since_reset"][0])

    def _score(self, predicted: np.ndarray) -> np.ndarray:
        overlap = self._seen[:, predicted].sum(1, dtype=np.int64).astype(np.float32)
        total = overlap.sum()
        return overlap / total if total > 0 else overlap
