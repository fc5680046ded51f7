"""From raw anomaly scores to a detector's: likelihood, range rule, and what the benchmark says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmrun.compare.nab.corpus import Corpus, File
from htmrun.components.controls import Control, ControlParameters, Series
from htmrun.components.likelihood import AnomalyParameters
from htmrun.components.registry import component_of
from htmrun.errors import UserError
from htmrun.training.measures.anomaly import out_of_range
from htmrun.training.measures.judge import Judge
from htmrun.training.measures.nab_score import (
    PROFILES,
    Detections,
    Labelled,
    Result,
    at_threshold,
    best,
    detections,
)

Scores = npt.NDArray[np.float64]
ByFile = Mapping[str, Scores]

MARGIN = 0.05
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
        """The figures by name, as they are recorded; see `NabScore`."""
        found = {f"nab/{name}": result.normalized for name, result in self.best.items()}
        found |= {f"nab/{name}_fixed": result.normalized for name, result in self.fixed.items()}
        return found | {
            "nab/windows_found": float(self.found), "nab/false_alerts": float(self.false),
            "nab/threshold": self.best[MAIN].threshold,
        }  # fmt: skip


def judges(corpus: Corpus, parameters: AnomalyParameters) -> float:
    """Return the fixed threshold, once it is certain that every file can be judged.

    Raises UserError for a probation that leaves nothing to judge by, and for thresholds that differ
    from file to file: the benchmark has one for all.
    """
    if parameters.choose != "fixed":
        raise UserError(
            f"anomaly.choose: found {parameters.choose}, expected fixed: in the benchmark one "
            "threshold serves all files"
        )
    for name, file in corpus.files.items():
        try:
            level = Judge(parameters, len(file)).threshold
        except ValueError as error:
            raise UserError(f"anomaly.{error} ({name})") from None
    assert level is not None, "a fixed threshold is known beforehand"
    return level


def judged(file: File, raw: Scores, parameters: AnomalyParameters) -> Scores:
    """Return a file's anomaly scores (T,), judged from its raw scores as in training."""
    return Judge(parameters, len(file)).add(raw, file.values).score


def baseline(
    corpus: Corpus, path: str, parameters: ControlParameters, anomaly: AnomalyParameters
) -> tuple[dict[str, Scores], float]:
    """Return the scores by file of a control that learns nothing, and its fixed threshold.

    Judged as it asks to be where it stands beside arms in training.
    """
    found: dict[str, Scores] = {}
    for name, file in corpus.files.items():
        control: Control = component_of(parameters)(parameters, file.source, path)
        rows = np.arange(len(file))
        raw = control.score(Series(file.values, np.ones(len(file), np.bool_), rows))
        judge = Judge(control.judged_by(anomaly), len(file))
        found[name] = judge.add(raw, file.values).score
    assert judge.threshold is not None, "a fixed threshold is known beforehand"
    return found, judge.threshold


def ensemble(raws: Sequence[ByFile]) -> dict[str, Scores]:
    """Return the mean of several seeds' raw scores, by file."""
    return {name: np.mean([raw[name] for raw in raws], axis=0) for name in raws[0]}


def range_rule(corpus: Corpus, parameters: AnomalyParameters) -> dict[str, Scores]:
    """Return the scores of a control that has no memory: 1 where a value is out of range, else 0.

    By the margin of `anomaly.out_of_range`, or 5 % where that is null.
    """
    margin = MARGIN if parameters.out_of_range is None else parameters.out_of_range
    return {
        name: out_of_range(file.values, margin).astype(np.float64)
        for name, file in corpus.files.items()
    }


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
