"""Seasonal exponential smoothing: a level, a slope and a season that follow the values."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from htmrun._imports import statsmodels
from htmrun.components.controls import Control, ControlParameters, Rows, Series, Values
from htmrun.components.controls.lags import arrived
from htmrun.components.registry import register

SHARE = 10
"""The first of so many parts of a series is what the rates are fitted on unless told."""
SEASONS = 3
"""Fewest seasons that they are fitted on: the first two make the first state."""


class SmoothingParameters(ControlParameters):
    """A forecast by seasonal exponential smoothing (Holt and Winters, additive)."""

    baseline: Literal["smoothing"] = Field(
        "smoothing", description="smoothing: level, slope and season, smoothed exponentially."
    )
    period: int | None = Field(
        None, ge=2,
        description="Usual steps in a season, without dates rows; null: a week, or a year where "
        "samples lie two days or more apart.",
    )  # fmt: skip
    trend: bool = Field(True, description="Whether there is a slope.")
    first: int | None = Field(
        None, ge=1,
        description="Usual steps at the start whose values the rates are fitted on, and of which "
        "nothing is forecast, two seasons or more; null: a tenth of the rows, but three seasons at "
        "least.",
    )  # fmt: skip


@dataclass(frozen=True)
class Rates:
    """How much of each error goes into the level, the slope and the season, 0 to 1."""

    level: float
    slope: float
    season: float


@dataclass
class State:
    """Level, slope per step, and the season's part of each of its steps (period,)."""

    level: float
    slope: float
    season: Values


@register("control", SmoothingParameters)
class Smoothing(Control):
    """Fits the rates on the first part of a series once, then runs forward."""

    parameters: SmoothingParameters

    def forecast(self, series: Series, horizon: int) -> Values:
        """Return level + slope + season at the step of the row that is forecast.

        A value that is missing, or a step without a row, moves the level by the slope and teaches
        nothing. Each sequence begins anew, and nothing is said of its first two seasons.
        """
        made = np.full(len(series.values), np.nan)
        period = self._period(series)
        if period is None:
            return made
        starts = np.append(np.flatnonzero(series.age == 0), len(made))
        rates: Rates | None = None
        for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            rows = slice(start, stop)
            steps = _steps(series, start, stop)
            begin = 2 * period
            if rates is None:
                begin = self._first(series, period)
                grid = _grid(series.values[rows], steps, begin) if begin >= 2 * period else None
                if grid is None:
                    continue
                rates = _fit(grid, period, self.parameters.trend)
            grid = _grid(series.values[rows], steps, 2 * period)
            if grid is not None:
                state = _begin(grid, period, self.parameters.trend)
                known = series.known[rows]
                made[rows] = _run(series.values[rows], known, steps, state, rates, begin, horizon)
        return arrived(made, series, horizon)

    def lacking(self, series: Series) -> str:
        """Return what its period is, and how much it takes."""
        period = self._period(series)
        if period is None and series.times is None:
            return f"there are no dates, and {self.path}.period is null, expected the rows of one"
        if period is None:
            return "no date is later than another, or a season is less than two of their steps"
        first, samples = self._first(series, period), int(series.age.max(initial=-1)) + 1
        if first < 2 * period:
            return f"{self.path}.first = {first} is less than two seasons of {period} steps"
        return (
            f"its rates are fitted on the first {first} steps (a season is {period}), and a "
            f"sequence has {samples} samples"
        )

    def _period(self, series: Series) -> int | None:
        """Return the steps in a season, 2 or more; None where there are none."""
        if self.parameters.period is not None:
            return None if series.times is not None and series.step is None else (
                self.parameters.period
            )  # fmt: skip
        if series.step is None:
            return None
        steps = round(series.step.season() / series.step.count)
        return steps if steps >= 2 else None

    def _first(self, series: Series, period: int) -> int:
        return self.parameters.first or max(SEASONS * period, len(series.values) // SHARE)


def _steps(series: Series, start: int, stop: int) -> Rows:
    """Return how many whole steps after the sequence's first each row stands, never going back."""
    if series.step is None or series.times is None:
        return np.arange(stop - start)
    places = series.step.places(series.times[start:stop])
    count = series.step.count
    return np.maximum.accumulate((places - places[0] + count // 2) // count)


def _grid(values: Values, steps: Rows, count: int) -> Values | None:
    """Return the first `count` steps, each with the last value by then; None if there are fewer."""
    if not len(steps) or steps[-1] < count:
        return None
    return values[np.searchsorted(steps, np.arange(count), side="right") - 1]


def _begin(grid: Values, period: int, trend: bool) -> State:
    """Return the state before the first step, from two seasons: their means and the first one."""
    first, second = grid[:period].mean(), grid[period : 2 * period].mean()
    slope = (second - first) / period if trend else 0.0
    straight = first + slope * (np.arange(period) - (period - 1) / 2)
    return State(straight[0] - slope, slope, grid[:period] - straight)


def _fit(grid: Values, period: int, trend: bool) -> Rates:
    """Return the rates with the least squared one-step errors over `grid`."""
    first = _begin(grid, period, trend)
    model = statsmodels.tsa.holtwinters.ExponentialSmoothing(
        grid, trend="add" if trend else None, seasonal="add", seasonal_periods=period,
        initialization_method="known", initial_level=first.level,
        initial_trend=first.slope if trend else None, initial_seasonal=first.season,
    )  # fmt: skip
    with warnings.catch_warnings():
        # A search that ends early has rates all the same, and the errors say what they are worth.
        warnings.simplefilter("ignore")
        found = model.fit(optimized=True).params
    slope = float(found["smoothing_trend"]) if trend else 0.0
    return Rates(float(found["smoothing_level"]), slope, float(found["smoothing_seasonal"]))


def _run(
    values: Values, known: np.ndarray, steps: Rows, state: State, rates: Rates, begin: int,
    horizon: int,
) -> Values:  # fmt: skip
    """Return at each row, from step `begin` on, the forecast of the row `horizon` rows later."""
    made, period, now = np.full(len(values), np.nan), len(state.season), -1
    level, slope, season = state.level, state.slope, state.season.tolist()
    places = steps.tolist()
    for row, (value, came) in enumerate(zip(values.tolist(), known.tolist(), strict=True)):
        step = places[row]
        before = level + slope * (step - now)
        if came:
            error = value - before - season[step % period]
            risen = before + rates.level * error
            # Holt's slope learns from what the level moved beyond it.
            slope += rates.slope * rates.level * error
            season[step % period] += rates.season * error
            before = risen
        level, now = before, step
        if step >= begin and row + horizon < len(values):
            target = places[row + horizon]
            made[row] = level + slope * (target - step) + season[target % period]
    return made
