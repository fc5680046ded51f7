"""Forecasts without learning: what a metric has to beat."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from htmrun.backends.state import state_hash
from htmrun.components.classifiers.horizons import ages
from htmrun.components.controls import Control, Flags, Series, Values
from htmrun.components.likelihood import AnomalyParameters
from htmrun.components.sources import Source
from htmrun.components.sources.steps import step_of
from htmrun.errors import StopRequestedError
from htmrun.training.measures.anomalies import scores_of, verdict
from htmrun.training.measures.forecasts import too_large
from htmrun.training.measures.judge import Judge
from htmrun.training.measures.measure import RATE, RECENT, Metrics
from htmrun.training.measures.meters import ForecastMeter
from htmrun.training.measures.prequential import MOST_LOSSES, has_curve
from htmrun.training.measures.spans import Spans
from htmrun.training.records import Finished, Job, Progress, Record, Started
from htmrun.training.schedule import points
from htmrun.training.trainer import CHUNK

NO_LABELS = ", and without labels (data.labels, data.label) it has no figures here"


def forecast(
    job: Job, source: Source, horizons: Sequence[int], control: Control, samples: int,
    curve_points: int, stop: Callable[[], bool] = lambda: False, *, epochs: int = 1,
    keep: float = 0.0, anomaly: AnomalyParameters | None = None,
) -> Iterator[Record]:  # fmt: skip
    """Score the forecasts of `control` at each horizon, over the rows that count for the arms, too.

    No forecast reaches across a reset, as in the arms. Of several epochs it is the first. A control
    that forecasts nothing has no figures, but says why. keep: bytes up to which what was forecast
    at each row is handed over. anomaly: what its errors, or its scores, are judged by as anomalies,
    where these are asked for; else None.
    """
    begun = time.perf_counter()
    yield Started(job, samples)
    y, counts, series = _read(job, source, stop)
    longer = _longer(series, max(horizons, default=0))
    read_s = time.perf_counter() - begun
    every, made_s = _forecasts(control, longer, sorted(horizons))
    begun = time.perf_counter()
    made = _counting(every, counts, source, series)
    metrics, notes = _metrics(y, made, 0, len(y))
    seconds = read_s + made_s + time.perf_counter() - begun
    rate = len(y) / max(seconds, 1e-9)
    curve = points(len(y) * epochs, curve_points, len(y))
    for start, end in pairwise(point for point in curve if point <= len(y)):
        found, _ = _metrics(y, made, start, end)
        recent = {f"{RECENT}{name}": value for name, value in found.items() if has_curve(name)}
        if recent:
            yield Progress(job, end, 0, recent, rate)
    judged: dict[str, np.ndarray] = {}
    if not control.forecasts and horizons:
        notes = (f"{control.path}: it forecasts nothing{'' if anomaly else NO_LABELS}",)
    elif not metrics and not _says_anything(control, series):
        notes, anomaly = (f"{control.path}: left out, {control.lacking(series)}",), None
    if anomaly is not None:
        found, judged = _judged(control, series, counts, source, anomaly)
        metrics |= found
    metrics |= {RATE: rate, "samples": float(len(y))}
    kept, said = _table(y, series, every, keep)
    yield Finished(
        job, metrics, state_hash({}), seconds, _losses(y, made) | judged, notes=(*notes, *said),
        forecasts=kept,
    )  # fmt: skip


def figures(
    job: Job, source: Source, horizons: Sequence[int], control: Control,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[Metrics, tuple[str, ...]]:  # fmt: skip
    """Return the errors at each horizon over all rows that count, and what to know beside them."""
    y, counts, series = _read(job, source, stop)
    every, _ = _forecasts(control, series, sorted(horizons))
    metrics, notes = _metrics(y, _counting(every, counts, source, series), 0, len(y))
    lacking = f"{control.path}: left out, {control.lacking(series)}"
    return metrics, notes if metrics else (lacking,)


def _counting(
    every: Mapping[int, Values], counts: Flags, source: Source, series: Series
) -> dict[int, Values]:
    """Return forecasts by horizon (T,), NaN where they do not count."""
    spans = Spans.of(source, [*every])
    due = {}
    if spans is not None and series.times is not None:
        due = spans.due(series.times, (series.age == 0).astype(np.uint8))
    return {
        h: np.where(counts & due.get(h, True), values[: len(counts)], np.nan)
        for h, values in every.items()
    }


MADE: dict[bytes, tuple[dict[int, Values], float]] = {}
"""What was forecast last and the seconds that it took, by series and settings: controls have no
chance in them, so that the next seed asks for the same."""
MOST_MADE = 8


def _forecasts(
    control: Control, series: Series, horizons: Sequence[int]
) -> tuple[dict[int, Values], float]:
    """Return the forecasts (T,) by horizon, and the seconds in which they were made."""
    asked = hashlib.sha256(f"{type(control)} {control.parameters!r} {horizons}".encode())
    step = "" if series.step is None else repr(series.step)
    asked.update(f"{step} {None if series.times is None else series.times.dtype}".encode())
    for array in (series.values, series.known, series.age, series.times):
        asked.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    key = asked.digest()
    if key not in MADE:
        begun = time.perf_counter()
        every = {h: control.forecast(series, h) for h in horizons}
        made = every, time.perf_counter() - begun
        if len(series.values) > MOST_LOSSES:
            return made  # Not worth its memory.
        for old in list(MADE)[: max(0, len(MADE) + 1 - MOST_MADE)]:
            MADE.pop(old, None)
        MADE[key] = made
        return made
    return MADE[key]


def _read(job: Job, source: Source, stop: Callable[[], bool]) -> tuple[Values, Flags, Series]:
    """Return the values that came, NaN where none did, which count, and what controls see."""
    values, filled, scored = [np.zeros(0)], [np.zeros(0)], [np.zeros(0, np.bool_)]
    starts, times = [np.zeros(0, np.uint8)], []
    for chunk in source.train(job.seed, 0, CHUNK):
        if stop():
            raise StopRequestedError
        values.append(np.asarray(chunk.target, np.float64))
        filled.append(np.asarray(chunk.fields.get("value", chunk.target), np.float64))
        scored.append(chunk.scored != 0)
        starts.append(chunk.reset)
        if "timestamp" in chunk.fields:
            times.append(chunk.fields["timestamp"])
    y, given = np.concatenate(values), np.concatenate(filled)
    known, age = ~np.isnan(y), ages(np.concatenate(starts), 0)
    stamps = np.concatenate(times) if times else None
    step = None if stamps is None else step_of(source)
    series = Series(np.where(known, y, given), known, age, stamps, step)
    return y, np.concatenate(scored), series


def _says_anything(control: Control, series: Series) -> bool:
    return not control.forecasts or bool((~np.isnan(control.forecast(series, 1))).any())


def _judged(
    control: Control, series: Series, counts: Flags, source: Source, anomaly: AnomalyParameters
) -> tuple[Metrics, dict[str, np.ndarray]]:
    """Return figures and series of a control's anomaly scores, as `Anomalies` does of an arm's."""
    raw = control.score(series)
    judge = Judge(control.judged_by(anomaly), len(raw), source.windows)
    said = judge.add(raw, series.values)
    times = np.zeros(0, np.int64)
    if series.times is not None:
        times = series.times.astype("datetime64[us]").astype(np.int64)
    columns = {"raw": raw, **said._asdict(), "value": series.values, "time": times}
    unscored = int(counts.argmax()) if counts.any() else len(counts)
    found, more = verdict(judge, columns, max(judge.first, unscored), source.windows)
    return found, scores_of(columns) | more if len(raw) <= MOST_LOSSES else {}


def _table(
    y: Values, series: Series, every: Mapping[int, Values], limit: float
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return, by column, what was forecast at each row, and what to know of it.

    every: by horizon the forecast of each row, and of as many behind the last. Nothing is returned
    where it takes more than `limit` bytes.
    """
    size = 8 * len(y) * (2 + len(every))
    if not limit or size > limit:
        return {}, (too_large(size, limit),) if limit else ()
    times = {} if series.times is None else {"time": series.times.astype("datetime64[us]")}
    made = {f"forecast_{h}": values[h : h + len(y)].copy() for h, values in every.items()}
    return {**times, "value": y, **made}, ()


def _longer(series: Series, rows: int) -> Series:
    """Return the series with so many rows more, a usual step apart, whose values are not known.

    What is forecast of them is what is said at the last rows.
    """
    ahead, times = np.arange(1, rows + 1), series.times
    if not len(series.values):
        return series
    if times is not None:
        times = times.astype("datetime64[us]")
        ends = np.full(rows, times[-1])
        if series.step is not None:
            ends = series.step.after(times[-1], ahead)
        times = np.concatenate([times, ends])
    return Series(
        np.concatenate([series.values, np.repeat(series.values[-1:], rows)]),
        np.concatenate([series.known, np.zeros(rows, np.bool_)]),
        np.concatenate([series.age, series.age[-1:].sum() + ahead]), times, series.step,
    )  # fmt: skip


def _losses(y: Values, made: Mapping[int, Values]) -> dict[str, np.ndarray]:
    """Return the squared error of every sample at each horizon, as `Prequential` does."""
    if len(y) > MOST_LOSSES:
        return {}
    return {f"loss/{h}": ((y - values) ** 2).astype(np.float32) for h, values in made.items()}


def _metrics(
    y: Values, made: Mapping[int, Values], start: int, end: int
) -> tuple[Metrics, tuple[str, ...]]:
    """Return the errors at each horizon over the samples start..end, where there are forecasts.

    And what to know beside them.
    """
    metrics: Metrics = {}
    notes: dict[str, None] = {}
    for h, values in made.items():
        meter = ForecastMeter()
        meter.add_values(values[start:end], y[start:end])
        metrics |= {f"{name}_{h}": value for name, value in meter.metrics().items()}
        notes |= dict.fromkeys(meter.notes())
    return metrics, tuple(notes)
