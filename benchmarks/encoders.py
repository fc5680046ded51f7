"""Speed of the encoders: python benchmarks/encoders.py [--quick]."""

from __future__ import annotations

from collections.abc import Iterator

import measuring
import numpy as np
from measuring import Rate, Table, number, share

from htmrun.components.encoders import Encoder, build_encoder
from htmrun.components.encoders.date import DateEncoderParameters
from htmrun.components.encoders.rdse import RDSEParameters
from htmrun.components.encoders.scalar import ScalarEncoderParameters

ABOUT = """
1024 values at a time, as in training, with the settings that experiments start from. The floor is
the time to write the result: four bytes for each on-bit, eight for each value. Values that come
each in a call of its own: `python benchmarks/one_sample.py encoders`.
"""

HEADS = ["encoder", "bits", "on", "values/s", "median", "floor/s", "share of floor"]
COUNT = 1024


def encoders() -> Iterator[tuple[str, Encoder, np.ndarray]]:
    random = np.random.default_rng(0)
    values = random.random(COUNT) * 100
    minutes = random.integers(0, 10 * 365 * 24 * 60, COUNT)
    dates = np.datetime64("2014-01-01") + minutes.astype("timedelta64[m]")
    made = [
        ("rdse", RDSEParameters(resolution=0.88), values),
        ("scalar", ScalarEncoderParameters(minimum=0, maximum=100), values),
        ("date", DateEncoderParameters(), dates.astype("datetime64[ns]")),
    ]
    for name, parameters, column in made:
        field = "timestamp" if name == "date" else "value"
        yield name, build_encoder(parameters, {field: ()}, 1), column


def measure(encoder: Encoder, column: np.ndarray, seconds: float) -> tuple[Rate, float, float]:
    """Return the rate, the floor and the mean number of on-bits."""
    fields = dict.fromkeys(encoder.fields, column)
    on = float(encoder.encode(fields).counts().mean())
    rate = measuring.repeated(lambda: encoder.encode(fields), COUNT, seconds)
    size = 4 * on + 8
    return rate, measuring.write_rate(int(COUNT * size)) / size, on


def rows(quick: bool) -> Iterator[list[str]]:
    for name, encoder, column in encoders():
        seconds = 0.3 if quick else 1.0
        rate, floor, on = measure(encoder, column, seconds)
        yield [
            *(name, f"{encoder.size}", f"{on:.1f}", number(rate.best), number(rate.median)),
            *(number(floor), share(rate.best, floor)),
        ]


TABLES = [Table("Encoders", ABOUT, HEADS, 1, rows)]

if __name__ == "__main__":
    measuring.main(__doc__, TABLES)
