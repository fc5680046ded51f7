"""A look at somebody's CSV file: which settings it makes certain, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from htmrun.components.sources.cells import is_missing, is_number
from htmrun.components.sources.series import SeriesParameters, SeriesSource
from htmrun.components.sources.series_table import opened
from htmrun.components.sources.steps import DAY, Step, span, usual_step
from htmrun.components.sources.time_order import UnorderedTimesError
from htmrun.errors import UserError, listed

TARGETS = ("value", "target", "y")
"""Names of columns, in small letters, that say that theirs is the value."""
FEW = 100
"""Different texts up to which a column holds categories."""
CHUNK = 16_384
SIZES = {
    "time_of_day": {"size": 240, "active": 21},
    "day_of_week": {"size": 147, "active": 21},
    "season": {"size": 183, "active": 21},
}
YEAR_DAYS = 365.2425


class Choice(NamedTuple):
    """A setting, and what of the file asks for it."""

    field: str
    value: Any
    reason: str


@dataclass(frozen=True)
class Look:
    """What was seen. rows: samples that are used; notes: what was not taken, and how to."""

    label: str
    rows: int
    choices: tuple[Choice, ...]
    notes: tuple[str, ...]


class Times(NamedTuple):
    """When the samples are: the first and the last, and the usual step."""

    first: np.datetime64
    last: np.datetime64
    step: Step

    @property
    def days(self) -> float:
        """How long the series is."""
        return float((self.last - self.first) / np.timedelta64(1, "us")) / DAY

    @property
    def step_days(self) -> float:
        """The usual step."""
        return self.step.count * (30.4 if self.step.unit == "M" else 1 / DAY)


def look_at(parameters: SeriesParameters, base: Path) -> Look:
    """Return what the file of `parameters` makes certain beyond what they say.

    Reads the file three times. Raises UserError, as a run would, where it leaves a doubt.
    """
    choices: list[Choice] = []
    p = parameters
    for settle in (_value, _series, _missing):
        found = list(settle(p, base))
        p = p.model_copy(update={choice.field: choice.value for choice in found})
        choices += found
    source = SeriesSource(p, base)
    times = _times(source)
    if source.columns.dates.columns and p.timestamp is None:
        names = [source.table.names[column] for column in source.columns.dates.columns]
        value = names[0] if len(names) == 1 else tuple(names)
        choices.append(Choice("timestamp", value, _said(times)))
    own = [choice._replace(field=f"data.{choice.field}") for choice in choices]
    cycles = list(_cycles(times)) if source.columns.dates.columns else []
    notes = tuple(_left_out(source, times))
    return Look(source.table.label, source.samples, (*own, *cycles), notes)


def _value(p: SeriesParameters, base: Path) -> Iterator[Choice]:
    """Yield the column that is forecast: the only one of numbers, or one that is called so."""
    if p.value is not None:
        return
    try:
        source = SeriesSource(p, base)
    except UserError as error:
        found = _called_a_target(p, base)
        if found is None:
            raise
        with suppress(UserError):
            SeriesSource(p.model_copy(update={"value": found}), base)
            yield Choice("value", found, "of several columns of numbers the one called so")
            return
        raise error from None
    name = source.table.names[source.columns.numeric["value"]]
    yield Choice("value", name, "the only column of numbers")


def _called_a_target(p: SeriesParameters, base: Path) -> str | None:
    """Return the one column whose name says that it is the target."""
    # Any column can be told to be the value; its table is looked at only for the names.
    with suppress(UserError):
        table = opened(p, base)[0]
        named = [name for name in table.names if name.lower() in TARGETS]
        return named[0] if len(named) == 1 else None
    return None


def _series(p: SeriesParameters, base: Path) -> Iterator[Choice]:
    """Yield what brings the times into order, where one way alone does."""
    if p.sort is not None or p.group_by is not None or p.where:
        return
    try:
        _ = SeriesSource(p.model_copy(update={"missing": p.missing or "previous"}), base).scan
    except UnorderedTimesError as error:
        if error.backwards:
            yield Choice("sort", True, "the newest row comes first")
        elif error.telling is not None:
            yield Choice(
                "group_by", error.telling, "it tells series apart: each is a sequence of its own"
            )
        else:
            raise


def _missing(p: SeriesParameters, base: Path) -> Iterator[Choice]:
    """Yield what is done about values that are missing, if any are."""
    if p.missing is not None:
        return
    filled = SeriesSource(p.model_copy(update={"missing": "previous"}), base).scan.missing
    if filled:
        rows = "1 row has" if filled == 1 else f"{filled:,} rows have"
        reason = f"{rows} no value: the one before stands there for the model, and is not scored"
        yield Choice("missing", "previous", reason)


def _times(source: SeriesSource) -> Times | None:
    """Return when the samples are; None without dates, or if none is later than another."""
    first = last = None
    stamps, follows = [], []
    for chunk in source.train(0, 0, CHUNK):
        times = chunk.fields.get("timestamp")
        if times is None:
            return None
        stamps.append(times)
        follows.append(chunk.reset == 0)
        first = times.min() if first is None else min(first, times.min())
        last = times.max() if last is None else max(last, times.max())
    if first is None or last is None:
        return None
    step = usual_step(np.concatenate(stamps), np.concatenate(follows))
    return None if step is None else Times(first, last, step)


def _said(times: Times | None) -> str:
    if times is None:
        return "dates"
    day = times.step_days >= 1
    ends = (str(t.astype("datetime64[D]" if day else "datetime64[m]")).replace("T", " ")
            for t in (times.first, times.last))  # fmt: skip
    return f"dates, a step of {span(times.step.count, times.step.unit)}, {' to '.join(ends)}"


def _cycles(times: Times | None) -> Iterator[Choice]:
    """Yield which parts of a date are encoded: those that go round at least twice.

    The calendar alone decides, no value: so nothing that comes later shows.
    """
    days, step = (0.0, 0.0) if times is None else (times.days, times.step_days)
    reasons = {
        "time_of_day": (step < 1 and days >= 2, "a step below a day",
                        "a step of a day or more" if step >= 1 else "less than two days"),
        "day_of_week": (step < 2 and days >= 21, f"{days / 7:,.0f} weeks",
                        "a step of two days or more" if step >= 2 else "less than three weeks"),
        "season": (step < 100 and days >= 730, f"{days / YEAR_DAYS:,.1f} years",
                   "a step of months or more" if step >= 100 else "no two years"),
    }  # fmt: skip
    if not any(fits for fits, _, _ in reasons.values()):
        yield Choice("encoder.fields.timestamp", None, "the dates hold no day, week or year twice")
        return
    for name, (fits, why, why_not) in reasons.items():
        place = f"encoder.fields.timestamp.{name}"
        yield Choice(place, SIZES[name], why) if fits else Choice(place, None, why_not)
    week = "the day of the week tells" if reasons["day_of_week"][0] else reasons["day_of_week"][2]
    yield Choice("encoder.fields.timestamp.weekend", None, week)


def _left_out(source: SeriesSource, times: Times | None) -> Iterator[str]:
    """Yield what the file has beyond what was taken."""
    table, columns = source.table, source.columns
    used = {*columns.numeric.values(), *columns.dates.columns, columns.group, *columns.where}
    used |= {columns.reset, columns.sequence}
    others = [column for column in range(len(table.names)) if column not in used]
    texts = {c: [t for t in table.probed(c) if not is_missing(t)] for c in others}
    numbers = [c for c in others if texts[c] and all(map(is_number, texts[c]))]
    if numbers:
        names = [table.names[column] for column in numbers]
        name = names[0]
        yield (
            f"not used: {listed(names)} (numbers); to use one: 'data.values=[{name}]' "
            f"encoder.fields.{name}.kind=rdse"
        )
    words = [c for c in others if c not in numbers and 1 < len(set(texts[c])) <= FEW]
    if words:
        names = [table.names[column] for column in words]
        name = names[0]
        yield (
            f"not used: {listed(names)} (texts); to use one: 'data.texts={{{name}: []}}' "
            f"encoder.fields.{name}.kind=category"
        )
    if times is None:
        yield "no dates: a season is not known (control.seasonal.period=ROWS gives the control one)"
