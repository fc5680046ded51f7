"""Numbers in the cells of a table: how they are written, and what stands for a missing one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmrun.backends.parameters import LARGEST

MISSING = frozenset({"", "nan", "-nan", "na", "n/a", "#n/a", "#na", "<na>", "null", "none", "nat"})
_SPACES = str.maketrans("\u00a0\u202f\u2009\u2212", "   -")
"""Spaces that do not break, and the sign of a minus."""
_SIGNED = r"[+-]?"
_EXPONENT = r"(?:[eE][+-]?\d+)?"


@dataclass(frozen=True)
class NumberFormat:
    """How numbers are written.

    decimal: before the fraction. thousands: between groups of three digits, "" if they are not
    grouped. missing: further texts that stand for no value; one that is a number stands for all
    writings of it. units: texts beside numbers that are left out.
    """

    decimal: str = "."
    thousands: str = ""
    missing: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether Python's float reads such numbers."""
        return self.decimal == "." and not (self.thousands or self.units)

    def words(self) -> str:
        """Return the format as it would be set."""
        grouped = f" data.thousands='{self.thousands}'" if self.thousands else ""
        return f"data.decimal='{self.decimal}'{grouped}"


PLAIN = NumberFormat()
STYLES = tuple(
    NumberFormat(decimal, thousands)
    for decimal, thousands in (
        (".", ""), (",", ""), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'")
    )
)  # fmt: skip
"""Ways to write a number; where a file does not decide between them, the user does."""


def is_missing(text: str) -> bool:
    """Say whether a cell holds no value, whatever the settings are."""
    return text.strip().lower() in MISSING


def is_number(text: str) -> bool:
    """Say whether a cell holds a finite number as Python writes it."""
    try:
        return "_" not in text and math.isfinite(float(text))
    except ValueError:
        return False


class Wanted:
    """Texts of cells that are meant; a number stands for all writings of it."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = set(texts)
        self._values = {float(text) for text in self._texts if is_number(text)}

    def __contains__(self, cell: str) -> bool:
        text = cell.strip()
        if text in self._texts:
            return True
        return bool(self._values) and is_number(text) and float(text) in self._values


def value_of(text: str, form: NumberFormat) -> float | None:
    """Return the number that a cell holds, NaN if it holds none, None if it is something else."""
    if form.plain and not form.missing and is_number(text):
        return _within(float(text))
    bare = text.translate(_SPACES).strip()
    if bare.lower() in MISSING or bare in form.missing:
        return np.nan
    for unit in form.units:
        bare = bare.removesuffix(unit).removeprefix(unit).strip()
    if form.thousands or form.decimal != ".":
        if _pattern(form.decimal, form.thousands).fullmatch(bare) is None:
            return None
        bare = bare.replace(form.thousands, "") if form.thousands else bare
        bare = bare.replace(form.decimal, ".")
    return _within(float(bare)) if is_number(bare) else None


def _within(value: float) -> float | None:
    return value if abs(value) <= LARGEST else None


def _pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    key = (decimal, thousands)
    if key not in _PATTERNS:
        digits = r"\d+"
        if thousands:
            digits = rf"(?:[1-9]\d{{0,2}}(?:{re.escape(thousands)}\d{{3}})+|\d+)"
        point = re.escape(decimal)
        body = rf"(?:{digits}(?:{point}\d*)?|{point}\d+)"
        _PATTERNS[key] = re.compile(_SIGNED + body + _EXPONENT)
    return _PATTERNS[key]


_PATTERNS: dict[tuple[str, str], re.Pattern[str]] = {}


def numbers(cells: Sequence[str], form: NumberFormat | None = None) -> npt.NDArray[np.float64]:
    """Return the cells as float64 (T,), NaN where one is missing.

    Raises ValueError(place of the first cell that is neither a number up to `LARGEST` nor missing);
    Python's 1_000 is text.
    """
    form = PLAIN if form is None else form
    out = _all_numbers(cells) if form.plain else _all_of_a_style(cells, form)
    if out is None:
        out = np.empty(len(cells))
        for i, cell in enumerate(cells):
            value = value_of(cell, form)
            if value is None:
                raise ValueError(i)
            out[i] = value
    for text in form.missing:
        sentinel = value_of(text, NumberFormat(form.decimal, form.thousands))
        if sentinel is not None:
            out[out == sentinel] = np.nan
    return out


def _all_numbers(cells: Sequence[str]) -> npt.NDArray[np.float64] | None:
    # The common case in one pass; anything unusual is left to a look at each cell.
    try:
        out = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    return None if (np.abs(out) > LARGEST).any() or "_" in "".join(cells) else out


def _all_of_a_style(cells: Sequence[str], form: NumberFormat) -> npt.NDArray[np.float64] | None:
    if form.units or not all(map(_pattern(form.decimal, form.thousands).fullmatch, cells)):
        return None
    text = "\n".join(cells)
    if form.thousands:
        text = text.replace(form.thousands, "")
    return _all_numbers(text.replace(form.decimal, ".").split("\n"))


_CORE = (
    r"[+-]?(?:\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d*)?|\d{1,2}(?:,\d\d)*,\d{3}(?:\.\d*)?|"
    r"\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?"
)
_DECORATED = re.compile(
    rf"[^\w\s]{{0,2}}\s?[(]?{_CORE}[)]?(?:\s?[^\W\d_]{{1,4}}(?:/[^\W\d_]{{1,4}})?[23]?)?\s?[^\w\s]{{0,3}}"
    r"|[$€£¥]\s?" + _CORE
)


def looks_numeric(text: str) -> bool:
    """Say whether a cell is a number, perhaps with a unit, a sign or a mark beside it."""
    return _DECORATED.fullmatch(text.translate(_SPACES).strip()) is not None
