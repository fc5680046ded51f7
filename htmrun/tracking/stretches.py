"""What is drawn of the series of one job: its end, its errors over time, when it alerted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from htmrun.tracking.forecasts import Table
from htmrun.training.measures.anomaly import log_scale

Values = npt.NDArray[np.float64]

SHOWN = 240
"""Rows of the stretch that is drawn: ten days of hours, twenty years of months."""
POINTS = 150
"""Points of an error over time."""
PIECES = 600
"""Pieces that a whole series is cut into."""
_LEAST_WINDOW = 20


@dataclass(frozen=True)
class Stretch:
    """The last rows: when (or row numbers), and beside each value what was forecast of it.

    low, high: ends of the 90 % interval, None where there is none.
    """

    x: np.ndarray
    value: Values
    forecast: Values
    low: Values | None
    high: Values | None


@dataclass(frozen=True)
class Errors:
    """Root of the mean square of the last `window` errors, at some of the rows."""

    x: np.ndarray
    rms: Values
    window: int


@dataclass(frozen=True)
class Timeline:
    """A whole series in pieces: lowest and highest value, highest log-likelihood.

    x: when each begins. alerts: when. windows (n, 2): when labelled ones begin and end.
    """

    x: np.ndarray
    low: Values
    high: Values
    unusual: Values
    alerts: np.ndarray
    windows: np.ndarray


@dataclass(frozen=True)
class Glimpse:
    """What is drawn of a job, by horizon; `rms`: over all its errors."""

    rms: dict[int, float] = field(default_factory=dict)
    errors: dict[int, Errors] = field(default_factory=dict)
    stretches: dict[int, Stretch] = field(default_factory=dict)
    timeline: Timeline | None = None


Glimpses = Mapping[str, Mapping[int, Glimpse]]
"""By arm and seed."""


def glimpse(series: Mapping[str, np.ndarray], table: Table) -> Glimpse | None:
    """Return what is drawn of a job with these arrays and this table, each of which may be empty.

    None where nothing was said of its rows.
    """
    losses = {int(n[5:]): a for n, a in series.items() if n.startswith("loss/") and len(a)}
    # A further column has its name behind a slash.
    made = sorted(int(n[9:]) for n in table if n.startswith("forecast_") and "/" not in n)
    if not made and "likelihood" not in table:  # Losses alone may be those of symbols.
        return None
    x = axis(table)
    errors = {h: errors_of(loss, x) for h, loss in losses.items() if len(loss) == len(x)}
    return Glimpse(
        {h: float(np.sqrt(np.nanmean(losses[h]))) for h in errors if np.isfinite(losses[h]).any()},
        errors,
        {h: stretch(table, h) for h in made},
        timeline(table) if "likelihood" in table else None,
    )


def axis(table: Table) -> np.ndarray:
    """Return when each row is, datetime64[ms] (T,); row numbers where times lack or go back."""
    rows = len(table["value"])
    times = table.get("time", np.zeros(0)).astype("datetime64[ms]")
    if len(times) == rows and (np.diff(times) >= np.timedelta64(0)).all():
        return times
    return np.arange(rows)


def stretch(table: Table, h: int, rows: int = SHOWN) -> Stretch:
    """Return the last rows, each with what was forecast of it h rows before."""

    def due(name: str) -> Values | None:
        if name not in table:
            return None
        late = np.concatenate([np.full(min(h, len(table[name])), np.nan), table[name][:-h]])
        return late[-rows:]

    forecast = due(f"forecast_{h}")
    assert forecast is not None
    return Stretch(
        axis(table)[-rows:], table["value"][-rows:], forecast, due(f"low_{h}"), due(f"high_{h}")
    )


def errors_of(losses: npt.NDArray[np.float32], x: np.ndarray) -> Errors:
    """Return the error over time of squared errors (T,), NaN where none was scored."""
    window = max(_LEAST_WINDOW, len(losses) // 50)
    known = np.isfinite(losses)
    sums, counts = (
        np.concatenate([[0], np.cumsum(a)])
        for a in (np.where(known, losses, 0).astype(np.float64), known)
    )
    ends = np.unique(np.linspace(min(window, len(x)), len(x), POINTS).astype(int))
    begins = np.maximum(ends - window, 0)
    count = counts[ends] - counts[begins]
    total = np.maximum(sums[ends] - sums[begins], 0)
    rms = np.full(len(ends), np.nan)
    enough = count >= window / 2
    rms[enough] = np.sqrt(total[enough] / count[enough])
    return Errors(x[ends - 1], rms, window)


def timeline(table: Table) -> Timeline:
    """Return the whole series in at most 600 pieces."""
    x, value, unusual = axis(table), table["value"], log_scale(table["likelihood"])
    starts = np.unique(np.linspace(0, len(x), min(PIECES, len(x)), endpoint=False).astype(int))
    alerts = np.flatnonzero(table["alert"])
    marked = np.array(windows(table), np.int64).reshape(-1, 2)
    return Timeline(
        x[starts], np.fmin.reduceat(value, starts), np.fmax.reduceat(value, starts),
        np.maximum.reduceat(unusual, starts), x[alerts], x[marked],
    )  # fmt: skip


def windows(table: Table) -> list[list[int]]:
    """Return the first and last row of each labelled stretch; none without labels."""
    if "label" not in table:
        return []
    edges = np.diff((table["label"] != 0).astype(np.int8), prepend=0, append=0)
    return [
        [int(first), int(last) - 1]
        for first, last in zip(np.flatnonzero(edges > 0), np.flatnonzero(edges < 0), strict=True)
    ]


def best(found: Glimpses, names: Iterable[str], h: int, most: int) -> list[str]:
    """Return at most so many of the arms, those with the least mean error, in their own order."""
    arms = [arm for arm in names if found.get(arm)]

    def error(arm: str) -> float:
        known = [one.rms[h] for one in found[arm].values() if h in one.rms]
        return float(np.mean(known)) if known else np.inf

    chosen = sorted(arms, key=error)[:most]
    return [arm for arm in arms if arm in chosen]


def first_of(seeds: Mapping[int, Glimpse]) -> Glimpse:
    """Return the glimpse of the first seed."""
    return seeds[min(seeds)]


def horizons(found: Glimpses) -> list[int]:
    """Return the horizons that are drawn: the nearest and the farthest."""
    every = sorted({h for seeds in found.values() for one in seeds.values() for h in one.stretches})
    return sorted({every[0], every[-1]}) if every else []


def together(seeds: Sequence[Errors]) -> tuple[np.ndarray, Values]:
    """Return when, and the errors of all seeds (seeds, n) that go with the first one's times."""
    fitting = [one for one in seeds if len(one.x) == len(seeds[0].x)]
    return seeds[0].x, np.stack([one.rms for one in fitting])
