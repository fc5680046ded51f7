"""What anomalies of a stream are judged by; `training/measures` has the rules: anomaly, judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from htmrun.backends.parameters import Fraction, Parameters, PositiveFraction

Rows = Annotated[int, Field(ge=1, le=1 << 24)]


class Share(Parameters):
    """Rows as a share of all, e.g. the benchmark's probation: 15 %, at most 750."""

    share: PositiveFraction = Field(0.15, description="Share of all rows, rounded down.")
    most: Rows = Field(750, description="Rows that it is at most.")

    def of(self, rows: int) -> int:
        """Return how many of `rows` it is."""
        return min(int(self.share * rows), self.most)


def _form(value: object) -> str:
    return "=share" if isinstance(value, Mapping | Share) else "=rows"


Part = Annotated[Annotated[Rows, Tag("=rows")] | Annotated[Share, Tag("=share")],
                 Discriminator(_form)]  # fmt: skip
"""The first rows of a stream: a number, or a share of all."""


class AnomalyParameters(Parameters):
    """How raw anomaly scores become a likelihood (Ahmad, Lavin, Purdy, Agha 2017) and alerts."""

    average: Rows = Field(10, description="Raw anomaly scores whose average is judged.")
    history: Rows = Field(
        8640, description="Averages whose mean and variance say what is usual, at most."
    )
    reestimate_every: Rows = Field(
        100, description="Samples after which mean and variance are taken anew."
    )
    learning: Annotated[int, Field(ge=0, le=1 << 24)] | None = Field(
        288,
        description="First samples, whose scores are never taken as usual; null: half of "
        "`probation`.",
    )
    probation: Part = Field(
        388,
        description="First samples, of which nothing is said: their likelihood is 0.5, none is an "
        "alert, none is scored; or {share, most} of all samples.",
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
    apart: Rows = Field(
        1,
        description="Samples that alarms lie apart at most to count as consecutive, for "
        "`only_first`.",
    )
    alarm: PositiveFraction = Field(
        0.99999,
        description="Likelihood from which a sample is an alarm, for `only_first` and `threshold`.",
    )
    later: Fraction = Field(
        0.999, description="Likelihood that alarms right behind an alarm get, for `only_first`."
    )
    score: Literal["likelihood", "log_likelihood", "raw"] = Field(
        "likelihood",
        description="What is compared with the threshold: likelihood; log_likelihood: log10(1 - "
        "likelihood) / -10, so that .9999 is .4; raw: share of the active columns that nobody "
        "predicted.",
    )
    out_of_range: Annotated[float, Field(ge=0.0, le=1e6)] | None = Field(
        None,
        description="A value beyond all before it by more than this share of their range scores "
        "1, e.g. 0.05; null: values do not matter.",
    )
    threshold: float | None = Field(
        None, description="Score from which a row is an alert; null: what `alarm` is as a score."
    )
    choose: Literal["fixed", "budget", "f1", "nab"] = Field(
        "fixed",
        description="Where the threshold comes from. fixed: `threshold`; budget: so that `budget` "
        "of the first rows are alerts; f1, nab: what would have served best on their labels.",
    )
    first_rows: Part = Field(
        2000,
        description="Rows that the threshold is chosen on, unless fixed: none of them is an alert "
        "or is scored; or {share, most} of all.",
    )
    budget: float = Field(
        1.0, gt=0.0, le=1000.0, description="Alerts in 1,000 rows at most, for choose=budget."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if isinstance(self.probation, int):
            self.begin(self.probation)
        if self.choose != "fixed" and self.threshold is not None:
            raise ValueError(
                f"threshold: found {self.threshold} with choose = {self.choose}, expected null"
            )
        if self.later > self.alarm:
            raise ValueError(
                f"later: {self.later} is above alarm = {self.alarm}, expected at most that"
            )
        return self

    def begin(self, samples: int) -> tuple[int, int]:
        """Return how many samples are learning, and on probation, of so many in all.

        Raises ValueError, in words, where no score would be left to say what is usual.
        """
        first = self.probation if isinstance(self.probation, int) else self.probation.of(samples)
        learning = first // 2 if self.learning is None else self.learning
        if first <= learning:
            raise ValueError(
                f"probation: {first} is not above learning = {learning}, expected more, for at "
                "least one average"
            )
        return learning, first

    def scored_from(self, samples: int) -> int:
        """Return the first sample that can be an alert, and is scored, of so many."""
        first = self.begin(samples)[1]
        if self.choose == "fixed":
            return first
        rows = self.first_rows if isinstance(self.first_rows, int) else self.first_rows.of(samples)
        if rows <= first:
            raise ValueError(
                f"first_rows: {rows} is not above probation = {first}, expected more, for rows to "
                "choose a threshold on"
            )
        return rows
