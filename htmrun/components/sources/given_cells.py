"""Cells of rows as a program has them: texts, numbers, times, None where nothing came."""

from __future__ import annotations

import datetime
import math

import numpy as np

from htmrun.backends.parameters import LARGEST
from htmrun.components.sources.cells import NumberFormat

Cell = str | float | datetime.date | np.generic | None


def text_of(cell: Cell) -> str:
    """Return a cell as a text, empty for None."""
    return cell if isinstance(cell, str) else "" if cell is None else str(cell)


def number_of(cell: Cell, form: NumberFormat) -> float | None:
    """Return a cell's number, NaN for None; None: a text to be read as `form` says, or no number.

    A number means itself, however texts are written.
    """
    if isinstance(cell, str):
        if form.missing or not form.plain:
            return None
        try:
            value = float(cell)
        except ValueError:
            return None
        return value if abs(value) <= LARGEST and "_" not in cell else None
    if cell is None:
        return math.nan
    if not isinstance(cell, int | float | np.number | np.bool_) or isinstance(
        cell, np.complexfloating | np.timedelta64
    ):
        return None
    try:
        value = float(cell)
    except OverflowError:
        return None
    return value if value != value or abs(value) <= LARGEST else None


def time_of(cell: Cell, unit: str) -> np.ndarray | None:
    """Return a time as datetime64[unit] (1,); None: a text, or what is to be read as one.

    As it is written: a time zone is left out, and what is finer than the unit is cut off.
    """
    if isinstance(cell, datetime.datetime):
        cell = np.datetime64(cell.replace(tzinfo=None))
    elif isinstance(cell, datetime.date):
        cell = np.datetime64(cell)
    if not isinstance(cell, np.datetime64):
        return None
    return np.array([cell], f"datetime64[{unit}]")
