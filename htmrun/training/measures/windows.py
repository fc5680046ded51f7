"""How alerts meet labelled windows: found or missed, how late, and how many alerts are false.

A window is found if an alert lies in it; an alert outside every window is false. Rows before the
first that is scored do not count, nor windows that lie there as a whole; of one that begins there
the rest counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from htmrun.training.measures.measure import Metric, Metrics
from htmrun.training.measures.nab_score import PROFILES, Labelled, at_threshold

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Windows = tuple[tuple[int, int], ...]
"""First and last row of each labelled window, both inside, ascending and apart."""

METRICS = (
    Metric("anomaly/nab_standard", "task", "up", "score of the Numenta Anomaly Benchmark, standard "
           "profile, at the run's threshold: 0 is what no alert gets, 100 is perfect, below 0 is "
           "worse than silence", source="Lavin, Ahmad 2015", main=("anomaly", "forecast")),
    Metric("anomaly/f1", "task", "up", "2 * found windows / (2 * found + missed + false alerts)",
           "share", main=("anomaly", "forecast")),
    Metric("anomaly/precision", "task", "up", "found windows / (found windows + alerts outside all "
           "windows); left out without any alert", "share", main=("anomaly",)),
    Metric("anomaly/recall", "task", "up", "labelled windows in which an alert lies", "share",
           main=("anomaly",)),
    Metric("anomaly/delay_rows", "task", "down", "rows from the beginning of a window to its first "
           "alert, mean over found windows: read it beside the recall", "rows", main=("anomaly",)),
    Metric("anomaly/delay_s", "task", "down", "the same in time", "s"),
    Metric("anomaly/nab_{reward_low_FP_rate,reward_low_FN_rate}", "task", "up", "the benchmark's "
           "score where false alerts cost twice, or missed windows do", source="Lavin, Ahmad 2015"),
    Metric("anomaly/alerts_per_1000", "task", "none", "alerts in 1,000 rows that are scored",
           "alerts", main=("anomaly",)),
    Metric("anomaly/windows", "cost", "none", "labelled windows that are scored", "windows"),
    Metric("anomaly/threshold", "cost", "none", "score from which a row is an alert"),
)  # fmt: skip

OF_LABELS = tuple(metric.pattern for metric in METRICS[:6])
"""Those of the main figures that need labels."""


def figures(
    alert: Flags, first: int, windows: Windows | None, times: npt.NDArray[np.int64] | None = None
) -> Metrics:
    """Return the metrics of alerts, bool (T,); rows before `first` are not scored.

    windows: None where there are no labels; times (T,): of the rows, in microseconds.
    """
    alert = alert & (np.arange(len(alert)) >= first)
    scored = len(alert) - first
    out: Metrics = {}
    if scored > 0:
        out["anomaly/alerts_per_1000"] = 1000 * float(alert.sum()) / scored
    if windows is None:
        return out
    counted = tuple((max(a, first), b) for a, b in windows if b >= first)
    out["anomaly/windows"] = float(len(counted))
    if not counted:
        return out
    hits = [np.flatnonzero(alert[a : b + 1]) for a, b in counted]
    found = [(a, a + int(rows[0])) for (a, _), rows in zip(counted, hits, strict=True) if len(rows)]
    false = int(alert.sum()) - sum(map(len, hits))
    out["anomaly/recall"] = len(found) / len(counted)
    out["anomaly/f1"] = 2 * len(found) / (len(found) + len(counted) + false)
    if len(found) + false:
        out["anomaly/precision"] = len(found) / (len(found) + false)
    if found:
        late = np.array([row - begin for begin, row in found])
        out["anomaly/delay_rows"] = float(late.mean())
        if times is not None:
            late = np.array([times[row] - times[begin] for begin, row in found])
            out["anomaly/delay_s"] = float(late.mean()) / 1e6
    file = Labelled(alert.astype(np.float64), counted, first)
    for name, profile in PROFILES.items():
        out[f"anomaly/nab_{name}"] = at_threshold([file], profile, 0.5).normalized
    return out


def best_f1(score: Floats, windows: Sequence[tuple[int, int]]) -> float:
    """Return the highest of the scores (T,) that, as a threshold, has the best F1 by window."""
    inside = np.zeros(len(score), np.bool_)
    for a, b in windows:
        inside[a : b + 1] = True
    tops = np.array([score[a : b + 1].max() for a, b in windows])
    levels = np.unique(score)[::-1]
    found = len(tops) - np.searchsorted(np.sort(tops), levels, side="left")
    others = np.sort(score[~inside])
    false = len(others) - np.searchsorted(others, levels, side="left")
    f1 = 2 * found / (found + len(tops) + false)
    return float(levels[int(f1.argmax())])


def hit(windows: Windows | None, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the number of the window that each row lies in, counted from 0; -1: in none."""
    if not windows:
        return np.full(len(rows), -1)
    begin, end = np.array(windows).T
    place = np.searchsorted(begin, rows, side="right") - 1
    return np.where((place >= 0) & (rows <= end[np.maximum(place, 0)]), place, -1)
