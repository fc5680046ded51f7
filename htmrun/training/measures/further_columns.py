"""Forecasts of the columns that are forecast besides the first: the same figures, by column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from htmrun.backends.plan import Plan
from htmrun.components.classifiers import Readout
from htmrun.components.pipeline import Outcome
from htmrun.components.registry import register
from htmrun.components.sources import Chunk
from htmrun.training.measures.measure import (
    LAST_PASS,
    LATER,
    RECENT,
    Due,
    Found,
    Measure,
    Metric,
    Metrics,
    Run,
    Saved,
    find,
)
from htmrun.training.measures.meters import BucketForecastMeter
from htmrun.training.measures.spans import Spans

Flags = npt.NDArray[np.bool_]

METRICS = (
    Metric("rmse_{h}/{column}", "task", "down", "root mean squared error of the forecast so many "
           "samples ahead, of a further column of data.value", "the column's unit", curve=True),
    Metric("mape_{h}/{column}", "task", "down", "sum of absolute errors over sum of absolute "
           "values, of a further column", "share", "Cui et al. 2016"),
    Metric("nrmse_{h}/{column}", "task", "down", "RMSE over the standard deviation of the values, "
           "of a further column", source="Cui et al. 2016"),
    Metric("mae_{h}/{column}", "task", "down", "mean absolute error of a further column",
           "the column's unit"),
    Metric("nll_{h}/{column}", "task", "down", "negative log-likelihood of the bucket that came, "
           "of a further column", "nats"),
    Metric("scored_{h}/{column}", "cost", "none", "forecasts of a further column that were scored",
           "samples"),
)  # fmt: skip


def named(metrics: Mapping[str, float], column: str) -> Metrics:
    """Return metrics of forecasts under the names that they have for a further column."""
    return {f"{name}/{column}": value for name, value in metrics.items()}


class _Meters:
    """Meters of one stretch of samples: one for each further column and horizon."""

    def __init__(self, readouts: Mapping[str, Readout]) -> None:
        self._meters = {
            (name, h): BucketForecastMeter(readout.targets.estimate)
            for name, readout in readouts.items()
            for h in readout.targets.horizons
        }

    def add(self, chunk: Chunk, outcome: Outcome, due: Mapping[int, Flags]) -> None:
        scored = chunk.scored != 0
        for name, scores in outcome.others.items():
            for one in scores:
                counts = scored & due.get(one.horizon, True)
                self._meters[name, one.horizon].add(one, chunk.others[name], counts)

    def metrics(self) -> Metrics:
        out: Metrics = {}
        for (name, h), meter in self._meters.items():
            out |= named({f"{n}_{h}": v for n, v in meter.metrics().items()}, name)
        return out

    def notes(self) -> Iterator[str]:
        for (name, _), meter in self._meters.items():
            yield from (f"{name}: {note}" for note in meter.notes())

    def state(self) -> Saved:
        return {f"{h} {name}": meter.state() for (name, h), meter in self._meters.items()}

    def load(self, saved: Saved) -> None:
        for (name, h), meter in self._meters.items():
            meter.load(saved[f"{h} {name}"])


@register("measure")
class FurtherColumns(Measure):
    """Scores of what is forecast of further columns, over the first pass; see `Prequential`."""

    metrics: ClassVar = METRICS
    # Before stages' figures: a column may have the name of one of these.
    order = 9

    def begin(self, run: Run) -> None:
        """Start with empty meters."""
        self._readouts = run.pipeline.others
        self._first_pass = run.total // run.passes
        self._parts = {name: _Meters(self._readouts) for name in ("interval", "all", "last pass")}
        self._spans = None
        if self._readouts:
            self._spans = Spans.of(run.source, run.pipeline.readout.targets.horizons)

    def chunk(self, run: Run, chunk: Chunk, plan: Plan, outcome: Outcome) -> None:
        """Add what was predicted of a piece."""
        if not self._readouts:
            return
        due: Mapping[int, Flags] = {}
        if self._spans is not None:
            due = self._spans.due(chunk.fields["timestamp"], chunk.reset)
        stretches = ["interval"]
        if run.sample <= self._first_pass:
            stretches.append("all")
        if run.passes > 1 and run.sample > run.total - self._first_pass:
            stretches.append("last pass")
        for name in stretches:
            self._parts[name].add(chunk, outcome, due)

    def look(self, run: Run, due: Due) -> Metrics:
        """Return the metrics that have a curve, since the last curve point, and start anew."""
        if not due.curve or not self._readouts:
            return {}
        done, self._parts["interval"] = self._parts["interval"], _Meters(self._readouts)
        stretch = RECENT if run.sample <= self._first_pass else LATER
        return {f"{stretch}{n}": v for n, v in done.metrics().items() if has_curve(n)}

    def finish(self, run: Run) -> Found:
        """Return the metrics of the first pass, and `last_pass/...` of the last of several."""
        last = {f"{LAST_PASS}{n}": v for n, v in self._parts["last pass"].metrics().items()}
        every = self._parts["all"]
        return Found(every.metrics() | last, notes=tuple(dict.fromkeys(every.notes())))

    def state(self) -> Saved:
        """Return what was added so far."""
        parts: Saved = {name: meters.state() for name, meters in self._parts.items()}
        return parts | ({} if self._spans is None else {"spans": self._spans.state()})

    def load(self, saved: Saved) -> None:
        """Go on from what `state` of the same columns returned."""
        for name, meters in self._parts.items():
            meters.load(saved[name])
        if self._spans is not None:
            self._spans.load(saved["spans"])


def has_curve(name: str) -> bool:
    """Return whether a metric of a further column has a learning curve."""
    found = find(METRICS, name)
    return found is not None and found.curve
