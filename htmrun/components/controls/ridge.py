"""Ridge regression on the last values and the calendar, solved anew after every sample."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from htmrun.components.controls import Control, ControlParameters, Flags, Series, Values
from htmrun.components.controls.calendar import features
from htmrun.components.controls.lags import arrived, outcomes, windows
from htmrun.components.registry import register


class RidgeParameters(ControlParameters):
    """A linear forecast from the last values and the date, learned online: ridge regression."""

    baseline: Literal["ridge"] = Field(
        "ridge", description="ridge: linear in the last values and the date, learned online."
    )
    lags: int = Field(
        48, ge=1, le=2000,
        description="Values it reads: those of so many usual steps; without dates, of rows.",
    )  # fmt: skip
    day: int = Field(
        4, ge=0, le=50,
        description="With dates: harmonics of the time of day, beside a flag for each weekday.",
    )  # fmt: skip
    year: int = Field(0, ge=0, le=50, description="With dates: harmonics of the time of year.")
    season: bool = Field(
        True,
        description="With dates: also the values a week, or a year where samples lie two days or "
        "more apart, before the last one and before the one that is forecast.",
    )
    penalty: float = Field(
        1.0, gt=0.0, description="Of squared weights, in samples' squared errors; values are "
        "counted in their spread over the first pairs."
    )  # fmt: skip
    forgetting: float = Field(
        1.0, gt=0.0, le=1.0,
        description="What a pair counts after each later one, to that power; 1: nothing is "
        "forgotten.",
    )  # fmt: skip
    start: int = Field(
        100, ge=2, description="Pairs of values and outcome it has learned before it forecasts."
    )


@register("control", RidgeParameters)
class Ridge(Control):
    """Forecasts how far the value moves from the last one: without weights it stays."""

    parameters: RidgeParameters

    def forecast(self, series: Series, horizon: int) -> Values:
        """Return the forecast of a model of this horizon, of all pairs known when it is made.

        NaN for the first `start` pairs. The intercept is not penalised.
        """
        p = self.parameters
        given = windows(series, self._lags(series, horizon))
        later, there = outcomes(series, horizon)
        whole: Flags = np.all(np.isfinite(given), axis=1)
        pairs = np.flatnonzero(whole & there)
        made = np.full(len(later), np.nan)
        if len(pairs) <= p.start:
            return made
        begin = int(pairs[p.start - 1]) + horizon
        seen = series.values[: begin + 1][series.known[: begin + 1]]
        centre, spread = seen.mean(), seen.std() or 1.0
        x = self._inputs(given, series, horizon, centre, spread)
        moved = (later - series.values) / spread
        model = Model(x.shape[1], p.penalty, p.forgetting)
        for row in pairs[: p.start].tolist():
            model.learn(x[row], moved[row])
        following = pairs[p.start :].tolist()
        learned = 0
        for row in range(begin, len(later)):
            while learned < len(following) and following[learned] + horizon <= row:
                model.learn(x[following[learned]], moved[following[learned]])
                learned += 1
            if whole[row]:
                made[row] = series.values[row] + spread * model.predict(x[row])
        return arrived(made, series, horizon)

    def lacking(self, series: Series) -> str:
        """Return how many samples it takes."""
        p, samples = self.parameters, int(series.age.max(initial=-1)) + 1
        return (
            f"values of {max(self._lags(series, 1)) + 1} steps and {p.start} outcomes before the "
            f"first forecast take more than the {samples} samples of a sequence"
        )

    def _lags(self, series: Series, horizon: int) -> list[int]:
        """Return how many steps ago the values stood that it reads."""
        lags = list(range(self.parameters.lags))
        if self.parameters.season and series.step is not None:
            season = round(series.step.season() / series.step.count)
            lags += [season, season * -(-horizon // season) - horizon]
        return list(dict.fromkeys(lags))

    def _inputs(
        self, given: Values, series: Series, horizon: int, centre: float, spread: float
    ) -> Values:
        """Return a one, the last values, and what the date of the value to come says."""
        columns = [np.ones((len(given), 1)), (given - centre) / spread]
        if series.times is not None:
            p, rows = self.parameters, np.arange(len(given))
            target = np.minimum(rows + horizon, len(given) - 1)
            columns.append(features(series.times, series.step, p.day, p.year)[target])
        return np.concatenate(columns, axis=1)


class Model:
    """Weights that have the least sum of squared errors, older ones forgotten, plus a penalty.

    The first weight is the intercept's, which is free. The penalty is not forgotten.
    """

    def __init__(self, size: int, penalty: float, forgetting: float) -> None:
        self.forgetting = forgetting
        self._penalty = np.diag(np.r_[0.0, np.full(size - 1, penalty)])
        self._products, self._sums = np.zeros((size, size)), np.zeros(size)
        self._weights: npt.NDArray[np.float64] | None = None

    def learn(self, x: Values, y: float) -> None:
        """Take in one pair, x (size,)."""
        self._products *= self.forgetting
        self._products += np.outer(x, x)
        self._sums *= self.forgetting
        self._sums += x * y
        self._weights = None

    def predict(self, x: Values) -> float:
        """Return what the weights say, of which there are none before the first pair."""
        if self._weights is None:
            self._weights = np.linalg.solve(self._products + self._penalty, self._sums)
        return float(x @ self._weights)
