"""What a user can set on the last stage of a pipeline."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from htmrun.backends.parameters import Parameters, SDRClassifierParameters

Horizon = Annotated[int, Field(ge=0, le=10_000)]


class SDRClassifierConfig(SDRClassifierParameters):
    """SDR classifier: softmax on the bits of one or more stages, one set of weights per horizon."""

    reads: tuple[str, ...] | None = Field(
        None,
        description="Stages whose bits it reads, e.g. [tm, sp] or [tm.winners]; null: the last.",
    )
    horizons: tuple[Horizon, ...] = Field(
        (0,),
        min_length=1,
        description="Predicts this many samples ahead; 0: the sample's own label.",
    )
    buckets: int = Field(
        128, ge=2, le=65_536, description="Forecasts: classes that the value's range is cut into."
    )
    minimum: float | None = Field(
        None,
        allow_inf_nan=False,
        description="Forecasts: lower end of the buckets; null: the data's.",
    )
    maximum: float | None = Field(
        None,
        allow_inf_nan=False,
        description="Forecasts: upper end of the buckets; null: the data's.",
    )
    estimate: Literal["mean", "median", "mode"] = Field(
        "mean", description="Forecasts: the figure drawn from the predicted distribution."
    )

    @model_validator(mode="after")
    def _check_horizons(self) -> SDRClassifierConfig:
        if len(set(self.horizons)) != len(self.horizons):
            raise ValueError(f"horizons: {list(self.horizons)} repeats itself, expected each once")
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError(
                f"minimum: {self.minimum} is not below maximum = {self.maximum}, expected less"
            )
        return self


class PredictedColumnsConfig(Parameters):
    """Reads the temporal memory's own prediction: the symbol whose columns it expects most."""

    kind: Literal["predicted_columns"] = "predicted_columns"
