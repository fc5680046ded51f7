"""Real series that ship inside statsmodels, as CSV text with dates in order."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from htmrun.components.sources.text_source import TextSource
from htmrun.errors import UserError


@dataclass(frozen=True)
class Bundled:
    """Text of a series and the format of its dates."""

    text: TextSource
    timestamp_format: str


def bundled_series(name: Literal["co2", "sunspots", "elnino"]) -> Bundled:
    """Return a series by name; raises UserError if statsmodels is not there.

    co2: weekly carbon dioxide at Mauna Loa 1958-2001, ppm, with gaps (Keeling, Whorf 2004).
    sunspots: yearly sunspot numbers 1700-2008. elnino: monthly sea temperature 1950-2010.
    """
    text = _read(name)
    if name == "co2":
        return Bundled(TextSource(name, text=text), "%Y%m%d")
    if name == "sunspots":
        return Bundled(TextSource(name, text=text), "%Y")
    return Bundled(TextSource(name, text=_months_below_each_other(text)), "%Y-%m")


def _read(name: str) -> str:
    # Only the place of the package is needed: importing statsmodels takes seconds.
    spec = importlib.util.find_spec("statsmodels")
    if spec is None or spec.origin is None:
        raise UserError(
            f"data.name: '{name}' ships with statsmodels, which is not installed; expected "
            "`pip install statsmodels` or data.path=FILE"
        )
    file = Path(spec.origin).parent / "datasets" / name / f"{name}.csv"
    try:
        return file.read_text("utf-8")
    except OSError as e:
        raise UserError(
            f"data.name: '{name}' is missing from statsmodels ({file}: {e.strerror}); give "
            "data.path=FILE"
        ) from None


def _months_below_each_other(text: str) -> str:
    lines = ["month,temperature"]
    for row in text.splitlines()[1:]:
        year, *months = row.split(",")
        lines += [f"{year}-{month:02d},{value}" for month, value in enumerate(months, 1)]
    return "\n".join(lines) + "\n"
