"""The value one period ago, e.g. last week."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from htmrun.components.controls import Ages, Control, ControlParameters, Values, lagged
from htmrun.components.registry import register
from htmrun.components.sources import Source
from htmrun.errors import UserError

WEEK, DAY, YEAR = 7 * 86_400.0, 86_400.0, 365.2425 * 86_400.0
"""Seconds."""


class SeasonalParameters(ControlParameters):
    """A forecast without learning: the value one period ago."""

    baseline: Literal["seasonal"] = Field(
        "seasonal", description="seasonal: the value one period ago."
    )
    period: int | None = Field(
        None,
        ge=1,
        description="Samples in a period; null: by the time stamps, a week of samples, or a year "
        "where they lie a day or more apart.",
    )


@register("control", SeasonalParameters)
class Seasonal(Control):
    """Forecasts by the latest sample a whole number of periods back that was known then."""

    def __init__(self, parameters: SeasonalParameters, source: Source, path: str) -> None:
        """UserError where neither the parameters nor time stamps tell the period."""
        super().__init__(parameters, source, path)
        step = source.median_step if parameters.period is None else None
        if parameters.period is None and (step is None or step <= 0):
            raise UserError(
                f"{path}.period: found null and no time stamps in the data, expected the samples "
                "in a period"
            )
        self.period = parameters.period or season(step or DAY)

    def forecast(self, values: Values, age: Ages, horizon: int) -> Values:
        """Return the value the fewest whole periods, but no less than `horizon`, before."""
        return lagged(values, age, self.period * -(-horizon // self.period))


def season(step: float) -> int:
    """Return the samples in a season, for samples `step` seconds apart.

    A week where several samples make a day, otherwise a year.
    """
    return max(1, round((WEEK if step < DAY else YEAR) / step))
