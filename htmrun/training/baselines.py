"""Forecasts without learning: what a figure has to beat."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from htmrun.backends.state import state_hash
from htmrun.components.classifiers.horizons import ages
from htmrun.components.sources import Source
from htmrun.errors import StopRequestedError
from htmrun.training.measures.meters import Figures, ForecastMeter
from htmrun.training.measures.prequential import MOST_LOSSES, points
from htmrun.training.measures.registry import RECENT, has_curve
from htmrun.training.records import Finished, Job, Progress, Record, Started
from htmrun.training.trainer import CHUNK

WEEK, DAY, YEAR = 7 * 86_400.0, 86_400.0, 365.2425 * 86_400.0
"""Seconds."""


def season(step: float) -> int:
    """Return the samples in a season, for samples `step` seconds apart.

    A week where several samples make a day, otherwise a year.
    """
    return max(1, round((WEEK if step < DAY else YEAR) / step))


def forecast(
    job: Job, source: Source, horizons: Sequence[int], period: int | None, samples: int,
    curve_points: int, stop: Callable[[], bool] = lambda: False,
) -> Iterator[Record]:  # fmt: skip
    """Score persistence (`period` None) or the value a season ago, at each horizon.

    Persistence forecasts sample t by sample t - h. Seasonal forecasts it by the latest sample a
    whole number of periods back that was known h samples before. No forecast reaches across a
    reset, as in the arms.
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
    age = np.where(np.concatenate(scored), ages(np.concatenate(starts), 0), -1)
    lags = {h: h if period is None else period * -(-h // period) for h in sorted(horizons)}
    figures = _figures(y, age, lags, 0, len(y))
    seconds = time.perf_counter() - begun
    rate = len(y) / max(seconds, 1e-9)
    for start, end in pairwise(points(len(y), curve_points)):
        recent = _figures(y, age, lags, start, end)
        recent = {f"{RECENT}{name}": value for name, value in recent.items() if has_curve(name)}
        if recent:
            yield Progress(job, end, 0, recent, rate)
    figures |= {"samples_per_s": rate, "samples": float(len(y))}
    yield Finished(job, figures, state_hash({}), seconds, _losses(y, age, lags))


def _losses(
    y: npt.NDArray[np.float64], age: npt.NDArray[np.int64], lags: dict[int, int]
) -> dict[str, np.ndarray]:
    """Return the squared error of every sample at each horizon, as a scoreboard does."""
    found: dict[str, np.ndarray] = {}
    for h, lag in lags.items() if len(y) <= MOST_LOSSES else ():
        errors = np.full(len(y), np.nan, np.float32)
        errors[lag:] = np.where(age[lag:] >= lag, (y[lag:] - y[: len(y) - lag]) ** 2, np.nan)
        found[f"loss/{h}"] = errors
    return found


def _figures(
    y: npt.NDArray[np.float64], age: npt.NDArray[np.int64], lags: dict[int, int], start: int,
    end: int,
) -> Figures:  # fmt: skip
    """Return the errors at each horizon over the samples start..end.

    `age`: samples of the same sequence before each sample, -1 where it does not count.
    """
    figures: Figures = {}
    for h, lag in lags.items():
        meter, first = ForecastMeter(), max(start, lag)
        if first < end:
            use = age[first:end] >= lag
            meter.add_values(y[first - lag : end - lag][use], y[first:end][use])
        found = meter.figures()
        figures |= {f"{name}_{h}": value for name, value in found.items()}
        if "mape" in found:
            figures["mape"] = found["mape"]
    return figures
