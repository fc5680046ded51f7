"""Dates and times in text: finding the format, and reading many at once."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from htmrun._imports import pandas

Seconds = npt.NDArray[np.datetime64]

_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f")
_ISO = ("", "T%H:%M", "T%H:%M:%S", "T%H:%M:%S.%f", "T%H:%M:%S%z", "T%H:%M:%S.%f%z")
_SPELT = ("%Y-%m-%d", "%Y/%m/%d", "%m/%d/%y", "%d/%m/%y", "%m/%d/%Y", "%d/%m/%Y")
_DOTTED = ("%d.%m.%Y", "%d.%m.%y", "%d-%m-%Y", "%m-%d-%Y")

FORMATS = (
    *(f"%Y-%m-%d{clock}" for clock in _ISO),
    *(f"{day}{clock}" for day in (*_SPELT, *_DOTTED) for clock in _CLOCKS),
    "%Y-%m-%d %H:%M:%S%z",
    "%Y-%m",
)
DIGITS_ONLY = ("%Y%m%d", "%Y%m%d%H%M", "%Y%m%d%H%M%S")
"""Formats that plain numbers fit too; tried only where a column is known to hold dates."""

_OFFSET = re.compile(r"(.*\d)\s*(?:Z|[+-]\d\d:?\d\d)")


class AmbiguousError(ValueError):
    """Several formats read the same text differently; `formats` lists them."""

    def __init__(self, formats: Sequence[str]) -> None:
        super().__init__(f"fits {' and '.join(formats)}")
        self.formats = tuple(formats)


def parse(texts: Sequence[str], form: str) -> Seconds:
    """Return datetime64[s] (T,) for texts in one strptime format; offsets keep local time.

    Fractions of a second are cut off. Raises ValueError if any text does not fit.
    """
    if form.endswith("%z"):
        texts, form = [_without_offset(text) for text in texts], form[:-2].rstrip()
    index = pandas.to_datetime(list(texts), format=form, exact=True)
    out = index.to_numpy().astype("datetime64[s]")
    if np.isnat(out).any():
        raise ValueError("not a time")
    return out


def _without_offset(text: str) -> str:
    found = _OFFSET.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return found[1]


def find_format(texts: Sequence[str], *, digits: bool = False) -> str | None:
    """Return the format that all `texts` fit, None if there is none.

    Where several fit (day or month first), the one whose time steps are the most even wins;
    raises AmbiguousError if that does not decide. `digits`: also try formats like %Y%m%d.
    """
    fits: dict[str, Seconds] = {}
    for form in (*FORMATS, *(DIGITS_ONLY if digits else ())):
        # The first text rules most formats out at no cost.
        if not _fits(texts[:1], form):
            continue
        try:
            fits[form] = parse(texts, form)
        except ValueError:
            continue
    if not fits:
        return None
    best = max(map(evenness, fits.values()))
    winners = [form for form, times in fits.items() if evenness(times) == best]
    if any((fits[form] != fits[winners[0]]).any() for form in winners[1:]):
        raise AmbiguousError(winners)
    return winners[0]


def evenness(times: Seconds) -> float:
    """Return the share of time steps equal to the commonest one, 1.0 for fewer than two times."""
    steps = np.diff(times.astype(np.int64))
    if len(steps) == 0:
        return 1.0
    return float(np.unique(steps, return_counts=True)[1].max() / len(steps))


def _fits(texts: Sequence[str], form: str) -> bool:
    try:
        parse(texts, form)
    except ValueError:
        return False
    return True
