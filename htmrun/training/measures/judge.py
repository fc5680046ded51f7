"""What judges a stream: raw anomaly scores and values in, likelihood, score and alerts out.

The trainer's measure, live models, controls and benchmarks all ask it, so that they say the same.
How a stream is cut into pieces changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from htmrun.backends.state import State, checked
from htmrun.components.likelihood import AnomalyParameters
from htmrun.training.measures.anomaly import AnomalyLikelihood, Beyond, log_scale
from htmrun.training.measures.nab_score import PROFILES, Labelled, best
from htmrun.training.measures.windows import Windows, best_f1

Floats = npt.NDArray[np.float64]


class Judged(NamedTuple):
    """What is said of each row: likelihood and score, float64 (T,), and alert, bool (T,)."""

    likelihood: Floats
    score: Floats
    alert: npt.NDArray[np.bool_]


class Judge:
    """Judges one stream; feed it rows in order, in pieces of any size.

    first: the first row that can be an alert, and is scored. threshold: score from which one is;
    None until it has been chosen.
    """

    def __init__(
        self, parameters: AnomalyParameters, samples: int, windows: Windows | None = None
    ) -> None:
        """`samples`: of the whole stream, for shares of it; windows: labels, where there are any.

        Raises ValueError, in words, where nothing could be said, or a threshold not be chosen.
        """
        self.parameters, self.first = parameters, parameters.scored_from(samples)
        self.windows = () if windows is None else windows
        self._likelihood = AnomalyLikelihood(parameters, samples)
        self._probation = parameters.begin(samples)[1]
        self._beyond = Beyond(parameters.out_of_range or 0.0)
        self._seen = 0
        self.threshold: float | None = None
        self._kept = np.zeros(0)
        if parameters.choose == "fixed":
            self.threshold = parameters.threshold
            if parameters.threshold is None:
                alarm = np.array([parameters.alarm])
                logarithm = parameters.score == "log_likelihood"
                self.threshold = float((log_scale(alarm) if logarithm else alarm)[0])

    def add(self, raw: Floats, values: Floats | None = None) -> Judged:
        """Return what is said of the next rows.

        raw (T,): 0 to 1; values (T,): of the series, None where there is none. Raises ValueError
        for a raw score that is no number from 0 to 1.
        """
        p = self.parameters
        likelihood = self._likelihood.add(raw)
        score = np.array(raw, np.float64) if p.score == "raw" else likelihood
        if p.score == "log_likelihood":
            score = log_scale(likelihood)
        rows = np.arange(self._seen, self._seen + len(likelihood))
        self._seen += len(rows)
        if p.out_of_range is not None and values is not None:
            beyond = self._beyond.add(np.asarray(values, np.float64))
            score = np.where(beyond & (rows >= self._probation), 1.0, score)
        if self.threshold is None:
            chosen_on = (rows >= self._probation) & (rows < self.first)
            self._kept = np.concatenate([self._kept, score[chosen_on]])
            if self._seen >= self.first:
                self.threshold, self._kept = self._chosen(), np.zeros(0)
        level = np.inf if self.threshold is None else self.threshold
        return Judged(likelihood, score, (score >= level) & (rows >= self.first))

    def add_one(self, raw: float, value: float) -> tuple[float, float, bool]:
        """Return what `add` does of a single row, as numbers."""
        p, row, level = self.parameters, self._seen, self.threshold
        if p.score == "log_likelihood" or p.out_of_range is not None or level is None:
            said = self.add(np.array([raw]), np.array([value]))
            return said.likelihood.item(), said.score.item(), said.alert.item()
        likelihood = self._likelihood.add_one(raw)
        self._seen = row + 1
        score = raw if p.score == "raw" else likelihood
        return likelihood, score, score >= level and row >= self.first

    def must_choose(self, samples: int) -> None:
        """Raise ValueError, in words, where the first of so many rows cannot choose a threshold."""
        choose = self.parameters.choose
        if choose == "fixed":
            return
        if self.first >= samples:
            raise ValueError(
                f"first_rows: {self.first:,} choose the threshold, and there are {samples:,}, "
                "expected fewer"
            )
        if choose != "budget" and not self._labels:
            raise ValueError(
                f"choose: found {choose}, and no labelled window in the rows {self._probation:,} "
                f"to {self.first - 1:,}, expected one (data.labels, data.label, anomaly.first_rows)"
            )

    @property
    def _labels(self) -> Windows:
        """The windows of the rows that choose the threshold, counted from the first of these."""
        first, end = self._probation, self.first
        return tuple(
            (max(a, first) - first, min(b, end - 1) - first)
            for a, b in self.windows
            if b >= first and a < end
        )

    @property
    def says_more(self) -> bool:
        """Whether the score is another figure than the likelihood."""
        return self.parameters.score != "likelihood" or self.parameters.out_of_range is not None

    def state(self) -> dict[str, State]:
        """Return all that later answers depend on: of the likelihood, and of the rest."""
        level = np.nan if self.threshold is None else self.threshold
        own = {"kept": self._kept.copy(), "threshold": np.array([level]),
               "seen": np.array([self._seen], np.int64), **self._beyond.state()}  # fmt: skip
        return {"anomaly": self._likelihood.state(), "judge": own}

    def load(self, state: dict[str, State]) -> None:
        """Take over what `state` returned; ValueError on other names or shapes."""
        self._likelihood.load(state["anomaly"])
        taken = checked(state["judge"], self.state()["judge"], frozenset({"kept"}))
        level = float(taken["threshold"][0])
        self.threshold = None if np.isnan(level) else level
        self._kept, self._seen = taken["kept"], int(taken["seen"][0])
        self._beyond.load({"range": taken["range"]})

    def _chosen(self) -> float:
        """Return the threshold that the first rows choose: one of their scores, or above all."""
        score, p = self._kept, self.parameters
        if p.choose == "budget":
            return within_budget(score, p.budget)
        if p.choose == "f1":
            return best_f1(score, self._labels)
        found = best([Labelled(score, self._labels, 0)], PROFILES["standard"]).threshold
        return float(np.nextafter(score.max(), np.inf)) if np.isinf(found) else found


def within_budget(score: Floats, budget: float) -> float:
    """Return the least score that at most `budget` in 1,000 rows reach; above all if none does."""
    allowed = int(budget * len(score) / 1000)
    levels, counts = np.unique(score, return_counts=True)
    reached = np.cumsum(counts[::-1])[::-1]
    fitting = levels[reached <= allowed]
    return float(fitting[0]) if len(fitting) else float(np.nextafter(levels[-1], np.inf))
