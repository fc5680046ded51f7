"""How a model comes back after the data have changed under it.

Measured as Cui, Ahmad, Hawkins 2016 ("Continuous Online Sequence Learning") show it: the sequences
of a stream are changed at a known sample, and the model has to find its old level again.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from htmrun.components.registry import register
from htmrun.training.measures.measure import Found, Measure, Metric, Metrics, Run
from htmrun.training.measures.prequential import Prequential

WINDOW = 100
"""Scored samples whose mean loss makes a level."""
LEAST = 20
"""A level of fewer scored samples before the change says nothing."""
SHARE = 0.95
"""Recovered is a model whose accuracy is this share of what it was, or its RMSE the inverse."""


def recovery(losses: npt.NDArray[np.float32], drift_at: int, *, forecast: bool) -> Metrics:
    """Return `drift/before`, `/after`, `/recovered` and `recovery_samples` of one stream.

    losses: (T,) by sample, NaN where nothing was scored: squared errors of a forecast, otherwise 1
    for a wrong and 0 for a right guess. drift_at: the first sample after the change, counted from
    0. `before` and `after` are the RMSE or the accuracy over the last and first 100 scored samples
    around it. `recovery_samples` counts from the change to the end of the first 100 scored samples
    that are back at 95 % of the level before; `recovered` is 1, or 0 if there are none and it is
    left out. Nothing at all is returned with fewer than 20 scored samples before or 100 after.
    """
    scored = np.flatnonzero(~np.isnan(losses))
    split = int(np.searchsorted(scored, drift_at))
    before, after = losses[scored[max(0, split - WINDOW) : split]], losses[scored[split:]]
    if len(before) < LEAST or len(after) < WINDOW:
        return {}
    sums = np.concatenate([[0.0], np.cumsum(after, dtype=np.float64)])
    means = (sums[WINDOW:] - sums[:-WINDOW]) / WINDOW
    usual = float(before.mean(dtype=np.float64))
    if forecast:
        level, levels = math.sqrt(usual), np.sqrt(np.maximum(means, 0.0))
        back = np.flatnonzero(levels * SHARE <= level)
    else:
        level, levels = 1 - usual, 1 - means
        back = np.flatnonzero(levels >= SHARE * level)
    found = {"drift/before": float(level), "drift/after": float(levels[0]),
             "drift/recovered": float(len(back) > 0)}  # fmt: skip
    if len(back):
        found["recovery_samples"] = float(scored[split + back[0] + WINDOW - 1] + 1 - drift_at)
    return found


@register("measure")
class Drift(Measure):
    """How the job's predictions, at the nearest horizon, come back after a known change."""

    metrics: ClassVar = (
        Metric("drift/{before,after}", "learning", "none", "accuracy or RMSE over the last 100 "
               "scored samples before `data.drift_at`, the first 100 after it"),
        Metric("drift/recovered", "learning", "up", "1 if it came back to 95 % of what it was, "
               "else 0; the mean is the share of seeds that did"),
        Metric("recovery_samples", "learning", "down", "samples from the change in the data until "
               "100 scored ones in a row are back at 95 % of the level before; only seeds that got "
               "there", "samples", main=("sequence", "forecast")),
    )  # fmt: skip
    order = 12

    def finish(self, run: Run) -> Found:
        """Return the metrics of `recovery`; empty where losses are not kept."""
        losses, at = run.measure(Prequential).losses(), run.course.drift_at
        if at is None or not losses:
            return Found()
        nearest = losses[f"loss/{min(run.pipeline.readout.targets.horizons)}"]
        return Found(recovery(nearest, at, forecast=run.source.task == "forecast"))
