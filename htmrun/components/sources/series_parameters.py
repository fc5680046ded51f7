"""What can be set of a series: which file and columns, how it is read, what is scored."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from htmrun.components.files import MOST_BYTES
from htmrun.components.sources import MaxBytes, SourceParameters
from htmrun.components.sources.changes import Change
from htmrun.components.sources.derived import DerivedParameters
from htmrun.errors import one_of


class SeriesParameters(SourceParameters):
    """A series to forecast: a CSV file, or one that ships inside statsmodels."""

    kind: Literal["series"] = "series"
    path: str | None = Field(None, description="CSV file; null: the series called `name`.")
    name: Literal["co2", "sunspots", "elnino", "hotgym", "nyc_taxi", "planted"] = Field(
        "co2",
        description="Weekly CO2 at Mauna Loa, yearly sunspots, monthly El Nino sea temperature, "
        "which are there; hourly energy of a gym, half-hourly taxi passengers of New York, which "
        "are downloaded once and checked; planted: hours with anomalies that are known. Unused "
        "with a path.",
    )
    variant: int = Field(
        0, ge=0, lt=1 << 32, description="Which of many series, for name=planted; each has others."
    )
    value: str | tuple[str, ...] | None = Field(
        None,
        description="Column that is forecast, or several like [load,price]; null: the only column "
        "of numbers.",
    )
    values: tuple[str, ...] = Field(
        (), description="Further numeric columns, given to the encoder under their own names."
    )
    texts: dict[str, tuple[str, ...]] = Field(
        {},
        description="Columns of texts, given to category encoders under their own names, and the "
        "texts of each; []: those of the first rows. Any other text is one more category.",
    )
    derived: dict[str, DerivedParameters] = Field(
        {},
        description="Fields that are worked out from others, given to the encoder under the names "
        "of the entries: a value so long ago, a difference, a place in the range.",
    )
    timestamp: str | tuple[str, ...] | None = Field(
        None,
        description="Column of date and time, or two like [DATE,TIME]; [] for none; null: the "
        "first column of dates, with the time of day from another column where headers say so.",
    )
    timestamp_format: str | None = Field(
        None,
        description="strptime format, e.g. '%d.%m.%Y %H:%M', or epoch_s, epoch_ms, epoch_us, "
        "epoch_ns; null: found from the whole column.",
    )
    sort: bool | None = Field(
        None,
        description="true: rows are sorted by time, in memory; false: they are taken as they "
        "stand; null: as they stand, and an error where times go back or stand twice.",
    )
    where: dict[str, str | int | float | tuple[str | int | float, ...]] = Field(
        {}, description="Rows that are read, by what a column holds, e.g. {sensor: A}."
    )
    group_by: str | None = Field(
        None,
        description="Column that tells series apart: they are read one after the other, each a "
        "sequence of its own; null: all rows are one series.",
    )
    reset: str | None = Field(
        None,
        description="Column that starts new sequences: numbers where they are not zero, text "
        "where it changes; null: none.",
    )
    decimal: Literal[".", ","] | None = Field(
        None, description="Before the fraction of numbers; null: found where the file is certain."
    )
    thousands: Annotated[str | None, Field(max_length=1)] = Field(
        None, description="Between groups of three digits; null: found where the file is certain."
    )
    units: tuple[str, ...] = Field(
        (), description="Texts beside numbers that are left out, e.g. kW, %, $ or a mark like *."
    )
    missing_values: tuple[str | int | float, ...] = Field(
        (),
        description="Further cells that hold no value, e.g. [-200, '?']; besides empty, NaN, NA.",
    )
    delimiter: str | None = Field(
        None,
        min_length=1,
        description="Separates the columns: a character, tab or space; null: found.",
    )
    encoding: str | None = Field(
        None, description="Of the text, e.g. latin-1; null: by its byte order mark, else UTF-8."
    )
    comment: str | None = Field(
        None, min_length=1, description="Lines that begin so are left out, e.g. '#'; null: none."
    )
    skip_lines: int = Field(0, ge=0, description="Lines above the header.")
    missing: Literal["error", "skip", "previous"] | None = Field(
        None,
        description="Missing values: stop, leave the row out, or repeat the last value; null: "
        "error for a file, previous for a bundled series.",
    )
    skip_rows: int = Field(0, ge=0, description="Data rows left out at the start.")
    rows: Annotated[int | None, Field(ge=1)] = Field(
        None, description="Data rows read after those skipped; null: all."
    )
    range: Literal["first_rows", "file"] = Field(
        "first_rows",
        description="Where encoders and buckets that are given no range take it from. first_rows: "
        "no value after them shows. file: all of it, a look into the future that some benchmarks "
        "allow.",
    )
    range_rows: int = Field(
        1000,
        ge=2,
        le=1 << 20,
        description="Rows that are the first, for range=first_rows; at most a tenth of all.",
    )
    score_from: int = Field(
        0, ge=0, description="First sample whose prediction counts in the metrics."
    )
    horizon_unit: Literal["rows", "time"] = Field(
        "rows",
        description="What classifier.horizons count. rows: samples, however far apart they are. "
        "time: only forecasts of samples exactly as many usual steps ahead are scored.",
    )
    drift_at: Annotated[int | None, Field(ge=1)] = Field(
        None,
        description="First sample after a change that is known: how a model recovers from it "
        "is measured, in series of up to a million samples; null: none.",
    )
    labels: str | None = Field(
        None,
        description="File of labelled windows, both ends inside: JSON as the Numenta Anomaly "
        "Benchmark has it, or CSV with columns start and end; null: none.",
    )
    label: str | None = Field(
        None,
        description="Column of labels: 1 or true where a row is anomalous, 0 or false elsewhere; "
        "null: none.",
    )
    changes: tuple[Change, ...] = Field(
        (),
        description="Changes that are made to the value on purpose, one after the other, e.g. "
        "[{begins: 1000, hours: [7, 11], factor: 0.8}].",
    )
    held_out: Literal["test", "validation"] = Field(
        "test",
        description="test: the whole series; validation: only its first part is used, the rest "
        "stays unseen.",
    )
    validation_fraction: float = Field(
        0.5, gt=0.0, lt=1.0, description="Share of the samples that make the first part, if so."
    )
    max_bytes: MaxBytes = MOST_BYTES

    @model_validator(mode="after")
    def _check_numbers(self) -> Self:
        """What stands between digits can be no part of a number itself."""
        sign = self.thousands
        if sign is not None and (sign.isalnum() or sign in "+-" or sign == self.decimal):
            raise ValueError(
                f"thousands: found '{sign}', expected a sign that is in no number, and not "
                "data.decimal"
            )
        return self

    @property
    def predicted(self) -> tuple[str | None, tuple[str, ...]]:
        """The column that is forecast, and those that are forecast besides it, by name."""
        if self.value is None or isinstance(self.value, str):
            return self.value, ()
        first, *others = self.value
        return first, tuple(others)

    @model_validator(mode="after")
    def _check_predicted(self) -> Self:
        """What is forecast besides the value has a name of its own, which metrics can bear."""
        if self.value == ():
            raise ValueError("value: found [], expected a column or several")
        first, others = self.predicted
        for place, name in enumerate(others, 1):
            if name == first or others.count(name) > 1 or name in self.values:
                raise ValueError(f"value: found '{name}' twice (or in values), expected it once")
            if not re.fullmatch(r"[\w.\- ]+", name):
                raise ValueError(
                    f"value[{place}]: found '{name}', which is to end names of metrics, expected "
                    "letters, digits, blanks and _ . - alone; rename the column"
                )
        return self

    @model_validator(mode="after")
    def _check_derived(self) -> Self:
        """A derived field has a name of its own, and is of a column that is read."""
        fields = ("value", *self.predicted[1], *self.values)
        for name, entry in self.derived.items():
            if name in (*fields, "timestamp", *self.texts):
                raise ValueError(
                    f"derived.{name}: found the name of a field that there is, expected another"
                )
            if entry.of not in fields:
                raise ValueError(
                    f"derived.{name}.of: found '{entry.of}', {one_of(entry.of, fields)}"
                )
        return self
