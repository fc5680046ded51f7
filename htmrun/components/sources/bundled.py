"""Real series: in statsmodels, as CSV text with dates in order; or downloaded once."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from htmrun.components.sources.download import Collection
from htmrun.components.sources.text_source import TextSource
from htmrun.errors import UserError

_INSTEAD = "give data.path=FILE"
# The example of NuPIC and its successors: a gym's electricity, 4,391 hours of 2010.
HOTGYM = Collection(
    "hotgym", "hotgym",
    ("https://raw.githubusercontent.com/htm-community/htm.core/master/py/htm/examples/hotgym/",),
    {"gymdata.csv": "e87aae8f9cda96de730afab4d9464aabc5085eca1279ca79da3cd3149779b027"},
    _INSTEAD,
)  # fmt: skip
# Cui, Ahmad, Hawkins 2016: passengers in 17,520 half hours from July 2014 on.
TAXI = Collection(
    "NYC taxi", "nyc_taxi",
    ("https://raw.githubusercontent.com/numenta/htmresearch/master/projects/sequence_prediction/"
     "continuous_sequence/data/",),
    {"nyc_taxi.csv": "092d957f5bb0d2cd62f85098ed2268114a47b4738a5f4b29ea6be4be7349fc4d"},
    _INSTEAD,
)  # fmt: skip
PUBLISHED = {"hotgym": HOTGYM, "nyc_taxi": TAXI}
"""Series that are downloaded once; the sums are those of the files that docs/results measured."""


@dataclass(frozen=True)
class Bundled:
    """Text of a series and the format of its dates."""

    text: TextSource
    timestamp_format: str


def bundled_series(name: str) -> Bundled:
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
