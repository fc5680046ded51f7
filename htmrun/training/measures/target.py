"""How soon the main curve reached what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from htmrun.components.registry import register
from htmrun.components.sources import Task
from htmrun.training.measures.measure import RECENT, Found, Measure, Metric, Run
from htmrun.training.measures.prequential import METRICS
from htmrun.training.measures.returns import METRICS as RETURNS


@register("measure")
class Target(Measure):
    """Samples until the main curve first reached the configuration's `target`."""

    metrics: ClassVar = (
        Metric("samples_to_target", "learning", "down", "samples until the main curve first "
               "reached `target`; left out if never", "samples"),
    )  # fmt: skip
    order = 70

    def finish(self, run: Run) -> Found:
        """Return the samples; nothing if it was never reached."""
        target, task = run.course.target, run.task
        if target is None:
            return Found()
        horizons = run.pipeline.readout.targets.horizons
        memories = [stage.name for stage in run.pipeline.stages if stage.predicts]
        curve = main_curve(task, horizons, memories)
        lower = _main(task).better == "down"
        for told in run.told:
            value = told.metrics.get(curve)
            if value is not None and (value <= target if lower else value >= target):
                return Found({"samples_to_target": float(told.sample)})
        return Found()


def main_curve(task: Task, horizons: Sequence[int], memories: Sequence[str]) -> str:
    """Return the curve that stands for a task: of its first main metric that has one.

    At the nearest of the `horizons`, of the last of the temporal memories.
    """
    places = {"h": min(horizons, default=0), "memory": memories[-1] if memories else ""}
    return f"{RECENT}{_main(task).pattern.format_map(places)}"


def _main(task: Task) -> Metric:
    return next(metric for metric in (*METRICS, *RETURNS) if task in metric.main)
