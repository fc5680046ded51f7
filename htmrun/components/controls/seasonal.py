"""The value one period ago, e.g. last week: by date where there are dates, otherwise by rows."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from htmrun.components.controls import Control, ControlParameters, Rows, Series, Values
from htmrun.components.registry import register
from htmrun.components.sources.steps import Step, span


class SeasonalParameters(ControlParameters):
    """A forecast without learning: the value one period ago, by date where there are dates."""

    baseline: Literal["seasonal"] = Field(
        "seasonal", description="seasonal: the value one period ago."
    )
    period: int | None = Field(
        None,
        ge=1,
        description="Usual steps in a period; null: a week, or a year where samples lie two days "
        "or more apart. The value is that of exactly so long ago; without dates, so many rows ago.",
    )


@register("control", SeasonalParameters)
class Seasonal(Control):
    """Forecasts by the latest sample a whole number of periods back that was known then.

    A period is time, not rows, wherever there are dates: where no row has the date, or its value
    was missing, nothing is said.
    """

    parameters: SeasonalParameters

    def forecast(self, series: Series, horizon: int) -> Values:
        """Return the value the fewest whole periods, but no less than `horizon`, before."""
        rows = self._rows(series, horizon)
        found = rows >= 0
        found[found] &= series.known[rows[found]]
        return np.where(found, series.values[rows], np.nan)

    def lacking(self, series: Series) -> str:
        """Return what its period is, and that nothing lies one before."""
        if series.times is None and self.parameters.period is None:
            return f"there are no dates, and {self.path}.period is null, expected the rows of one"
        if series.times is not None and series.step is None:
            return "no date is later than another, so there is no period"
        samples = int(series.age.max(initial=-1)) + 1
        if series.step is None:
            return f"its period is {self.parameters.period} rows, of {samples} in a sequence"
        period = span(self._period(series.step), series.step.unit)
        return f"no value in {samples} rows has another that is known exactly {period} before it"

    def _period(self, step: Step) -> int:
        period = self.parameters.period
        return step.season() if period is None else period * step.count

    def _rows(self, series: Series, horizon: int) -> Rows:
        """Return the row that each row (T,) is forecast by; -1: none."""
        rows = np.arange(len(series.values))
        if series.times is None:
            period = self.parameters.period or len(rows) + 1
            lag = period * -(-horizon // period)
            return np.where(series.age >= lag, rows - lag, -1)
        found = np.full(len(rows), -1)
        if series.step is None:
            return found
        period, places = self._period(series.step), series.step.places(series.times)
        starts = np.append(np.flatnonzero(series.age == 0), len(rows))
        for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            if stop - start > horizon:
                earlier = _earlier(places[start:stop], period, horizon)
                found[start:stop] = np.where(earlier >= 0, start + earlier, -1)
        return found


def _earlier(places: Rows, period: int, horizon: int) -> Rows:
    """Return the row of a sequence whole periods before each; -1 where there is none.

    places (T,): when. The fewest periods that lead to what was known `horizon` rows before.
    """
    origin = np.maximum(np.arange(len(places)) - horizon, 0)
    periods = np.maximum(-((places[origin] - places) // period), 1)
    wanted = places - periods * period
    order = np.argsort(places, kind="stable")
    at = np.searchsorted(places[order], wanted, side="right") - 1
    row = order[np.maximum(at, 0)]
    # Of several rows of one date the last, unless that came after the forecast was made.
    row = np.where((row > origin) & (places[origin] == wanted), origin, row)
    fits = (at >= 0) & (places[row] == wanted) & (row <= origin)
    fits &= np.arange(len(places)) >= horizon
    return np.where(fits, row, -1)
