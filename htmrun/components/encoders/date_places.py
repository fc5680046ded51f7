"""Where the parts of a date stand: whole numbers, of many times at once and of one by itself.

One time goes through Python's own numbers, which is faster than arrays of one; tests hold the two
equal.
"""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt

from htmrun.components.encoders.blocks import Places, Whole, round_trip

DAY = 86_400
FIRST_DAY = datetime.date(1970, 1, 1).toordinal()
NO_TIME = int(np.iinfo(np.int64).min)
"""What stands for no time."""
_START = datetime.datetime(1970, 1, 1)
_FINE = np.dtype("datetime64[ns]")


def one_time(times: npt.NDArray[np.datetime64]) -> int | None:
    """Return the seconds since 1970 of one time (1,), rounded down; NO_TIME where it is none.

    None: beyond Python's calendar, look closer.
    """
    value: object = times.item()
    if isinstance(value, datetime.datetime):
        since = value - _START
        return since.days * DAY + since.seconds
    if isinstance(value, int) and times.dtype == _FINE:
        return value // 10**9
    return NO_TIME if value is None else None


@dataclass(frozen=True)
class Place:
    """Where a part's block begins, at times in seconds since 1970: of many, and the same of one."""

    of_many: Callable[[Places], Places]
    of_one: Callable[[int], int]


def time_of_day(size: int) -> Place:
    """Return the bit of a day."""
    return Place(partial(_time_of_day, size), partial(_time_of_day, size))


def _time_of_day(size: int, seconds: Whole) -> Whole:
    return round_trip(seconds % DAY, DAY, size)


def weekday(seconds: Whole) -> Whole:
    """Return 0 for Monday to 6 for Sunday; 1 January 1970 was a Thursday."""
    return (seconds // DAY + 3) % 7


def day_of_week(size: int) -> Place:
    """Return the bit of a week, Monday first."""
    return Place(partial(_day_of_week, size), partial(_day_of_week, size))


def _day_of_week(size: int, seconds: Whole) -> Whole:
    return round_trip(weekday(seconds), 7, size)


def _weekends(seconds: Places) -> Places:
    return (weekday(seconds) >= 5).astype(np.int64)


def _weekend(second: int) -> int:
    return weekday(second) >= 5


WEEKEND = Place(_weekends, _weekend)


def season(size: int) -> Place:
    """Return the bit of a year."""
    return Place(partial(_seasons, size), partial(_season, size))


def _seasons(size: int, seconds: Places) -> Places:
    year = seconds.astype("datetime64[s]").astype("datetime64[Y]")
    following = (year.astype(np.int64) + 1).astype("datetime64[Y]")
    start = _seconds(year)
    return round_trip(seconds - start, _seconds(following) - start, size)


def _season(size: int, second: int) -> int:
    year = datetime.date.fromordinal(second // DAY + FIRST_DAY).year
    start, length = _year(year)
    return round_trip(second - start, length, size)


@lru_cache(maxsize=64)
def _year(year: int) -> tuple[int, int]:
    """Return when a year begins, in seconds since 1970, and its seconds."""
    start = datetime.date(year, 1, 1).toordinal()
    return (start - FIRST_DAY) * DAY, (366 if calendar.isleap(year) else 365) * DAY


def _seconds(times: npt.NDArray[np.datetime64]) -> Places:
    return times.astype("datetime64[s]").astype(np.int64)


def holiday(dates: tuple[str, ...]) -> Place:
    """Return 1 for a listed day, `2014-12-25` or each year `12-25`, and 0 for others."""
    days = np.array([d for d in dates if len(d) > 5], "datetime64[D]").astype(np.int64)
    yearly = np.array([_month_day(d) for d in dates if len(d) == 5], np.int64)

    listed, each_year = frozenset(days.tolist()), frozenset(yearly.tolist())
    return Place(partial(_holidays, days, yearly), partial(_holiday, listed, each_year))


def _holidays(days: Places, yearly: Places, seconds: Places) -> Places:
    date = (seconds // DAY).astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    day_of_month = (date - month).astype(np.int64) + 1
    code = (month.astype(np.int64) % 12 + 1) * 100 + day_of_month
    return (np.isin(seconds // DAY, days) | np.isin(code, yearly)).astype(np.int64)


def _holiday(listed: frozenset[int], each_year: frozenset[int], second: int) -> int:
    day = second // DAY
    date = datetime.date.fromordinal(day + FIRST_DAY)
    return day in listed or date.month * 100 + date.day in each_year


def _month_day(text: str) -> int:
    month, day = text.split("-")
    return int(month) * 100 + int(day)
