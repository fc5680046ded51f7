"""Dates: time of day, day of the week, weekend, season and holidays, side by side.

Source: Purdy 2016, "Encoding Data for HTM Systems". Places are integers, so a date has the
same bits everywhere. Times are taken as written, without time zones.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from htmrun.backends.bits import Bits
from htmrun.backends.parameters import Parameters
from htmrun.components.encoders import EncoderParameters, Input, Size
from htmrun.components.encoders.blocks import BlockParameters, Places, Whole, block_bits
from htmrun.components.encoders.buckets import UNKNOWN, BucketEncoder
from htmrun.components.encoders.date_places import (
    NO_TIME,
    WEEKEND,
    Place,
    day_of_week,
    holiday,
    one_time,
    season,
    time_of_day,
)
from htmrun.components.registry import register
from htmrun.errors import UserError


class TimeOfDayParameters(BlockParameters):
    """Time since midnight: a block that goes round once a day."""

    size: Size = Field(240, description="Bits of a day.")


class DayOfWeekParameters(BlockParameters):
    """Day of the week, Monday first: seven places of a block that wraps."""

    size: Annotated[int, Field(ge=7, le=1 << 24)] = Field(147, description="Bits of a week.")


class SeasonParameters(BlockParameters):
    """Time since New Year: a block that goes round once a year."""

    size: Size = Field(365, description="Bits of a year.")
    active: Size = Field(30, description="On-bits, one contiguous block.")


class WeekendParameters(Parameters):
    """Saturday and Sunday, or not: one of two blocks."""

    active: Size = Field(21, description="Bits of each of the two blocks.")


class HolidayParameters(Parameters):
    """A listed day, or not: one of two blocks."""

    active: Size = Field(21, description="Bits of each of the two blocks.")
    dates: tuple[str, ...] = Field(
        min_length=1, description="'2014-12-25' for one day, '12-25' for every year."
    )

    @field_validator("dates")
    @classmethod
    def _dates(cls, dates: tuple[str, ...]) -> tuple[str, ...]:
        for text in dates:
            # 2000 is a leap year, so 02-29 passes.
            full = f"2000-{text}" if re.fullmatch(r"\d\d-\d\d", text) else text
            try:
                datetime.date.fromisoformat(full)
            except ValueError:
                raise ValueError(
                    f"found '{text}', expected YYYY-MM-DD or MM-DD (quoted in YAML)"
                ) from None
        return dates


class DateEncoderParameters(EncoderParameters):
    """Parts of a date, side by side; each is left out with null."""

    kind: Literal["date"] = "date"
    time_of_day: TimeOfDayParameters | None = Field(
        TimeOfDayParameters.model_validate({}), description="Time since midnight."
    )
    day_of_week: DayOfWeekParameters | None = Field(None, description="Monday to Sunday.")
    weekend: WeekendParameters | None = Field(
        WeekendParameters.model_validate({}), description="Saturday and Sunday, or not."
    )
    season: SeasonParameters | None = Field(None, description="Time since New Year.")
    holiday: HolidayParameters | None = Field(None, description="Listed days, or not.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not any((self.time_of_day, self.day_of_week, self.weekend, self.season, self.holiday)):
            raise ValueError(
                "every part is null, expected at least one of time_of_day, day_of_week, weekend, "
                "season, holiday"
            )
        return self


@register("encoder", DateEncoderParameters)
class DateEncoder(BucketEncoder):
    """Each part of a date is a block of on-bits; parts follow each other in a fixed order.

    `parts` names them with their number of bits: time_of_day, day_of_week, weekend, season,
    holiday. Cyclic parts wrap and start at the nearest bit: place / period * size, half up; weekend
    and holiday have one block for no and one for yes.
    """

    usual = "timestamp"

    def __init__(self, p: DateEncoderParameters, field: Input, seed: int) -> None:
        super().__init__(p, field, seed)
        self._parts: list[tuple[str, int, int, Place]] = []
        if p.time_of_day is not None:
            size = p.time_of_day.size
            self._add("time_of_day", size, p.time_of_day.active, time_of_day(size))
        if p.day_of_week is not None:
            size = p.day_of_week.size
            self._add("day_of_week", size, p.day_of_week.active, day_of_week(size))
        if p.weekend is not None:
            self._add_choice("weekend", p.weekend.active, WEEKEND)
        if p.season is not None:
            self._add("season", p.season.size, p.season.active, season(p.season.size))
        if p.holiday is not None:
            self._add_choice("holiday", p.holiday.active, holiday(p.holiday.dates))
        self.parts = {name: size for name, size, _, _ in self._parts}
        self._name, self._of_one = field.name, [place.of_one for _, _, _, place in self._parts]
        self.size = sum(self.parts.values())
        self.shape = (self.size,)

    def _add(self, name: str, size: int, active: int, place: Place) -> None:
        self._parts.append((name, size, active, place))

    def _add_choice(self, name: str, active: int, chosen: Place) -> None:
        block = Place(
            partial(_block, chosen.of_many, active), partial(_block, chosen.of_one, active)
        )
        self._add(name, 2 * active, active, block)

    def bucket(self, fields: Mapping[str, np.ndarray]) -> tuple[int, ...] | None:
        """Return the place of each part of a single time; none of no time."""
        times = fields[self._name]
        if times.dtype.kind != "M" or times.size != 1:
            return None
        second = one_time(times)
        if second is None:
            return None
        return UNKNOWN if second == NO_TIME else tuple([place(second) for place in self._of_one])

    def encode_many(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Encode datetime64 (T,)."""
        times = fields[self._name]
        if times.dtype.kind != "M":
            raise UserError(
                f"{self.path}.kind: field '{self._name}' holds {times.dtype}, expected dates; "
                "numbers need kind rdse or scalar"
            )
        absent = np.isnat(times)
        seconds = np.where(absent, np.datetime64(0, "s"), times.astype("datetime64[s]"))
        seconds = seconds.astype(np.int64)
        places = (place.of_many(seconds) for _, _, _, place in self._parts)
        return self._bits([np.where(absent, -1, place) for place in places])

    def bits_of(self, bucket: tuple[int, ...]) -> Bits:
        """Return the bits of a time whose parts have these places."""
        each = bucket or [-1] * len(self._parts)
        return self._bits([np.array([place], np.int64) for place in each])

    def _bits(self, places: Sequence[Places]) -> Bits:
        """Return the bits of the places (T,) of each part; -1 has none."""
        sizes = ((active, size) for _, size, active, _ in self._parts)
        found = zip(places, sizes, strict=True)
        return Bits.beside([block_bits(place, *numbers) for place, numbers in found])


def _block(place: Callable[[Whole], Whole], active: int, seconds: Whole) -> Whole:
    """Return where the block of a choice begins, of which each has `active` bits."""
    return place(seconds) * active
