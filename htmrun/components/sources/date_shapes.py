"""The strptime format of one text that looks like a date, told by its shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

Order = Literal["ymd", "mdy", "dmy"]

ORDERS: tuple[Order, ...] = ("ymd", "mdy", "dmy")
"""What may come first in a date; the whole column decides."""
EPOCHS = {
    "epoch_s": (3.15e8, 4.1e9),
    "epoch_ms": (3.15e11, 4.1e12),
    "epoch_us": (3.15e14, 4.1e15),
    "epoch_ns": (3.15e17, 4.1e18),
}
"""Formats of numbers that count from 1970, and the range of 1980 to 2099 in each."""

_MONTHS = (
    "January|February|March|April|May|June|July|August|September|October|November|December|"
    "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
)
_DAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_MONTH = re.compile(rf"\b(?:{_MONTHS})(?![a-z])|(?<=\d)(?:{_MONTHS})(?![a-z])", re.IGNORECASE)
_DAY = re.compile(rf"^(?:{_DAYS})\b", re.IGNORECASE)

_ZONE_NAME = r"[A-Z]{3,5}|[A-Z][A-Za-z]+(?:/[A-Z][A-Za-z_+-]+){1,2}"
_ZONE = rf"(?:Z|z|(?:UTC|GMT)?[+-]\d\d?(?::?\d\d)?|{_ZONE_NAME}|[\[(][A-Za-z_/ +-]+[\])])"
_ZONED = re.compile(
    rf"(?P<time>.*?(?:\d[:.]\d\d(?:[.,]\d+)?|T\d{{2,6}}(?:[.,]\d+)?|\d ?[AaPp]\.?[Mm]\.?))"
    rf"(?P<zone>\s*{_ZONE}(?:\s?{_ZONE})?)"
)
_ZONE_BEFORE_YEAR = re.compile(rf"(?P<time>.*:\d\d)(?P<zone> {_ZONE})(?P<year> \d{{4}})")
_CLOCK = re.compile(
    r"(?P<clock>\d{1,2}(?P<c>[:.])\d\d(?:(?P=c)\d\d(?:[.,]\d{1,9})?)?|\d{1,2}(?= ?[AaPp]\.?[Mm]))"
    r"(?P<half> ?[AaPp]\.?[Mm]\.?)?"
)
_TIMED = re.compile(rf"(?P<date>.+?)(?P<gap>[Tt]| at |[ ,_]+|:|-)(?P<rest>{_CLOCK.pattern})")
_BASIC = re.compile(
    r"(?P<date>\d{8}|\d{4}-\d\d-\d\d)(?P<gap>[T ])(?P<clock>\d{2,6})(?P<f>[.,]\d+)?"
)
_HOURLY = re.compile(r"(?P<date>.+[-/. ]\d{1,4}) (?P<hour>\d{1,2})")
_THREE = re.compile(r"(\d+)([-/. ])(\d\d?)\2(\d+)")


def without_zone(text: str) -> str:
    """Return a time without its zone or offset, as local time; ValueError if it has none."""
    bare = text.strip().strip("[]") if text.strip()[:1] == "[" else text.strip()
    found = _ZONED.fullmatch(bare)
    if found is not None:
        return found["time"]
    found = _ZONE_BEFORE_YEAR.fullmatch(bare)
    if found is not None:
        return found["time"] + found["year"]
    raise ValueError(f"{text!r} has no offset from UTC and no time zone")


def is_clock(text: str) -> bool:
    """Say whether a text is a time of day, without a date."""
    return _CLOCK.fullmatch(text.strip()) is not None


def format_of(text: str, order: Order, *, digits: bool = False, years: bool = False) -> str | None:
    """Return the strptime format of a date and time that begins as `order` says; None: no date.

    The text need not be a date of that format (month 13). A zone or offset shows as %z or %Z, a
    quarter as %q.
    digits: also what consists of digits alone, like %Y%m%d, or counts from 1970 (see `EPOCHS`).
    years: also %Y.
    """
    text = text.strip()
    if text[:1] == "[" and text[-1:] == "]":
        inner = format_of(text[1:-1], order)
        return None if inner is None else f"[{inner}]"
    if text.isdecimal() or _is_decimal(text):
        return _of_digits(text, digits, years) if order == "ymd" else None
    zoned = _ZONED.fullmatch(text)
    if zoned is not None:
        form = _timed(zoned["time"], order)
        return None if form is None else form + _mark(zoned["zone"])
    early = _ZONE_BEFORE_YEAR.fullmatch(text)
    if early is not None:
        form = _timed(early["time"] + early["year"], order)
        return None if form is None else form.removesuffix(" %Y") + _mark(early["zone"]) + " %Y"
    return _timed(text, order)


def _mark(zone: str) -> str:
    letters = zone.strip().upper()
    sign = "%z" if letters == "Z" or letters[:1] in "+-" else "%Z"
    return f"{' ' if zone[:1] == ' ' else ''}{sign}"


def _is_decimal(text: str) -> bool:
    whole, _, part = text.partition(".")
    return whole.isdecimal() and part.isdecimal() and len(whole) >= 9


def _of_digits(text: str, digits: bool, years: bool) -> str | None:
    if years and len(text) == 4:
        return "%Y"
    if not digits:
        return None
    value = float(text)
    for name, (low, high) in EPOCHS.items():
        # 2026010513 is a plain hour, and also a second of the year 2034.
        if low <= value < high and not (len(text) == 10 and _is_hour(text)):
            return name
    sizes = {6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
    return sizes.get(len(text))


def _is_hour(text: str) -> bool:
    year, month, day, hour = (int(text[a:b]) for a, b in ((0, 4), (4, 6), (6, 8), (8, 10)))
    return 1900 <= year < 2100 and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24


def _timed(text: str, order: Order) -> str | None:
    date = _date(text, order)
    if date is not None:
        return date
    for date, gap, clock in _divided(text):
        form = _date(date, order, digits=True)
        if form is not None:
            return f"{form}{gap}{clock}"
    return _year_last(text) if order == "ymd" else None


def _divided(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the date, what parts it from the clock, and the format of the clock."""
    basic = _BASIC.fullmatch(text)
    if basic is not None and len(basic["clock"]) % 2 == 0:
        clock = "%H%M%S"[: len(basic["clock"])]
        yield basic["date"], basic["gap"], clock + (f"{basic['f'][0]}%f" if basic["f"] else "")
    timed = _TIMED.fullmatch(text)
    if timed is not None:
        yield timed["date"], timed["gap"], clock_format(timed["rest"])
    hourly = _HOURLY.fullmatch(text)
    if hourly is not None:
        yield hourly["date"], " ", "%H"


def clock_format(text: str) -> str:
    """Return the strptime format of what `is_clock` says is a time of day."""
    found = _CLOCK.fullmatch(text)
    assert found is not None, text
    digits, mark = found["clock"], found["c"] or ""
    hour = "%H" if found["half"] is None else "%I"
    parts = re.split(r"[:.,]", digits)
    form = mark.join((hour, "%M", "%S")[: min(3, len(parts))])
    if len(parts) == 4:
        form += digits[-len(parts[3]) - 1] + "%f"
    return form + ("" if found["half"] is None else f"{' ' * (found['half'][0] == ' ')}%p")


def _date(text: str, order: Order, digits: bool = False) -> str | None:
    three = _THREE.fullmatch(text)
    if three is not None:
        return _of_three(three, order)
    if order == "ymd":
        if digits and re.fullmatch(r"\d{8}", text):
            return "%Y%m%d"
        for pattern, form in _ONE_WAY:
            found = re.fullmatch(pattern, text)
            if found is not None:
                return form.replace("-", found[1]) if found.groups() else form
    return _named(text, order)


_ONE_WAY = (
    (r"\d{4}([-/])\d\d?", "%Y-%m"),
    (r"\d\d?([-/])\d{4}", "%m-%Y"),
    (r"\d{4}M\d\d?", "%YM%m"),
    (r"\d{4}Q[1-4]", "%YQ%q"),
    (r"\d{4}-Q[1-4]", "%Y-Q%q"),
    (r"\d{4} Q[1-4]", "%Y Q%q"),
    (r"Q[1-4] \d{4}", "Q%q %Y"),
    (r"\d{4}-\d{3}", "%Y-%j"),
    (r"\d{4}-W\d\d-\d", "%G-W%V-%u"),
    (r"\d{4}W\d\d\d", "%GW%V%u"),
)


def _of_three(found: re.Match[str], order: Order) -> str | None:
    first, sign, _, last = found.groups()
    if len(first) == 4 and len(last) <= 2:
        return f"%Y{sign}%m{sign}%d" if order == "ymd" else None
    if len(first) > 2 or len(last) not in (2, 4):
        return None
    year = "%Y" if len(last) == 4 else "%y"
    if order == "dmy":
        return f"%d{sign}%m{sign}{year}"
    if order == "mdy":
        # With dots the day comes first wherever dots are written.
        return None if sign == "." else f"%m{sign}%d{sign}{year}"
    two = len(first) == len(found[3]) == len(last) == 2
    return f"%y{sign}%m{sign}%d" if two else None


def _named(text: str, order: Order) -> str | None:
    """Return the format of a date whose month is a name."""
    month = _MONTH.search(text)
    if month is None or "%" in text:
        return None
    name = "%b" if len(month[0]) == 3 else "%B"
    form = text[: month.start()] + name + text[month.end() :]
    form = _DAY.sub(lambda day: "%a" if len(day[0]) == 3 else "%A", form)
    numbers = re.findall(r"\d+", form)
    signs = _signs(numbers, order)
    if signs is None or (numbers != [n for n in numbers if len(n) <= 4]):
        return None
    if signs == ["%y"] and not re.fullmatch(r"%[bB][-'/]\d\d", form):
        return None  # "Jan 5" is a day without a year.
    for number, sign in zip(numbers, signs, strict=True):
        form = re.sub(rf"(?<![%\d]){number}(?!\d)", sign, form, count=1)
    if re.search(r"[^\W\d_]", re.sub(r"%[a-zA-Z]", "", form)):
        return None
    return form


def _signs(numbers: list[str], order: Order) -> list[str] | None:
    years = [len(n) == 4 for n in numbers]
    if len(numbers) == 1:
        if order != "ymd":
            return None
        return ["%Y"] if years[0] else ["%y"]
    if len(numbers) != 2 or sum(years) > 1:
        return None
    if any(years):
        return (["%Y", "%d"] if years[0] else ["%d", "%Y"]) if order == "ymd" else None
    return {"ymd": ["%y", "%d"], "dmy": ["%d", "%y"], "mdy": None}[order]


def _year_last(text: str) -> str | None:
    """Return the format of what ends in a clock and a year, like Mon Jan  5 00:00:00 2026."""
    found = re.fullmatch(r"(.*\d)( +)(\d\d:\d\d(?::\d\d)?) (\d{4})", text)
    if found is None:
        return None
    form = _named(f"{found[1]} {found[4]}", "ymd")
    if form is None:
        return None
    return f"{form.removesuffix(' %Y')} {clock_format(found[3])} %Y".replace("  ", " ")
