"""How far values went beyond the range that encoders and buckets were made for."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from htmrun.backends.plan import Plan
from htmrun.components.pipeline import Outcome
from htmrun.components.registry import register
from htmrun.components.sources import Chunk
from htmrun.training.measures.measure import Found, Measure, Metric, Run, Saved


@register("measure")
class Ranges(Measure):
    """Counts values outside the data's ranges, and says which range the buckets have in the end."""

    metrics: ClassVar = (
        Metric("{stage}/outside_range", "cost", "none", "values of a field outside the range that "
               "was taken from the data before they came (data.range)", "samples"),
        Metric("{stage}/bucket_{minimum,maximum}", "cost", "none", "ends of a forecast's buckets "
               "after the last sample: they widen as values come", "the value's unit"),
    )  # fmt: skip

    def begin(self, run: Run) -> None:
        """Start with nothing outside."""
        self._ranges = dict(run.source.ranges) if run.source.task == "forecast" else {}
        self._outside = dict.fromkeys(self._ranges, 0)

    def chunk(self, run: Run, chunk: Chunk, plan: Plan, outcome: Outcome) -> None:
        """Count."""
        for name, (low, high) in self._ranges.items():
            values = chunk.fields.get(name)
            if values is not None:
                self._outside[name] += int(np.count_nonzero((values < low) | (values > high)))

    def finish(self, run: Run) -> Found:
        """Return the counts, and the ends of the buckets."""
        out = {f"{name}/outside_range": float(count) for name, count in self._outside.items()}
        readout = run.pipeline.readout
        if readout.buckets is not None:
            out[f"{readout.name}/bucket_minimum"] = readout.buckets.minimum
            out[f"{readout.name}/bucket_maximum"] = readout.buckets.maximum
        return Found(out)

    def state(self) -> Saved:
        """Return the counts so far."""
        return {"outside": dict(self._outside)}

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned of the same job."""
        self._outside = {name: int(count) for name, count in saved["outside"].items()}
