"""What a user can set about encoders: one model per kind."""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from htmrun.backends.parameters import Parameters
from htmrun.components.registry import Section

Size = Annotated[int, Field(ge=1, le=1 << 24)]


class SingleEncoderParameters(Parameters):
    """What every encoder of one field has."""

    field: str | None = Field(
        None,
        description="Field of the data that is read; null: the entry's name inside `fields`, else "
        "image, value, timestamp or symbol.",
    )
    optional: bool = Field(
        False, description="Inside `fields`: left out if the data has no such field."
    )


class ImageEncoderParameters(SingleEncoderParameters):
    """A pixel is on if it is brighter than the threshold."""

    kind: Literal["image"] = "image"
    threshold: int = Field(127, ge=0, le=254, description="Pixels above this are on.")
    levels: tuple[Annotated[int, Field(ge=0, le=254)], ...] | None = Field(
        None,
        min_length=1,
        description="Several thresholds, ascending: one plane of bits for each, stacked "
        "(thermometer code); overrides threshold.",
    )

    @field_validator("levels")
    @classmethod
    def _ascending(cls, levels: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if levels is not None and list(levels) != sorted(set(levels)):
            raise ValueError(f"found {list(levels)}, expected thresholds in ascending order")
        return levels


class _BlockParameters(Parameters):
    size: Size = Field(400, description="Number of bits.")
    active: Size = Field(21, description="On-bits of a value, one contiguous block.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.active >= self.size:
            raise ValueError(
                f"active: {self.active} of size = {self.size} bits, expected fewer than size"
            )
        return self


class ScalarEncoderParameters(_BlockParameters, SingleEncoderParameters):
    """A block of bits that moves with the value (BAMI chapter "Encoding Data for HTM Systems")."""

    kind: Literal["scalar"] = "scalar"
    minimum: float | None = Field(
        None, allow_inf_nan=False, description="Lowest value; null: of the data."
    )
    maximum: float | None = Field(
        None, allow_inf_nan=False, description="Highest value; null: of the data."
    )
    periodic: bool = Field(False, description="The maximum is the minimum again; blocks wrap.")
    clip: bool = Field(
        True, description="Values outside count as the nearest bound; false: they are errors."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError(
                f"minimum: {self.minimum} is not below maximum = {self.maximum}, expected less"
            )
        return self


class RDSEParameters(SingleEncoderParameters):
    """Random distributed scalar encoder: hashed bits, near values share many of them."""

    kind: Literal["rdse"] = "rdse"
    size: Size = Field(1000, description="Number of bits.")
    active: Size = Field(
        21, description="Hashed bits of a value; a few may fall together, then fewer are on."
    )
    resolution: float | None = Field(
        None,
        gt=0.0,
        allow_inf_nan=False,
        description="Width of a bucket; null: range of the data / buckets.",
    )
    buckets: int = Field(
        130,
        ge=2,
        le=1 << 24,
        description="Buckets in the range of the data; unused with resolution.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.active >= self.size:
            raise ValueError(
                f"active: {self.active} of size = {self.size} bits, expected fewer than size"
            )
        return self


class TimeOfDayParameters(_BlockParameters):
    """Time since midnight: a block that goes round once a day."""

    size: Size = Field(240, description="Bits of a day.")


class DayOfWeekParameters(_BlockParameters):
    """Day of the week, Monday first: seven places of a block that wraps."""

    size: Annotated[int, Field(ge=7, le=1 << 24)] = Field(147, description="Bits of a week.")


class SeasonParameters(_BlockParameters):
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


class DateEncoderParameters(SingleEncoderParameters):
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


class CategoryEncoderParameters(SingleEncoderParameters):
    """Categories that share no meaning: a block each, or random bits."""

    kind: Literal["category"] = "category"
    mode: Literal["blocks", "random"] = Field(
        "blocks", description="A block of its own for each category, or random bits of `size`."
    )
    categories: int | None = Field(
        None, ge=1, le=1 << 24, description="Number of categories; null: of the data."
    )
    size: Size | None = Field(
        None, description="Number of bits; null: categories * active (blocks) or 2048 (random)."
    )
    active: Size = Field(21, description="On-bits of a category.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.size is not None and self.active > self.size:
            raise ValueError(
                f"active: {self.active} of size = {self.size} bits, expected at most size"
            )
        return self


SingleEncoder = Annotated[SingleEncoderParameters, Section(("encoder",), SingleEncoderParameters)]


class FieldsEncoderParameters(Parameters):
    """Several encoders side by side, in the order in which they are listed."""

    kind: Literal["fields"] = "fields"
    fields: dict[str, SingleEncoder] = Field(
        min_length=1, description="One encoder per entry, named after its field."
    )


EncoderParameters = SingleEncoderParameters | FieldsEncoderParameters
