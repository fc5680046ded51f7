"""The last value stays."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from htmrun.components.controls import Ages, Control, ControlParameters, Values, lagged
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
    """Forecasts sample t by sample t - h."""

    def forecast(self, values: Values, age: Ages, horizon: int) -> Values:
        """Return the value `horizon` samples before."""
        return lagged(values, age, horizon)
