"""Dates and times in text, read many at once."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from htmrun._imports import pandas
from htmrun.components.sources.date_shapes import EPOCHS, Order, format_of, without_zone
from htmrun.errors import UserError

Times = npt.NDArray[np.datetime64]

OR = " or "
"""Between the formats of a column that has several, such as seconds with and without a fraction."""
FORMS_AT_MOST = 6
_ZONE_LAST = re.compile(r"\s*%[zZ]$")
_ZONE_EARLY = re.compile(r" %[zZ] %Y$")
_FACTORS = {"epoch_s": 10**6, "epoch_ms": 1000, "epoch_us": 1, "epoch_ns": 1}


def unit_of(texts: Sequence[str], form: str) -> str:
    """Return the unit that holds such times: ns where they are finer than microseconds, else us."""
    fine = form == "epoch_ns" or any(re.search(r":\d\d[.,]\d{7}", text) for text in texts)
    return "ns" if fine else "us"


FEW = 16
"""Texts up to which the standard library is faster; it reads plain forms as pandas does."""
_PARTS = "YmdHMS"
_PLAIN = re.compile(r"(%[YmdHMSybB]|[^%\w\s]|[ T])+")


def parse(texts: Sequence[str], form: str, unit: str = "us", order: Order | None = None) -> Times:
    """Return what `read` returns; raises ValueError if a text does not fit."""
    out = read(texts, form, unit, order)
    missing = np.isnat(out)
    if missing.any():
        raise ValueError(f"{texts[int(missing.argmax())]!r} is no time like {form}")
    return out


def read(texts: Sequence[str], form: str, unit: str = "us", order: Order | None = None) -> Times:
    """Return datetime64[unit] (T,) for texts of one format; a zone or offset keeps local time.

    form: of strptime, of `EPOCHS`, or several, parted by " or ". order: texts of another format
    that begins alike, say without the fraction, are read too. What is finer than `unit` is cut off.
    NaT where a text does not fit.
    """
    if len(texts) <= FEW and unit == "us" and _is_plain(form):
        # A row of a pipe at a time: all else takes longer than to read it.
        with suppress(ValueError):
            return _by_standard_library(texts, form)
    out = np.full(len(texts), np.datetime64("NaT"), f"datetime64[{unit}]")
    left = np.arange(len(texts))
    for one in form.split(OR):
        left = _read(texts, left, one, out)
    tried: set[str] = set()
    while len(left) and order is not None and len(tried) < FORMS_AT_MOST:
        others = (format_of(texts[i], order) for i in left.tolist())
        other = next((form for form in others if form is not None and form not in tried), None)
        if other is None:
            break
        tried.add(other)
        left = _read(texts, left, other, out)
    return out


def read_one(text: str, form: str, unit: str) -> Times | None:
    """Return what `read` does of a single text, (1,); None: one that is not so plain."""
    if unit != "us" or not _is_plain(form):
        return None
    try:
        return _by_standard_library((text,), form)
    except ValueError:
        return None


def _read(
    texts: Sequence[str], places: npt.NDArray[np.int64], form: str, out: Times
) -> npt.NDArray[np.int64]:
    """Fill `out` at the places whose texts fit, and return the others."""
    if not len(places):
        return places
    chosen = texts if len(places) == len(texts) else [texts[i] for i in places.tolist()]
    found = _parse_one(chosen, form).astype(out.dtype)
    out[places] = found
    return places[np.isnat(found)]


def _parse_one(texts: Sequence[str], form: str) -> Times:
    """Return the times, NaT where a text does not fit."""
    if form in EPOCHS:
        return _since_1970(texts, form)
    if form[:1] == "[" and form[-1:] == "]":
        texts, form = [_unpacked(text) for text in texts], form[1:-1]
    if _ZONE_LAST.search(form):
        texts, form = [_bare(text) for text in texts], _ZONE_LAST.sub("", form)
    elif _ZONE_EARLY.search(form):
        texts, form = [_bare(text) for text in texts], _ZONE_EARLY.sub(" %Y", form)
    elif re.search(r"%[zZ]", form):
        return np.array([_local(text, form) for text in texts], "datetime64[us]")
    if "%q" in form:
        texts, form = [re.sub(r"Q([1-4])", _month, t) for t in texts], form.replace("%q", "%m")
    if "%p" in form:
        texts = [re.sub(r"([AaPp])\.[Mm]\.", r"\1M", text) for text in texts]
    out = _strptime(texts, form)
    padded = [i for i in np.flatnonzero(np.isnat(out)).tolist() if texts[i] != texts[i].strip()]
    if padded:
        out[padded] = _strptime([texts[i].strip() for i in padded], form).astype(out.dtype)
    return out


def _strptime(texts: Sequence[str], form: str) -> Times:
    # pandas reads these, whatever the form, as the moment at which it does.
    texts = ["" if text.strip().lower() in ("now", "today") else text for text in texts]
    if len(texts) <= FEW and _PLAIN.fullmatch(form):
        # A row of a pipe at a time: pandas takes a millisecond to begin.
        with suppress(ValueError):
            return _by_standard_library(texts, form)
    try:
        index = pandas.to_datetime(
            np.array(texts, object), format=form, exact=True, errors="coerce"
        )
    except (ValueError, re.error) as error:
        raise UserError(
            f"data.timestamp_format: found '{form}' ({error}), expected a format of strptime"
        ) from None
    return np.array(index)  # Its own, which can be written to.


@lru_cache(maxsize=64)
def _is_plain(form: str) -> bool:
    """Say whether the standard library reads texts of a form as they stand."""
    return form[:1] != "[" and _PLAIN.fullmatch(form) is not None


def _by_standard_library(texts: Sequence[str], form: str) -> Times:
    """Return times; raises ValueError where a text does not fit."""
    fixed = _fixed(form)
    return np.array([_time(t, form, fixed) for t in texts], "datetime64[us]")


@lru_cache(maxsize=64)
def _fixed(form: str) -> tuple[re.Pattern[str], list[int]] | None:
    """Return a pattern of texts with all digits of a form, and which numbers of a time they are.

    None: of a form with other parts, or without a month. What fits, strptime reads alike, and ten
    times as slowly.
    """
    names = re.findall("%(.)", form)
    if not set(names) <= set(_PARTS) or len(set(names)) < len(names) or not {"Y", "m"} <= {*names}:
        return None
    digits = {f"%{name}": rf"(\d{{{4 if name == 'Y' else 2}}})" for name in _PARTS}
    parts = re.split("(%.)", form)
    pattern = "".join(digits.get(part) or re.escape(part) for part in parts)
    return re.compile(pattern, re.ASCII), [_PARTS.index(name) for name in names]


def _time(
    text: str, form: str, fixed: tuple[re.Pattern[str], list[int]] | None
) -> datetime.datetime:
    found = fixed[0].fullmatch(text) if fixed else None
    if found is None or fixed is None:
        return datetime.datetime.strptime(text, form)
    numbers = [1, 1, 1, 0, 0, 0]
    for place, digits in zip(fixed[1], found.groups(), strict=True):
        numbers[place] = int(digits)
    year, month, day, hour, minute, second = numbers
    return datetime.datetime(year, month, day, hour, minute, second)


def _unpacked(text: str) -> str:
    bare = text.strip()
    return bare[1:-1] if bare[:1] == "[" and bare[-1:] == "]" else ""


def _bare(text: str) -> str:
    try:
        return without_zone(text)
    except ValueError:
        return ""


def _local(text: str, form: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.strptime(text.strip(), form).replace(tzinfo=None)
    except ValueError:
        return None


def _month(quarter: re.Match[str]) -> str:
    return f"Q{3 * int(quarter[1]) - 2:02d}"


def _since_1970(texts: Sequence[str], form: str) -> Times:
    unit = "ns" if form == "epoch_ns" else "us"
    factor = _FACTORS[form]
    _, high = EPOCHS[form]
    counts, fits = np.zeros(len(texts), np.int64), np.zeros(len(texts), bool)
    for i, text in enumerate(texts):
        try:
            value = int(text) if text.isdecimal() else float(text)
        except ValueError:
            continue
        if abs(value) < high:
            counts[i], fits[i] = round(value * factor), True
    out = counts.astype(f"datetime64[{unit}]")
    out[~fits] = np.datetime64("NaT")
    return out
