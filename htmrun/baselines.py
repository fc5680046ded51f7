"""Forecasts without learning: what a figure has to beat."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from htmrun.backends.state import state_hash
from htmrun.data import Source
from htmrun.metrics import ForecastMeter
from htmrun.records import Finished, Job, Progress, Record, Started
from htmrun.trainer import CHUNK, StopRequestedError

WEEK, DAY, YEAR = 7 * 86_400.0, 86_400.0, 365.2425 * 86_400.0
"""Seconds."""


def season(step: float) -> int:
    """Return the samples in a season, for samples `step` seconds apart.

    A week where several samples make a day, otherwise a year.
    """
    return max(1, round((WEEK if step < DAY else YEAR) / step))


def forecast(
    job: Job, source: Source, horizons: Sequence[int], period: int | None, samples: int,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Record]:  # fmt: skip
    """Score persistence (`period` None) or the value a season ago, at each horizon.

    Persistence forecasts sample t by sample t - h. Seasonal forecasts it by the latest sample a
    whole number of periods back that was known h samples before.
    """
    begun = time.perf_counter()
    yield Started(job, samples)
    values, scored = [np.zeros(0)], [np.zeros(0, np.bool_)]
    for chunk in source.train(job.seed, 0, CHUNK):
        if stop():
            raise StopRequestedError
        values.append(np.asarray(chunk.target, np.float64))
        scored.append(chunk.scored != 0)
    y, counts = np.concatenate(values), np.concatenate(scored)
    figures: dict[str, float] = {}
    for h in sorted(horizons):
        lag = h if period is None else period * -(-h // period)
        meter = ForecastMeter()
        if lag < len(y):
            use = counts[lag:] if lag else counts
            meter.add_values(y[: len(y) - lag][use], y[lag:][use])
        found = meter.figures()
        figures |= {f"{name}_{h}": value for name, value in found.items()}
        if "mape" in found:
            figures["mape"] = found["mape"]
    seconds = time.perf_counter() - begun
    rate = len(y) / max(seconds, 1e-9)
    yield Progress(job, len(y), 0, {f"prequential/{n}": v for n, v in figures.items()}, rate)
    figures |= {"samples_per_s": rate, "samples": float(len(y))}
    yield Finished(job, figures, state_hash({}), seconds)
