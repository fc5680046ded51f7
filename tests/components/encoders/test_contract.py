"""Every kind of encoder is a pure function of its parameters, the seed and the value."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import TypeAdapter

from htmrun.backends.parameters import Parameters
from htmrun.components.registry import Section
from htmrun.testing import EncoderChecks

RANDOM = np.random.default_rng(0)
NUMBERS = {"value": np.concatenate([[3.0, 3.0], RANDOM.normal(0, 5, 60), [-1e3, 1e3]])}
TIMES = {"timestamp": np.datetime64("1969-12-30", "s") + RANDOM.integers(0, 1 << 28, 40)}
SYMBOLS = {"symbol": RANDOM.integers(0, 5, 40).astype(float)}
BOTH = {"value": NUMBERS["value"][:40], **TIMES}
IMAGES = {"image": RANDOM.integers(0, 256, (20, 4, 3)).astype(np.uint8)}
NO_NUMBERS = ({"value": np.array([1.0, np.inf])}, {"value": np.array(["2020-01-01"], "M8[s]")})
POSITIVE = {"value": np.exp(RANDOM.normal(0, 5, 60))}
CELLS = {name: np.round(RANDOM.normal(0, 9, 40)) for name in "xyz"}
FLIGHT = {
    "longitude": RANDOM.normal(0, 60, 40).clip(-180, 180),
    "latitude": RANDOM.normal(0, 30, 40).clip(-85, 85),
    "height": RANDOM.normal(0, 99, 40),
    "speed": RANDOM.normal(0, 20, 40),
}


def of(**settings: object) -> Parameters:
    return TypeAdapter(Annotated[Parameters, Section(("encoder",))]).validate_python(settings)


class TestScalar(EncoderChecks):
    parameters = of(kind="scalar", size=50, active=5)
    samples = NUMBERS
    refused = NO_NUMBERS


class TestPeriodic(EncoderChecks):
    parameters = of(kind="scalar", size=50, active=5, periodic=True, minimum=-2.0, maximum=3.0)
    samples = NUMBERS


class TestScalarThatClipsNothing(EncoderChecks):
    parameters = of(kind="scalar", clip=False)
    samples = NUMBERS
    refused = ({"value": np.array([0.0, 1001.0])},)


class TestRDSE(EncoderChecks):
    parameters = of(kind="rdse", size=300, active=11, resolution=0.01)
    samples = NUMBERS
    refused = (*NO_NUMBERS, {"value": np.array([1e300])})
    seeded = True


class TestDate(EncoderChecks):
    parameters = of(kind="date", season={}, day_of_week={}, holiday={"dates": ["12-25"]})
    samples = TIMES
    refused = ({"timestamp": np.arange(3.0)},)


class TestCategory(EncoderChecks):
    parameters = of(kind="category", active=3)
    samples = SYMBOLS
    refused = tuple({"symbol": np.array([1.0, wrong])} for wrong in (5.0, -1.0, 1.5))


class TestRandomCategory(EncoderChecks):
    parameters = of(kind="category", mode="random", size=200, active=7)
    samples = SYMBOLS
    seeded = True


class TestImage(EncoderChecks):
    parameters = of(kind="image", threshold=100)
    samples = IMAGES


class TestImageWithEdges(EncoderChecks):
    parameters = of(kind="image", threshold=100, contrast=30, reach=2)
    samples = IMAGES


class TestImageInPlanes(EncoderChecks):
    parameters = of(kind="image", levels=[0, 90, 200])
    samples = IMAGES


class TestFields(EncoderChecks):
    parameters = of(
        kind="fields",
        fields={
            "timestamp": {"kind": "date"},
            "value": {"kind": "rdse"},
            "again": {"kind": "scalar", "field": "value"},
            "humidity": {"kind": "rdse", "optional": True},
        },
    )
    samples = BOTH
    refused = ({"value": np.array([np.inf]), "timestamp": TIMES["timestamp"][:1]},)
    seeded = True


class TestLog(EncoderChecks):
    parameters = of(kind="log", size=50, active=5, minimum=0.01, maximum=1000.0)
    samples = POSITIVE
    refused = (*NO_NUMBERS, {"value": np.array([1.0, 0.0])}, {"value": np.array([-3.0])})


class TestLogThatGoesToZero(EncoderChecks):
    parameters = of(kind="log", not_positive="lowest", minimum=0.5)
    samples = NUMBERS
    refused = NO_NUMBERS


class TestCoordinate(EncoderChecks):
    parameters = of(kind="coordinate", fields=["x", "y", "z"], size=300, active=11, radius=2)
    samples = CELLS
    refused = ({"x": np.zeros(1), "y": np.zeros(1), "z": np.array([np.inf])},
               {"x": np.zeros(1), "y": np.zeros(1), "z": np.array([1e17])})  # fmt: skip
    seeded = True


class TestGeospatial(EncoderChecks):
    parameters = of(kind="geospatial", altitude="height", speed="speed", active=9, radius=1)
    samples = FLIGHT
    refused = tuple(
        {name: np.full(1, value if name == wrong else 0.0) for name in FLIGHT}
        for wrong, value in (("longitude", 180.1), ("latitude", -89.0), ("speed", 1e9))
    )
    seeded = True
