"""What a trained pipeline looks like inside, taken once, at the end of a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from htmrun.backends.fixed_point import DUTY_ONE, PERMANENCE_ONE
from htmrun.components.stages import MemoryStage, PoolerStage
from htmrun.training.measures.measure import (
    Due,
    Found,
    Measure,
    Metric,
    Metrics,
    Model,
    Run,
    Saved,
)
from htmrun.training.measures.prequential import Prequential

PERMANENCE_BINS = 50
"""Bins of equal width between permanences 0 and 1; the last one holds 1 as well."""

MOST_COLUMNS = 1 << 16
"""Of larger layers no figure of each column is kept."""

_ROWS_AT_ONCE = 1 << 22
_GROWING = ("sample", "segments", "synapses", "segments_created", "segments_destroyed")

Arrays = dict[str, np.ndarray]


class Inside(Measure):
    """How segments and synapses grow, and what the stages are like in the end."""

    metrics: ClassVar = (
        Metric("{pooler}/boost_{p05,p50,p95}", "learning", "none", "quantiles of the boost factors "
               "at the end; 1 is neutral"),
        Metric("{memory}/{segments,synapses}", "learning", "none", "how many there are at the end"),
        Metric("{memory}/events_dropped", "learning", "none", "learning events whose segment was "
               "gone at the commit"),
        Metric("{memory}/{segments,synapses}_{created,destroyed,evicted}", "cost", "none", "how "
               "many came and went"),
    )  # fmt: skip
    order = 60

    def begin(self, run: Run) -> None:
        """Start without counts."""
        self._counts: dict[str, list[float]] = {}

    def look(self, run: Run, due: Due) -> Metrics:
        """Take down how many segments and synapses there are."""
        for stage in run.pipeline.stages if due.curve else ():
            if isinstance(stage, MemoryStage):
                counters = stage.model.counters()
                for name, n in (("sample", run.sample), *counters.items()):
                    if name in _GROWING:
                        self._counts.setdefault(f"{stage.name}/growth/{name}", []).append(float(n))
        return {}

    def finish(self, run: Run) -> Found:
        """Return boost factors and counters; `portrait` and what was counted on the way."""
        metrics: Metrics = {}
        for stage in run.pipeline.stages:
            if isinstance(stage, PoolerStage):
                quantiles = np.quantile(run.state[f"{stage.name}/boost"], (0.05, 0.5, 0.95))
                for name, value in zip(("p05", "p50", "p95"), quantiles, strict=True):
                    metrics[f"{stage.name}/boost_{name}"] = float(value)
            if isinstance(stage, MemoryStage):
                counters = stage.model.counters()
                metrics |= {f"{stage.name}/{name}": float(n) for name, n in counters.items()}
        won = run.measure(Prequential).activity()
        grown = {name: np.array(values) for name, values in self._counts.items()}
        return Found(metrics, portrait(run.pipeline, run.state, won) | grown)

    def state(self) -> Saved:
        """Return what was counted so far."""
        return dict(self._counts)

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned."""
        self._counts = saved


def portrait(
    pipeline: Model, state: Mapping[str, np.ndarray], activity: Mapping[str, np.ndarray]
) -> Arrays:
    """Return arrays named STAGE/WHAT; `activity` is how often each pooler's columns won.

    permanences: int64 (50,), potential synapses by permanence; duty, boost, activity: float32
    (columns,), active duty cycle, boost factor, share of the last fifth of the samples that the
    column won; shape: int64, the columns' grid; of a temporal memory permanences, and
    segments_per_cell: int64, cells with 0, 1, ... segments.
    """
    found: Arrays = {}
    for stage in pipeline.stages:
        if isinstance(stage, PoolerStage):
            found |= _pooler(stage, state, activity.get(stage.name))
        elif isinstance(stage, MemoryStage):
            found |= _memory(stage, state)
    return found


def _pooler(
    stage: PoolerStage, state: Mapping[str, np.ndarray], activity: np.ndarray | None
) -> Arrays:
    name = stage.name
    found: Arrays = {f"{name}/permanences": histogram(state[f"{name}/permanences"])}
    if stage.columns > MOST_COLUMNS:
        return found
    duty = state[f"{name}/active_duty"].astype(np.float64) / DUTY_ONE
    found |= {
        f"{name}/duty": duty.astype(np.float32),
        f"{name}/boost": state[f"{name}/boost"].astype(np.float32),
        f"{name}/shape": np.array(stage.shape or (stage.columns,), np.int64),
    }
    if activity is not None:
        found[f"{name}/activity"] = activity.astype(np.float32)
    return found


def _memory(stage: MemoryStage, state: Mapping[str, np.ndarray]) -> Arrays:
    name = stage.name
    cells = stage.columns * stage.cells_per_column
    owned = np.unique(state[f"{name}/segment_cell"], return_counts=True)[1]
    segments = np.bincount(owned, minlength=1)
    segments[0] = cells - len(owned)
    return {
        f"{name}/permanences": histogram(state[f"{name}/synapse_permanence"]),
        f"{name}/segments_per_cell": segments.astype(np.int64),
    }


def histogram(permanences: npt.NDArray[np.int16]) -> npt.NDArray[np.int64]:
    """Return how many permanences (int16, any shape) lie in each of 50 bins; -1 is left out."""
    flat = permanences.reshape(-1)
    counts = np.zeros(PERMANENCE_ONE + 2, np.int64)
    for start in range(0, len(flat), _ROWS_AT_ONCE):
        counts += np.bincount(flat[start : start + _ROWS_AT_ONCE] + 1, minlength=len(counts))
    inside = counts[1:]
    inside[-2] += inside[-1]
    return inside[:-1].reshape(PERMANENCE_BINS, -1).sum(1)
