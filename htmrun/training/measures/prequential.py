"""The figures of one job while it trains: prequential scores and the stages' activity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from htmrun.components.pipeline import Outcome, Pipeline
from htmrun.components.sources import Chunk, Task
from htmrun.training.measures.anomaly import AnomalyLikelihood
from htmrun.training.measures.drift import recovery
from htmrun.training.measures.meters import (
    ActivityMeter,
    BucketForecastMeter,
    CellMeter,
    ClassificationMeter,
    Figures,
    Meter,
)
from htmrun.training.measures.registry import RECENT, has_curve, main_curve

MOST_LOSSES = 1_000_000
"""Samples of a stream up to which losses and anomaly scores are kept one by one: 4 MB each."""

TAIL = 0.8
"""Final figures of sequences and of activity are taken from this share of the samples on."""


class Meters:
    """Meters of one stretch of samples: one per horizon, one per learning stage."""

    def __init__(self, task: Task, pipeline: Pipeline, *, keep_losses: bool = False) -> None:
        self._task, asked = task, pipeline.readout.targets
        self.scores: dict[int, Meter] = {
            h: BucketForecastMeter(asked.buckets, asked.estimate, keep_losses)
            if asked.buckets
            else ClassificationMeter(asked.classes, keep_losses)
            for h in asked.horizons
        }
        self.columns = {s.name: ActivityMeter(s.columns) for s in pipeline.stages if s.competes}
        self.cells = {s.name: CellMeter(keep_losses) for s in pipeline.stages if s.predicts}

    def add(self, chunk: Chunk, outcome: Outcome, pipeline: Pipeline) -> None:
        """Add what the pipeline said of a chunk."""
        scored = chunk.scored != 0
        for scores in outcome.scores:
            self.scores[scores.horizon].add(scores, chunk.target, scored)
        for name, meter in self.columns.items():
            meter.add(outcome.activity[name])
        for stage in pipeline.stages:
            cells = stage.cells
            if cells is not None:
                self.cells[stage.name].add(
                    cells.hits, cells.bursting, stage.active_columns, len(cells.predicted.indices)
                )

    def task_figures(self) -> Figures:
        """Return task figures; forecasts carry their horizon: `rmse_5`."""
        out: Figures = {}
        for horizon, meter in self.scores.items():
            figures = meter.figures()
            if self._task == "forecast":
                out |= {f"{name}_{horizon}": value for name, value in figures.items()}
                if "mape" in figures:
                    out["mape"] = figures["mape"]
            elif len(self.scores) == 1:
                out |= figures
            else:
                out |= {f"{name}_{horizon}": value for name, value in figures.items()}
                if horizon == min(self.scores):
                    out |= figures
        return out

    def stage_figures(self) -> Figures:
        """Return the stages' figures, named `STAGE/FIGURE`."""
        named: list[tuple[str, ActivityMeter | CellMeter]] = [
            *self.columns.items(),
            *self.cells.items(),
        ]
        return {f"{stage}/{n}": v for stage, meter in named for n, v in meter.figures().items()}


def points(samples: int, most: int) -> list[int]:
    """Return 0 and the samples after which a curve has its points, evenly spread."""
    places = np.linspace(0, samples, min(most, samples) + 1)
    return sorted({int(p) for p in places})


class Scoreboard:
    """Prequential figures since the last curve point, in the tail, and over all samples."""

    def __init__(self, task: Task, pipeline: Pipeline, total: int) -> None:
        self._arguments = (task, pipeline)
        self.task, self._pipeline, self._total = task, pipeline, total
        self.main_curve = main_curve(task, pipeline.readout.targets.horizons)
        self._interval, self._tail = (Meters(*self._arguments) for _ in range(2))
        # Images come in another order with every seed: their losses are no stream.
        keep = task != "classification" and total <= MOST_LOSSES
        self._all = Meters(*self._arguments, keep_losses=keep)

    @property
    def tail_start(self) -> int:
        """The sample from which the tail counts; chunks must be cut there."""
        return int(self._total * TAIL)

    def add(self, chunk: Chunk, outcome: Outcome, sample: int) -> None:
        """Add a chunk whose first sample is number `sample` of the job."""
        for meters in (self._interval, self._all):
            meters.add(chunk, outcome, self._pipeline)
        if sample >= self.tail_start:
            self._tail.add(chunk, outcome, self._pipeline)

    def state(self) -> tuple[Meters, Meters, Meters]:
        """Return what was added so far; `load` on another board goes on from it."""
        return self._interval, self._tail, self._all

    def load(self, state: tuple[Meters, Meters, Meters]) -> None:
        """Go on from what `state()` of a board of the same job returned."""
        self._interval, self._tail, self._all = state

    def interval(self) -> Figures:
        """Return the figures that have a curve, since the last call, and start anew."""
        done, self._interval = self._interval, Meters(*self._arguments)
        found = done.task_figures() | done.stage_figures()
        return {f"{RECENT}{name}": value for name, value in found.items() if has_curve(name)}

    def losses(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the loss of every sample in the order of the stream, `loss/HORIZON`: float32.

        Squared error of a forecast, 1 for a wrong and 0 for a right guess; NaN where nothing was
        scored. Empty for held-out tasks and for streams of more than a million samples.
        """
        kept = {h: meter.losses() for h, meter in self._all.scores.items()}
        return {f"loss/{h}": values for h, values in kept.items() if values is not None}

    def recovery(self, drift_at: int) -> Figures:
        """Return the figures of `recovery`, at the nearest horizon; empty where `losses` is."""
        series = self.losses()
        if not series:
            return {}
        nearest = series[f"loss/{min(self._all.scores)}"]
        return recovery(nearest, drift_at, forecast=self.task == "forecast")

    def anomalies(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the raw anomaly score of every sample and its likelihood, float32.

        Named `anomaly/raw` and `anomaly/likelihood`, of the last temporal memory; empty without
        one, and wherever `losses` is.
        """
        kept = [raw for m in self._all.cells.values() if (raw := m.anomalies()) is not None]
        if not kept:
            return {}
        likelihood = AnomalyLikelihood().add(kept[-1])
        series = {"raw": kept[-1], "likelihood": likelihood}
        return {f"anomaly/{name}": values.astype(np.float32) for name, values in series.items()}

    def activity(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return, by pooler, the share of the last fifth of the samples that each column won."""
        return {name: meter.frequency for name, meter in self._tail.columns.items()}

    def final(self) -> Figures:
        """Return the job's prequential figures.

        Forecasts: over all scored samples. Sequences: `accuracy` and the rest over the last fifth,
        `prequential/...` over all. Classification: `prequential/...` over all.
        """
        everything = self._all.task_figures()
        out = {f"prequential/{name}": value for name, value in everything.items()}
        if self.task == "forecast":
            out |= everything
            out |= {f"tail/{name}": value for name, value in self._tail.task_figures().items()}
        elif self.task == "sequence":
            out |= self._tail.task_figures()
        return out | self._tail.stage_figures()
