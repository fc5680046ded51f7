"""Changes that are made to a series on purpose: how soon does a model find its way again?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from htmrun.backends.parameters import Parameters
from htmrun.components.sources.steps import DAY

Values = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Hour = Annotated[int, Field(ge=0, le=24)]
HOUR = DAY // 24
MONDAY = 4
"""Days from the first of 1970, a Thursday, to the first Monday."""


class Change(Parameters):
    """A factor and a number added, in some of the samples."""

    begins: int = Field(0, ge=0, description="First sample that is changed, counted from 0.")
    ends: Annotated[int | None, Field(ge=1)] = Field(
        None, description="First sample that is not; null: all that follow are."
    )
    hours: Annotated[tuple[Hour, Hour] | None, Field()] = Field(
        None, description="Hours of the day, e.g. [7,11]: from 7:00 until before 11:00; null: all."
    )
    weekdays: tuple[Annotated[int, Field(ge=0, le=6)], ...] | None = Field(
        None, description="Days of the week, 0 is Monday; null: all."
    )
    factor: float = Field(1.0, allow_inf_nan=False, description="Values are multiplied by this.")
    add: float = Field(0.0, allow_inf_nan=False, description="Then this is added.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.ends is not None and self.ends <= self.begins:
            raise ValueError(f"ends: found {self.ends}, expected more than begins = {self.begins}")
        if self.hours is not None and self.hours[0] >= self.hours[1]:
            raise ValueError(f"hours: found {list(self.hours)}, expected the earlier one first")
        return self

    @property
    def needs_dates(self) -> bool:
        """Whether the time says which samples are changed."""
        return self.hours is not None or self.weekdays is not None

    def apply(self, values: Values, number: Ints, times: npt.NDArray[np.datetime64] | None) -> None:
        """Change values (T,) in place, of samples of these numbers and times (T,)."""
        chosen = number >= self.begins
        if self.ends is not None:
            chosen &= number < self.ends
        if self.needs_dates and times is not None:
            since = times.astype("datetime64[us]").astype(np.int64)
            if self.hours is not None:
                first, last = self.hours
                chosen &= (since % DAY >= first * HOUR) & (since % DAY < last * HOUR)
            if self.weekdays is not None:
                chosen &= np.isin((since // DAY - MONDAY) % 7, self.weekdays)
        values[chosen] = values[chosen] * self.factor + self.add


def changed(
    changes: Sequence[Change], values: Values, number: Ints,
    times: npt.NDArray[np.datetime64] | None,
) -> Values:  # fmt: skip
    """Return the values (T,) after all changes, in their order."""
    out = values.copy()
    for change in changes:
        change.apply(out, number, times)
    return out
