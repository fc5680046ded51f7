"""Reading the temporal memory's own prediction, without a network on top."""

from __future__ import annotations

import numpy as np

from htmrun.backends import State
from htmrun.backends.plan import Flags, Plan
from htmrun.backends.state import checked
from htmrun.components.classifiers.parameters import PredictedColumnsConfig
from htmrun.components.classifiers.scores import Activity, Scores
from htmrun.components.classifiers.sdr import Targets, ages
from htmrun.components.registry import register


@register("readout", PredictedColumnsConfig)
class PredictedColumnsPredictor:
    """Names the class whose columns the temporal memory predicts most.

    A class is represented by the columns with which it was last seen, taken over at
    commits. Its score is the share of the overlaps between the predicted columns and the
    representations; nothing predicted: all scores are 0. One horizon: the next sample.
    """

    def __init__(self, predicted: str, columns: str, size: int, classes: int) -> None:
        self.predicted, self.columns, self.classes = predicted, columns, classes
        self._seen = np.zeros((classes, size), np.uint8)
        self._pending = np.zeros((classes, size), np.uint8)
        self._is_pending = np.zeros(classes, np.uint8)
        self._since_reset = 0

    def run(
        self, activity: Activity, targets: Targets, plan: Plan, learn: bool = True
    ) -> list[Scores]:
        """Score each sample by the columns predicted for it, then remember its own columns."""
        out = np.zeros((len(targets), self.classes), np.float32)
        for t in range(len(targets)):
            out[t] = self._score(activity[self.predicted].row(t))
            if learn and targets[t] >= 0:
                self._pending[targets[t]] = 0
                self._pending[targets[t], activity[self.columns].row(t)] = 1
                self._is_pending[targets[t]] = 1
            if learn and plan.commit[t]:
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
