"""Metrics of one job while it trains: prequential scores and the stages' activity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from htmrun.backends.plan import Plan
from htmrun.components.pipeline import Outcome, Pipeline
from htmrun.components.registry import register
from htmrun.components.sources import Chunk, Task
from htmrun.training.measures.measure import (
    LAST_PASS,
    LATER,
    RECENT,
    Alarm,
    Due,
    Found,
    Measure,
    Metric,
    Metrics,
    Run,
    Saved,
    find,
)
from htmrun.training.measures.meters import (
    ActivityMeter,
    BucketForecastMeter,
    CellMeter,
    ClassificationMeter,
    Meter,
)
from htmrun.training.measures.spans import Spans

Flags = npt.NDArray[np.bool_]

MOST_LOSSES = 1_000_000
"""Samples of a stream up to which losses and anomaly scores are kept one by one: 4 MB each."""

TAIL = 0.8
"""Final metrics of sequences and of activity are taken from this share of the samples on."""

METRICS = (
    Metric("accuracy", "task", "up", "share of right answers: on held-out samples, or, where a "
           "sequence is learned without such, over the last fifth of it", "share correct",
           curve=True, main=("classification", "sequence")),
    Metric("prequential/accuracy", "task", "up", "share of right answers while learning, each "
           "given before the sample is learned, over all training samples", "share correct",
           main=("classification", "sequence")),
    Metric("rmse_{h}", "task", "down", "root mean squared error of the forecast so many samples "
           "ahead", "the value's unit", curve=True, main=("forecast",)),
    Metric("mape_{last}", "task", "down", "sum of absolute errors over sum of absolute values, of "
           "the forecast so many samples ahead; it says little where values lie around 0 or very "
           "far from it: believe nrmse there", "share", "Cui et al. 2016", curve=True,
           main=("forecast",)),
    Metric("nll_{last}", "task", "down", "negative log-likelihood of what came so many samples "
           "ahead, of a value: of its bucket", "nats", curve=True, main=("forecast",)),
    Metric("nll", "task", "down", "negative log-likelihood of what came", "nats", curve=True),
    Metric("macro_f1", "task", "up", "F1, mean over classes", "share"),
    Metric("calibration_error", "task", "down", "gap between confidence and accuracy over 15 bins",
           "share", "Guo et al. 2017"),
    Metric("mae_{h}", "task", "down", "mean absolute error of the forecast so many samples ahead",
           "the value's unit"),
    Metric("nrmse_{h}", "task", "down", "RMSE over the standard deviation of the values; 1 is no "
           "better than their mean", source="Cui et al. 2016"),
    Metric("last_pass/rmse_{h}", "task", "down", "the same over the last of several passes "
           "(`epochs`) over one stream, of values that were learned before: no forecast of "
           "something new. Every other metric of that pass has this name before it, too",
           "the value's unit"),
    Metric("scored_{h}", "cost", "none", "forecasts so many samples ahead that were scored: not "
           "those of values that were filled in, nor before the first that could be made",
           "samples"),
    Metric("{stage}/sparsity", "representation", "none", "mean share of columns that win, or of "
           "units that are active", "share"),
    Metric("{stage}/entropy", "representation", "up", "mean binary entropy of how often a column "
           "wins", "bits", "Cui et al. 2017", curve=True),
    Metric("{stage}/dead_{columns,units}", "representation", "down", "columns or units that were "
           "never active", "share", curve=True,
           alarm=Alarm(0.5, "most of them were not active once in the last fifth of the samples; "
                       "boosting, or fewer of them, puts them to use")),
    Metric("{stage}/activity_{p05,p50,p95}", "representation", "none", "quantiles of how often "
           "columns win", "share", "Cui et al. 2017"),
    Metric("{memory}/predicted", "representation", "up", "share of the active columns that the "
           "temporal memory had predicted; 1 minus the anomaly score", "share",
           "Hawkins, Ahmad 2016", curve=True, main=("sequence", "anomaly")),
    Metric("{memory}/bursting", "representation", "down", "active columns that had not been "
           "predicted", "share", curve=True),
    Metric("{memory}/specificity", "representation", "up", "predicted columns that came", "share"),
)  # fmt: skip


def has_curve(name: str) -> bool:
    """Return whether one of these metrics has a learning curve."""
    found = find(METRICS, name)
    return found is not None and found.curve


class Meters:
    """Meters of one stretch of samples: one per horizon, one per learning stage."""

    def __init__(self, task: Task, pipeline: Pipeline, *, keep_losses: bool = False) -> None:
        self._task, asked = task, pipeline.readout.targets
        self.scores: dict[int, Meter] = {
            h: BucketForecastMeter(asked.estimate, keep_losses)
            if asked.buckets
            else ClassificationMeter(asked.classes, keep_losses)
            for h in asked.horizons
        }
        self.columns = {s.name: ActivityMeter(s.columns) for s in pipeline.stages if s.competes}
        self.cells = {s.name: CellMeter() for s in pipeline.stages if s.predicts}

    def add(
        self, chunk: Chunk, outcome: Outcome, pipeline: Pipeline, due: Mapping[int, Flags]
    ) -> None:
        """Add what the pipeline said of a chunk; due: by horizon what may count, where not all."""
        scored = chunk.scored != 0
        for scores in outcome.scores:
            counts = scored & due.get(scores.horizon, True)
            self.scores[scores.horizon].add(scores, chunk.target, counts)
        for name, meter in self.columns.items():
            meter.add(outcome.activity[name])
        for stage in pipeline.stages:
            cells = stage.cells
            if cells is not None:
                self.cells[stage.name].add(
                    cells.hits, cells.bursting, stage.active_columns, cells.predicted.total
                )

    def task_metrics(self) -> Metrics:
        """Return task metrics; forecasts carry their horizon: `rmse_5`."""
        out: Metrics = {}
        for horizon, meter in self.scores.items():
            metrics = meter.metrics()
            if self._task == "forecast":
                out |= {f"{name}_{horizon}": value for name, value in metrics.items()}
            elif len(self.scores) == 1:
                out |= metrics
            elif horizon == min(self.scores):
                out |= metrics  # The least horizon has the plain name, and no other.
            else:
                out |= {f"{name}_{horizon}": value for name, value in metrics.items()}
        return out

    def notes(self) -> tuple[str, ...]:
        """Return what to know beside the task metrics."""
        return tuple(dict.fromkeys(note for m in self.scores.values() for note in m.notes()))

    def stage_metrics(self, curves: bool = False) -> Metrics:
        """Return the stages' metrics, `STAGE/METRIC`; `curves`: those with a curve will do."""
        columns = {s: m.curves() if curves else m.metrics() for s, m in self.columns.items()}
        named = columns | {s: meter.metrics() for s, meter in self.cells.items()}
        return {f"{stage}/{n}": v for stage, found in named.items() for n, v in found.items()}

    def state(self) -> Saved:
        """Return what was added so far."""
        return {name: meter.state() for name, meter in self._named().items()}

    def load(self, saved: Saved) -> None:
        """Go on from what `state` of the same meters returned."""
        for name, meter in self._named().items():
            meter.load(saved[name])

    def _named(self) -> dict[str, Meter | ActivityMeter | CellMeter]:
        scores = {f"scores of {horizon}": meter for horizon, meter in self.scores.items()}
        return {**scores, **self.columns, **self.cells}


@register("measure")
class Prequential(Measure):
    """Scores of predictions made before each sample is learned, and how the stages are used.

    Since the last curve point, over the tail, and over all samples. Of several passes over one
    stream that is the first; what the last one scores is named as such.
    """

    metrics: ClassVar = METRICS
    order = 10

    def begin(self, run: Run) -> None:
        """Start with empty meters."""
        self._run = run
        self._first_pass = run.total // run.passes
        self.tail_start = int(self._first_pass * TAIL)
        # Images come in another order with every seed: their losses are no stream.
        keep = run.source.task != "classification" and self._first_pass <= MOST_LOSSES
        self._parts = {
            "interval": self._meters(),
            "tail": self._meters(),
            "all": self._meters(keep_losses=keep),
        }
        if run.passes > 1:
            self._parts |= {"last pass": self._meters(), "last tail": self._meters()}
        self._spans = Spans.of(run.source, run.pipeline.readout.targets.horizons)

    def _meters(self, keep_losses: bool = False) -> Meters:
        return Meters(self._run.source.task, self._run.pipeline, keep_losses=keep_losses)

    def cuts(self) -> tuple[int, ...]:
        """Return where the tail begins, in the first pass and in the last."""
        before = self._run.total - self._first_pass
        return tuple(sorted({self.tail_start, before + self.tail_start}))

    def chunk(self, run: Run, chunk: Chunk, plan: Plan, outcome: Outcome) -> None:
        """Add what was predicted of a piece."""
        due: Mapping[int, Flags] = {}
        if self._spans is not None:
            due = self._spans.due(chunk.fields["timestamp"], chunk.reset)
        for name in self._stretches(run):
            self._parts[name].add(chunk, outcome, run.pipeline, due)

    def _stretches(self, run: Run) -> Iterator[str]:
        """Yield the names of the meters that the piece before `run.sample` belongs to."""
        yield "interval"
        if run.sample <= self._first_pass:
            yield "all"
            if run.sample > self.tail_start:
                yield "tail"
        before = run.total - self._first_pass
        if run.passes > 1 and run.sample > before:
            yield "last pass"
            if run.sample > before + self.tail_start:
                yield "last tail"

    def look(self, run: Run, due: Due) -> Metrics:
        """Return the metrics that have a curve, since the last curve point, and start anew."""
        if not due.curve:
            return {}
        done, self._parts["interval"] = self._parts["interval"], self._meters()
        found = done.task_metrics() | done.stage_metrics(curves=True)
        stretch = RECENT if run.sample <= self._first_pass else LATER
        return {f"{stretch}{name}": value for name, value in found.items() if has_curve(name)}

    def losses(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the loss of every sample in the order of the stream, `loss/HORIZON`: float32.

        Squared error of a forecast, 1 for a wrong and 0 for a right guess; NaN where nothing was
        scored. Empty for held-out tasks and for streams of more than a million samples.
        """
        kept = {h: meter.losses() for h, meter in self._parts["all"].scores.items()}
        return {f"loss/{h}": values for h, values in kept.items() if values is not None}

    def activity(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return, by pooler, the share of the last fifth of the samples that each column won."""
        tail = self._parts.get("last tail", self._parts["tail"])
        return {name: meter.frequency for name, meter in tail.columns.items()}

    def finish(self, run: Run) -> Found:
        """Return the prequential metrics, and losses sample by sample.

        Forecasts: over all scored samples. Sequences: `accuracy` and the rest over the last fifth,
        `prequential/...` over all. Classification: `prequential/...` over all. All of the first
        pass over a stream; `last_pass/...` of the last.
        """
        everything, tail = self._parts["all"].task_metrics(), self._parts["tail"].task_metrics()
        out = {f"prequential/{name}": value for name, value in everything.items()}
        if run.source.task == "forecast":
            out |= everything | {f"tail/{name}": value for name, value in tail.items()}
        elif run.source.task == "sequence":
            out |= tail
        out |= self._parts["tail"].stage_metrics() | self._last_pass()
        return Found(out, self.losses(), self._parts["all"].notes())

    def _last_pass(self) -> Metrics:
        if "last pass" not in self._parts:
            return {}
        found = self._parts["last pass"].task_metrics() | self._parts["last tail"].stage_metrics()
        return {f"{LAST_PASS}{name}": value for name, value in found.items()}

    def state(self) -> Saved:
        """Return what was added so far."""
        parts = {name: meters.state() for name, meters in self._parts.items()}
        return parts | ({} if self._spans is None else {"spans": self._spans.state()})

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned of the same job."""
        for name, meters in self._parts.items():
            meters.load(saved[name])
        if self._spans is not None:
            self._spans.load(saved["spans"])
