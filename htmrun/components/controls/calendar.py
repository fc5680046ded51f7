"""What a date tells a forecast: the time of day, the day of the week, the time of year."""

from __future__ import annotations

import numpy as np

from htmrun.components.controls import Values
from htmrun.components.sources.steps import DAY, Step, Times

WEEKDAYS = 7
FIRST_MONDAY = 4
"""The day of January 1970 that was one, counted from 0."""


def harmonics(phase: Values, count: int) -> Values:
    """Return sine and cosine of the first `count` multiples of a phase in turns, (T, 2 count)."""
    turns = 2 * np.pi * phase[:, None] * np.arange(1, count + 1)
    return np.concatenate([np.sin(turns), np.cos(turns)], axis=1)


def features(times: Times, step: Step | None, day: int, year: int) -> Values:
    """Return what the dates (T,) say, (T, features): harmonics, and a flag for each weekday.

    day, year: how many harmonics. Left out is what no step of the series resolves: the time of day
    where a step is half a day or more, weekdays where it is more than two days.
    """
    us = times.astype("datetime64[us]").astype(np.int64)
    found = [np.zeros((len(us), 0))]
    if step is not None and step.unit == "us" and step.count < 2 * DAY:
        if step.count < DAY // 2:
            found.append(harmonics(us % DAY / DAY, day))
        weekday = (us // DAY - FIRST_MONDAY) % WEEKDAYS
        found.append((weekday[:, None] == np.arange(WEEKDAYS)).astype(np.float64))
    first = times.astype("datetime64[Y]")
    length = (first + 1).astype("datetime64[us]").astype(np.int64)
    begin = first.astype("datetime64[us]").astype(np.int64)
    found.append(harmonics((us - begin) / (length - begin), year))
    return np.concatenate(found, axis=1)
