"""The last values before each sample, and which of them have an outcome to learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from htmrun.components.controls import Flags, Rows, Series, Values


def windows(series: Series, lags: Sequence[int]) -> Values:
    """Return the values that each sample has behind it, (T, lags); NaN before its sequence.

    With dates that of lag j stood j usual steps earlier: the last that came by then, as persistence
    has it. Without dates it is that of j rows earlier.
    """
    count = len(series.values)
    rows = np.arange(count)
    begins = rows - series.age
    found = np.full((count, len(lags)), np.nan)
    for column, lag in enumerate(lags):
        earlier = rows - lag if series.step is None else _as_of(series, begins, lag)
        there = earlier >= begins
        found[there, column] = series.values[earlier[there]]
    return found


def _as_of(series: Series, begins: Rows, steps: int) -> Rows:
    """Return the last row of each row's sequence that stood `steps` usual steps before it.

    One before the sequence's first where there is none.
    """
    assert series.step is not None
    assert series.times is not None
    places, rows = series.step.places(series.times), np.arange(len(begins))
    found = begins - 1
    for start in np.flatnonzero(series.age == 0).tolist():
        stop = start + int(np.searchsorted(begins[start:], start, side="right"))
        # A row whose date goes back stands at the latest date before it.
        own = np.maximum.accumulate(places[start:stop])
        at = np.searchsorted(own, own - steps * series.step.count, side="right") - 1
        found[start:stop] = start + np.minimum(at, rows[: stop - start])
    return found


def outcomes(series: Series, horizon: int) -> tuple[Values, Flags]:
    """Return the value (T,) `horizon` rows after each sample, and where one came to learn from."""
    count = len(series.values)
    later, there = np.full(count, np.nan), np.zeros(count, np.bool_)
    rows = np.arange(max(0, count - horizon))
    later[rows] = series.values[rows + horizon]
    there[rows] = series.known[rows + horizon] & (series.age[rows + horizon] >= horizon)
    return later, there


def arrived(made: Values, series: Series, horizon: int) -> Values:
    """Return what was `made` at each sample (T,) in the row that it is of; NaN across a reset."""
    found = np.full(len(made), np.nan)
    found[horizon:] = made[: max(0, len(made) - horizon)]
    found[series.age < horizon] = np.nan
    return found
