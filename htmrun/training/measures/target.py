"""How soon the main curve reached what was asked for."""

from __future__ import annotations

from typing import ClassVar

from htmrun.training.measures.measure import Found, Measure, Metric, Run, find
from htmrun.training.measures.prequential import METRICS


class Target(Measure):
    """Samples until the main curve first reached the configuration's `target`."""

    metrics: ClassVar = (
        Metric("samples_to_target", "learning", "down", "samples until the main curve first "
               "reached `target`; left out if never", "samples"),
    )  # fmt: skip
    order = 70

    def finish(self, run: Run) -> Found:
        """Return the samples; nothing if it was never reached."""
        target, row = run.course.target, find(METRICS, run.main_curve)
        if target is None or row is None:
            return Found()
        for told in run.told:
            value = told.metrics.get(run.main_curve)
            if value is not None and (value <= target if row.better == "down" else value >= target):
                return Found({"samples_to_target": float(told.sample)})
        return Found()
