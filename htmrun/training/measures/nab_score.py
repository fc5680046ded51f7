"""The score of the Numenta Anomaly Benchmark (Lavin, Ahmad 2015, "Evaluating Real-Time Anomaly
Detection Algorithms").

A detection is a row whose anomaly score reaches a threshold. In a labelled window the earliest
detection counts, the earlier the more; a window without one costs; detections outside windows cost
the more the further they lie behind the last window. One threshold serves all files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from htmrun.components.registry import register
from htmrun.training.measures.measure import Measure, Metric

PROBATION_SHARE = 0.15
PROBATION_ROWS = 750
"""No row is scored before this share of its file has passed, nor after so many rows."""

_STEEPNESS = 5.0
_FAR = 3.0
"""Lengths of a window behind its end from which a detection counts as wrong as can be."""


@dataclass(frozen=True)
class Profile:
    """What a found window is worth, and what a false detection and a missed window cost."""

    found: float
    false: float
    missed: float


PROFILES = {
    "standard": Profile(1.0, 0.11, 1.0),
    "reward_low_FP_rate": Profile(1.0, 0.22, 1.0),
    "reward_low_FN_rate": Profile(1.0, 0.11, 2.0),
}
"""By the benchmark's own names."""


@dataclass(frozen=True)
class Labelled:
    """The anomaly scores of one file and its windows.

    score: float64 (T,), the higher the stranger; NaN counts as the lowest. windows: first and last
    row of each, both inside, ascending and apart. first: the first row that is scored; None: that
    of the benchmark.
    """

    score: npt.NDArray[np.float64]
    windows: Sequence[tuple[int, int]] = ()
    first: int | None = None

    @property
    def start(self) -> int:
        """The first row that is scored."""
        return probation(len(self.score)) if self.first is None else self.first


@dataclass(frozen=True)
class Result:
    """Points under one threshold, and on a scale where 0 detects nothing and 100 is perfect."""

    points: float
    normalized: float
    threshold: float


def probation(rows: int) -> int:
    """Return how many rows at the start of a file of `rows` are not scored."""
    return min(int(PROBATION_SHARE * rows), PROBATION_ROWS)


@dataclass(frozen=True)
class Detections:
    """What came of one file under a threshold.

    points: of found and missed windows and false detections together. found: windows with a
    detection, of `windows`. false: detections outside of all windows.
    """

    points: float
    found: int
    windows: int
    false: int


def best(files: Sequence[Labelled], profile: Profile) -> Result:
    """Return the result under the threshold that serves `profile` best.

    The benchmark reports this, although the threshold is chosen on the rows that are scored.
    Raises ValueError if no file has a window.
    """
    thresholds, points = _sweep(files, profile)
    place = int(points.argmax())
    return _result(files, profile, float(points[place]), float(thresholds[place]))


def at_threshold(files: Sequence[Labelled], profile: Profile, threshold: float) -> Result:
    """Return the result under a threshold that was fixed beforehand; ValueError without windows."""
    points = [detections(file, profile, threshold).points for file in files]
    return _result(files, profile, math.fsum(points), threshold)


def detections(file: Labelled, profile: Profile, threshold: float) -> Detections:
    """Return what one file brings under a threshold."""
    worth, window = _rows(file, profile)
    # NaN reaches no threshold, as it is the lowest of all scores.
    there = file.score[file.start :] >= threshold
    false = there & (window < 0)
    earliest = [worth[there & (window == w)].max(initial=-np.inf) for w in range(len(file.windows))]
    found = [value for value in earliest if value > -np.inf]
    missed = len(earliest) - len(found)
    points = math.fsum([*found, -profile.missed * missed, *worth[false]])
    return Detections(points, len(found), len(earliest), int(false.sum()))


def _result(files: Sequence[Labelled], profile: Profile, points: float, level: float) -> Result:
    windows = sum(len(f.windows) for f in files)
    if windows == 0:
        raise ValueError("found no window in any file, expected at least one")
    return Result(points, normalized(points, windows, profile), level)


def normalized(points: float, windows: int, profile: Profile) -> float:
    """Return points on the scale where 0 detects nothing and 100 is perfect."""
    nothing, perfect = -profile.missed * windows, profile.found * windows
    return 100 * (points - nothing) / (perfect - nothing)


def _sweep(
    files: Sequence[Labelled], profile: Profile
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return every threshold that makes a difference, falling from infinity, and its points."""
    parts = [_rows(f, profile) for f in files]
    first = np.cumsum([0, *(len(f.windows) for f in files)])
    score = np.concatenate([f.score[f.start :] for f in files])
    worth = np.concatenate([w for w, _ in parts])
    window = np.concatenate(
        [np.where(w >= 0, w + start, -1) for (_, w), start in zip(parts, first[:-1], strict=True)]
    )
    score = np.where(np.isnan(score), -np.inf, score)
    order = np.argsort(-score, kind="stable")
    gain = worth[order]
    belongs = window[order]
    for w in range(int(first[-1])):
        # Only what is better than all detections in the window before it adds something.
        rows = np.flatnonzero(belongs == w)
        reached = np.maximum.accumulate(np.concatenate([[-profile.missed], gain[rows]]))
        gain[rows] = np.diff(reached)
    nothing = -profile.missed * float(first[-1])
    last = np.flatnonzero(np.append(score[order][1:] != score[order][:-1], True)[: len(order)])
    points = nothing + np.cumsum(gain)
    return np.append(np.inf, score[order][last]), np.append(nothing, points[last])


def _rows(
    file: Labelled, profile: Profile
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return what a detection at each scored row is worth, and the row's window or -1."""
    start = file.start
    rows = np.arange(start, len(file.score))
    worth = np.full(len(rows), -profile.false)
    window = np.full(len(rows), -1, np.int64)
    for left, right in file.windows:
        length = right - left + 1
        behind = rows > right
        distance = (rows[behind] - right) / max(length - 1, 1)
        near = _sigmoid(np.minimum(distance, _FAR))
        worth[behind] = profile.false * np.where(distance > _FAR, -1.0, near)
    for w, (left, right) in enumerate(file.windows):
        inside = (rows >= left) & (rows <= right)
        place = -(right - rows[inside] + 1) / (right - left + 1)
        worth[inside] = profile.found * _sigmoid(place) / _sigmoid(np.array(-1.0))
        window[inside] = w
    return worth, window


def _sigmoid(place: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 2 / (1 + np.exp(_STEEPNESS * place)) - 1


@register("measure")
class NabScore(Measure):
    """The rows of what `htmrun nab` reports; of a training job nothing is measured."""

    metrics: ClassVar = (
        Metric("nab/{standard,reward_low_FP_rate,reward_low_FN_rate}", "task", "up",
               "score of the Numenta Anomaly Benchmark in this profile: 0 detects nothing, 100 is "
               "perfect; under the one threshold that gives the best, which is chosen on the rows "
               "that are scored", source="Lavin, Ahmad 2015"),
        Metric("nab/{standard,reward_low_FP_rate,reward_low_FN_rate}_fixed", "task", "up",
               "the same under a threshold that nobody chose by its score, `anomaly.alarm`",
               source="Lavin, Ahmad 2015"),
        Metric("nab/windows_found", "task", "up", "labelled windows with a detection, under the "
               "best threshold of the standard profile", "windows"),
        Metric("nab/false_alerts", "task", "down", "detections outside of all windows, under the "
               "same threshold", "rows"),
        Metric("nab/threshold", "cost", "none", "that threshold, of log10(1 - likelihood) / -10"),
    )  # fmt: skip
