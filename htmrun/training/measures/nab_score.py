"""The score of the Numenta Anomaly Benchmark (Lavin, Ahmad 2015, "Evaluating Real-Time Anomaly
Detection Algorithms").

A detection is a row whose anomaly score reaches a threshold. In a labelled window the earliest
detection counts, the earlier the more; a window without one costs; detections outside windows cost
the more the further they lie behind the last window. One threshold serves all files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
    "low_fp": Profile(1.0, 0.22, 1.0),
    "low_fn": Profile(1.0, 0.11, 2.0),
}


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
    thresholds, points = _sweep(files, profile)
    reached = np.flatnonzero(thresholds >= threshold)
    return _result(files, profile, float(points[reached[-1]]), threshold)


def _result(files: Sequence[Labelled], profile: Profile, points: float, level: float) -> Result:
    windows = sum(len(f.windows) for f in files)
    if windows == 0:
        raise ValueError("found no window in any file, expected at least one")
    nothing, perfect = -profile.missed * windows, profile.found * windows
    return Result(points, 100 * (points - nothing) / (perfect - nothing), level)


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
    found = np.full(int(first[-1]), -profile.missed)
    total = float(found.sum())
    thresholds, points = [np.inf], [total]
    order = np.argsort(-score, kind="stable")
    last = np.append(score[order][1:] != score[order][:-1], True)
    begin = 0
    for end in np.flatnonzero(last[: len(order)]).tolist():
        for row in order[begin : end + 1]:
            w = window[row]
            if w < 0:
                total += worth[row]
            elif worth[row] > found[w]:
                total += worth[row] - found[w]
                found[w] = worth[row]
        begin = end + 1
        thresholds.append(float(score[order[end]]))
        points.append(total)
    return np.array(thresholds), np.array(points)


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
        worth[behind] = profile.false * np.where(distance > _FAR, -1.0, _sigmoid(distance))
    for w, (left, right) in enumerate(file.windows):
        inside = (rows >= left) & (rows <= right)
        place = -(right - rows[inside] + 1) / (right - left + 1)
        worth[inside] = profile.found * _sigmoid(place) / _sigmoid(np.array(-1.0))
        window[inside] = w
    return worth, window


def _sigmoid(place: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 2 / (1 + np.exp(_STEEPNESS * place)) - 1
