"""What the stages of a trained pipeline look like inside, and how they grew."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from htmrun.components.registry import register
from htmrun.training.measures.measure import Alarm, Due, Found, Measure, Metric, Metrics, Run, Saved
from htmrun.training.measures.prequential import Prequential

_GROWING = ("sample", "segments", "synapses", "segments_created", "segments_destroyed")


@register("measure")
class Inside(Measure):
    """How segments and synapses grow, and what the stages are like in the end."""

    metrics: ClassVar = (
        Metric("{pooler}/boost_{p05,p50,p95}", "learning", "none", "quantiles of the boost factors "
               "at the end; 1 is neutral"),
        Metric("{memory}/{segments,synapses}", "learning", "none", "how many there are at the end"),
        Metric("{memory}/events_dropped", "learning", "none", "learning events whose segment was "
               "gone at the commit"),
        Metric("{memory}/segments_evicted", "cost", "none", "segments that had to make room for "
               "new ones, those used longest ago first",
               alarm=Alarm(0.0, "as many learned segments had to make room for new ones; more are "
                           "kept with segments_per_column and segments_per_cell, for pace and "
                           "memory")),
        Metric("{memory}/{segments,synapses}_{created,destroyed}", "cost", "none", "how many came "
               "and went"),
    )  # fmt: skip
    order = 60

    def begin(self, run: Run) -> None:
        """Start without counts."""
        self._counts: dict[str, list[float]] = {}

    def look(self, run: Run, due: Due) -> Metrics:
        """Take down how many segments and synapses there are."""
        for stage in run.pipeline.stages if due.curve else ():
            counters = stage.counters()
            for name, n in (("sample", run.sample), *counters.items()) if counters else ():
                if name in _GROWING:
                    self._counts.setdefault(f"{stage.name}/growth/{name}", []).append(float(n))
        return {}

    def finish(self, run: Run) -> Found:
        """Return what the stages say of themselves, and what was counted on the way."""
        won = run.measure(Prequential).activity()
        grown = {name: np.array(values) for name, values in self._counts.items()}
        shown = run.pipeline.describe(run.state, won)
        return Found(run.pipeline.figures(run.state), shown | grown)

    def state(self) -> Saved:
        """Return what was counted so far."""
        return dict(self._counts)

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned."""
        self._counts = saved
