"""Series to forecast, with and without dates, gaps and resets."""

from __future__ import annotations

from typing import Any

import numpy as np

from htmrun.components import registry
from htmrun.components.controls import Control, Series
from htmrun.components.sources.steps import usual_step

HOUR = np.timedelta64(3600, "s")


def series(
    values: Any, *, resets: Any = (0,), missing: Any = (), gone: Any = (), dated: bool = True,
    start: str = "2024-01-01T00", every: np.timedelta64 = HOUR,
) -> Series:  # fmt: skip
    """Return values of one hour each; `missing` ones are filled in, those `gone` have no row."""
    rows = np.setdiff1d(np.arange(len(values)), gone)
    given = np.asarray(values, np.float64)
    known = ~np.isin(rows, missing)
    filled = given[rows][np.maximum.accumulate(np.where(known, np.arange(len(rows)), 0))]
    reset = np.isin(rows, resets)
    begun = np.maximum.accumulate(np.where(reset, np.arange(len(rows)), 0))
    age = np.arange(len(rows)) - begun
    if not dated:
        return Series(filled, known, age)
    times = np.datetime64(start, "s") + rows * every
    return Series(filled, known, age, times, usual_step(times, age > 0))


def cut(whole: Series, stop: int) -> Series:
    """Return the first `stop` samples."""
    times = None if whole.times is None else whole.times[:stop]
    return Series(
        whole.values[:stop], whole.known[:stop], whole.age[:stop], times, whole.step
    )  # fmt: skip


def control(baseline: str, **fields: Any) -> Control:
    """Return a control of a kind."""
    kind = registry.kinds("control")[baseline]
    made: Control = kind.component(kind.parameters(**fields), None, "control.x")
    return made


def wave(count: int, seed: int = 0) -> np.ndarray:
    """Return values with a day of 24, a level that drifts, and noise."""
    random = np.random.default_rng(seed)
    t = np.arange(count)
    walk = np.cumsum(random.normal(0, 0.1, count))
    return np.round(20 + 5 * np.sin(2 * np.pi * t / 24) + walk + random.normal(0, 0.5, count), 3)
