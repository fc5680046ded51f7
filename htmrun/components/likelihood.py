"""What the anomaly likelihood of a stream is set by; the rule is in `training/measures/anomaly`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from htmrun.backends.parameters import Fraction, Parameters, PositiveFraction

Rows = Annotated[int, Field(ge=1, le=1 << 24)]


class AnomalyParameters(Parameters):
    """How raw anomaly scores become a likelihood (Ahmad, Lavin, Purdy, Agha 2017)."""

    average: Rows = Field(10, description="Raw anomaly scores whose average is judged.")
    history: Rows = Field(
        8640, description="Averages whose mean and variance say what is usual, at most."
    )
    reestimate_every: Rows = Field(
        100, description="Samples after which mean and variance are taken anew."
    )
    learning: int = Field(
        288, ge=0, le=1 << 24, description="First samples, whose scores are never taken as usual."
    )
    probation: Rows = Field(
        388, description="First samples, of which nothing is said: their likelihood is 0.5."
    )
    least_mean: Fraction = Field(
        0.03, description="Mean below which it does not fall, for streams that hardly surprise."
    )
    least_variance: PositiveFraction = Field(
        0.0003,
        description="Variance of one raw score below which it does not fall; the average of n has "
        "1/n of it.",
    )
    only_first: bool = Field(
        True, description="Of consecutive alarms the first alone counts at full height."
    )
    alarm: PositiveFraction = Field(
        0.99999, description="Likelihood from which a sample is an alarm, for `only_first`."
    )
    later: Fraction = Field(
        0.999, description="Likelihood that alarms right behind an alarm get, for `only_first`."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.probation <= self.learning:
            raise ValueError(
                f"probation: {self.probation} is not above learning = {self.learning}, expected "
                "more, for at least one average"
            )
        if self.later > self.alarm:
            raise ValueError(
                f"later: {self.later} is above alarm = {self.alarm}, expected at most that"
            )
        return self
