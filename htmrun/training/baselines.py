"""Forecasts without learning: what a metric has to beat."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from htmrun.backends.state import state_hash
from htmrun.components.classifiers.horizons import ages
from htmrun.components.controls import Control, Values
from htmrun.components.sources import Source
from htmrun.errors import StopRequestedError
from htmrun.training.measures.measure import RATE, RECENT, Metrics
from htmrun.training.measures.meters import ForecastMeter
from htmrun.training.measures.prequential import MOST_LOSSES, has_curve
from htmrun.training.records import Finished, Job, Progress, Record, Started
from htmrun.training.schedule import points
from htmrun.training.trainer import CHUNK


def forecast(
    job: Job, source: Source, horizons: Sequence[int], control: Control, samples: int,
    curve_points: int, stop: Callable[[], bool] = lambda: False,
) -> Iterator[Record]:  # fmt: skip
    """Score the forecasts of `control` at each horizon.

    No forecast reaches across a reset, as in the arms.
    """
    begun = time.perf_counter()
    yield Started(job, samples)
    values, scored, starts = [np.zeros(0)], [np.zeros(0, np.bool_)], [np.zeros(0, np.uint8)]
    for chunk in source.train(job.seed, 0, CHUNK):
        if stop():
            raise StopRequestedError
        values.append(np.asarray(chunk.target, np.float64))
        scored.append(chunk.scored != 0)
        starts.append(chunk.reset)
    y = np.concatenate(values)
    age, counts = ages(np.concatenate(starts), 0), np.concatenate(scored)
    made = {h: np.where(counts, control.forecast(y, age, h), np.nan) for h in sorted(horizons)}
    metrics = _metrics(y, made, 0, len(y))
    seconds = time.perf_counter() - begun
    rate = len(y) / max(seconds, 1e-9)
    for start, end in pairwise(points(len(y), curve_points)):
        recent = _metrics(y, made, start, end)
        recent = {f"{RECENT}{name}": value for name, value in recent.items() if has_curve(name)}
        if recent:
            yield Progress(job, end, 0, recent, rate)
    metrics |= {RATE: rate, "samples": float(len(y))}
    yield Finished(job, metrics, state_hash({}), seconds, _losses(y, made))


def _losses(y: Values, made: Mapping[int, Values]) -> dict[str, np.ndarray]:
    """Return the squared error of every sample at each horizon, as `Prequential` does."""
    if len(y) > MOST_LOSSES:
        return {}
    return {f"loss/{h}": ((y - values) ** 2).astype(np.float32) for h, values in made.items()}


def _metrics(y: Values, made: Mapping[int, Values], start: int, end: int) -> Metrics:
    """Return the errors at each horizon over the samples start..end, where there are forecasts."""
    metrics: Metrics = {}
    for h, values in made.items():
        meter, use = ForecastMeter(), ~np.isnan(values[start:end])
        meter.add_values(values[start:end][use], y[start:end][use])
        metrics |= {f"{name}_{h}": value for name, value in meter.metrics().items()}
    return metrics
