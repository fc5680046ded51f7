"""The last value stays."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from htmrun.components.controls import Control, ControlParameters, Series, Values, lagged
from htmrun.components.registry import register


class PersistenceParameters(ControlParameters):
    """A forecast without learning: the last value stays."""

    baseline: Literal["persistence"] = Field(
        "persistence", description="persistence: the last value stays."
    )
    period: int | None = Field(None, description="There is none: null.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.period is not None:
            raise ValueError(f"period: found {self.period} with persistence, expected null")
        return self


@register("control", PersistenceParameters)
class Persistence(Control):
    """Forecasts sample t by sample t - h, which may be a value that was filled in."""

    def forecast(self, series: Series, horizon: int) -> Values:
        """Return the value `horizon` samples before: the last that was known then."""
        return lagged(series, horizon)
