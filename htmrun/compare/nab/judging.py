"""From raw anomaly scores to a detector's: likelihood, range rule, and what the benchmark says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmrun.compare.nab.corpus import Corpus, File
from htmrun.components.likelihood import AnomalyParameters
from htmrun.training.measures.anomaly import AnomalyLikelihood, log_scale, out_of_range
from htmrun.training.measures.nab_score import (
    PROFILES,
    Detections,
    Labelled,
    Result,
    at_threshold,
    best,
    detections,
    probation,
)

Scores = npt.NDArray[np.float64]
ByFile = Mapping[str, Scores]

MAIN = "standard"
"""The profile whose best threshold the tables of single files are made with."""


@dataclass(frozen=True)
class Scored:
    """One detector's result.

    best: by profile, under the threshold that serves it best; fixed: under one that nobody chose by
    its score. files: of each file under the best threshold of the standard profile.
    """

    best: Mapping[str, Result]
    fixed: Mapping[str, Result]
    files: Mapping[str, Detections]

    @property
    def found(self) -> int:
        """Windows with a detection."""
        return sum(file.found for file in self.files.values())

    @property
    def false(self) -> int:
        """Detections outside of all windows."""
        return sum(file.false for file in self.files.values())

    @property
    def metrics(self) -> dict[str, float]:
        """The figures by name, as they are recorded; see `BENCHMARK` in `nab_score`."""
        found = {f"nab/{name}": result.normalized for name, result in self.best.items()}
        found |= {f"nab/{name}_fixed": result.normalized for name, result in self.fixed.items()}
        return found | {
            "nab/windows_found": float(self.found), "nab/false_alerts": float(self.false),
            "nab/threshold": self.best[MAIN].threshold,
        }  # fmt: skip


def alarm(parameters: AnomalyParameters) -> float:
    """Return the fixed threshold: the likelihood of `anomaly.alarm` on the scale of `judged`."""
    return float(log_scale(np.array([parameters.alarm]))[0])


def judged(file: File, raw: Scores, parameters: AnomalyParameters) -> Scores:
    """Return a file's anomaly scores (T,) from 0 to 1: its likelihood, or 1 out of range."""
    return np.where(out_of_range(file.values), 1.0, likelihood(raw, parameters))


def likelihood(raw: Scores, parameters: AnomalyParameters) -> Scores:
    """Return the likelihood on a logarithmic scale (`log_scale`), (T,).

    Nothing is said before the benchmark's probation is over, the first half of which is never taken
    as usual.
    """
    first = max(1, probation(len(raw)))
    own = parameters.model_copy(update={"probation": first, "learning": first // 2})
    return log_scale(AnomalyLikelihood(own).add(raw))


def ensemble(raws: Sequence[ByFile]) -> dict[str, Scores]:
    """Return the mean of several seeds' raw scores, by file."""
    return {name: np.mean([raw[name] for raw in raws], axis=0) for name in raws[0]}


def range_rule(corpus: Corpus) -> dict[str, Scores]:
    """Return the scores of a control that has no memory: 1 where a value is out of range."""
    return {name: out_of_range(f.values).astype(np.float64) for name, f in corpus.files.items()}


def score(corpus: Corpus, scores: ByFile, threshold: float) -> Scored:
    """Return what anomaly scores by file are worth; files without any are left out.

    Raises ValueError where no file that has them has a window.
    """
    files = {name: corpus.files[name].labelled(found) for name, found in scores.items()}
    every: Sequence[Labelled] = list(files.values())
    top = {name: best(every, profile) for name, profile in PROFILES.items()}
    fixed = {name: at_threshold(every, p, threshold) for name, p in PROFILES.items()}
    level = top[MAIN].threshold
    single = {name: detections(file, PROFILES[MAIN], level) for name, file in files.items()}
    return Scored(top, fixed, single)
