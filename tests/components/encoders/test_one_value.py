"""A single value goes another way than many, and has the same bytes."""

from __future__ import annotations

import pickle
from typing import Annotated

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from htmrun.backends.bits import Bits
from htmrun.backends.parameters import Parameters
from htmrun.components.encoders import Encoder, build_encoder
from htmrun.components.encoders.blocks import Kept
from htmrun.components.registry import Section
from htmrun.errors import UserError

ADAPTER = TypeAdapter(Annotated[Parameters, Section(("encoder",))])
NUMBERS = st.floats(allow_infinity=False, width=64) | st.integers(-60, 60).map(lambda n: n / 4)
EIGHTHS = st.integers(-80, 80).map(lambda n: n / 8)
SECONDS = st.integers(-(1 << 42), 1 << 42) | st.integers(0, 1 << 31)


def build(**given_settings: object) -> Encoder:
    field = "timestamp" if given_settings["kind"] == "date" else "value"
    return build_encoder(
        ADAPTER.validate_python(given_settings), {field: ()}, 3, {"value": (-7.5, 12.25)}
    )


def same(encoder: Encoder, column: np.ndarray) -> None:
    """Encode a value twice beside each other, which is the way of many, and once by itself."""
    (field,) = encoder.fields
    alone = encoder.encode({field: column})
    both = encoder.encode({field: np.concatenate([column, column])})
    again = Bits.concatenate([alone, alone])
    assert again.indices.dtype == both.indices.dtype == alone.indices.dtype == np.int32
    assert alone.offsets.dtype == np.int64
    np.testing.assert_array_equal(again.indices, both.indices)
    np.testing.assert_array_equal(again.offsets, both.offsets)


SCALARS = {
    "plain": build(kind="scalar", size=50, active=7),
    "periodic": build(kind="scalar", size=36, active=5, periodic=True),
    "halves": build(kind="scalar", size=23, active=7, minimum=0, maximum=32),
    "narrow": build(kind="scalar", minimum=0.1, maximum=0.3),
    "log": build(kind="log", minimum=1e-3, maximum=2e5, not_positive="lowest", size=60),
}


@pytest.mark.parametrize("name", SCALARS)
@given(value=NUMBERS)
@example(value=float("nan"))
@example(value=-0.0)
@example(value=1.0)  # Half way between two bits of "halves".
@example(value=12.25)
@example(value=1e308)
def test_a_number(name: str, value: float) -> None:
    if abs(value) > 1e200 and name == "periodic":
        return  # The place in a period of what is so large is lost, whichever way it goes.
    same(SCALARS[name], np.array([value]))


@settings(deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6) | EIGHTHS | st.just(float("nan")), min_size=1, max_size=20)
)
def test_a_number_of_an_rdse_whatever_its_table_holds(values: list[float]) -> None:
    encoder = build(kind="rdse", size=400, active=13, resolution=0.25)
    for value in values:
        same(encoder, np.array([value]))


DATES = {
    "all": build(
        kind="date", season={}, day_of_week={}, holiday={"dates": ["12-25", "2021-07-04"]}
    ),
    "uneven": build(kind="date", time_of_day={"size": 53, "active": 20}, season={"size": 77}),
}


@pytest.mark.parametrize("name", DATES)
@given(second=SECONDS, unit=st.sampled_from(["s", "ms", "us", "ns", "m", "D"]))
@example(second=1609459199, unit="s")
@example(second=0, unit="us")
@example(second=-1, unit="ns")
@example(second=-86_400_000_001, unit="us")
@example(second=1 << 20, unit="D")  # Beyond Python's calendar.
@example(second=1640390400, unit="s")  # Christmas.
@example(second=1625356800, unit="s")  # 4 July 2021.
def test_a_time(name: str, second: int, unit: str) -> None:
    same(DATES[name], np.array([second], f"datetime64[{unit}]"))


def test_a_time_that_is_none() -> None:
    for encoder in DATES.values():
        for unit in ("s", "ns", "D"):
            same(encoder, np.array(["NaT"], f"datetime64[{unit}]"))


CATEGORIES = {
    "blocks": build(kind="category", categories=9, active=4, field="value"),
    "random": build(kind="category", mode="random", categories=9, size=70, field="value"),
}


@pytest.mark.parametrize("name", CATEGORIES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8])
def test_a_category(name: str, dtype: type) -> None:
    for category in (*range(9), 3, 0):
        same(CATEGORIES[name], np.array([category], dtype))
    if dtype is np.float64:
        same(CATEGORIES[name], np.array([np.nan]))
        same(CATEGORIES[name], np.array([-0.0]))


@pytest.mark.parametrize("category", [-1.0, 9.0, 2.5, np.inf])
def test_what_is_no_category_is_refused_alone_too(category: float) -> None:
    with pytest.raises(UserError, match=r"^encoder"):
        CATEGORIES["blocks"].encode({"value": np.array([category])})


DEGREES = st.floats(-85, 85) | st.integers(-160, 160).map(lambda n: n / 2)
PLACES = {
    "flat": {"kind": "coordinate", "fields": ["x", "y"], "scale": 0.3},
    "map": {"kind": "geospatial", "longitude": "x", "latitude": "y", "scale": 500.0},
    "way": {"kind": "geospatial", "longitude": "x", "latitude": "y", "speed": "v"},
}


@pytest.mark.parametrize("name", PLACES)
@settings(deadline=None, max_examples=40)
@given(x=DEGREES, y=st.floats(-85, 85), v=st.floats(-400, 400) | st.just(float("nan")))
@example(x=float("nan"), y=1.0, v=1.0)
@example(x=0.0, y=-0.0, v=0.0)
@example(x=180.0, y=85.06, v=30.0)
def test_a_place(name: str, x: float, y: float, v: float) -> None:
    columns = {n: np.array([value]) for n, value in (("x", x), ("y", y), ("v", v))}
    encoder = build_encoder(ADAPTER.validate_python(PLACES[name]), dict.fromkeys(columns, ()), 3)
    alone = encoder.encode(columns)
    both = encoder.encode({n: np.concatenate([a, a]) for n, a in columns.items()})
    np.testing.assert_array_equal(np.tile(alone.indices, 2), both.indices)
    np.testing.assert_array_equal(Bits.concatenate([alone, alone]).offsets, both.offsets)


def test_a_place_that_is_too_far_away_is_refused_alone_too() -> None:
    encoder = build_encoder(ADAPTER.validate_python(PLACES["flat"]), {"x": (), "y": ()}, 3)
    with pytest.raises(UserError, match=r"^encoder\.scale"):
        encoder.encode({"x": np.array([1e18]), "y": np.array([0.0])})


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htmrun.components.encoders.blocks.KEPT_BITS", 30)
    made: list[int] = []

    def make(place: int) -> Bits:
        made.append(place)
        return Bits.from_rows(40, [[place, place + 7]])

    kept = Kept(make)
    for place in (*range(20), *range(20), 19):
        assert kept.bits(place).indices.tolist() == [place, place + 7]
    assert 20 < len(made) < 41


@given(st.lists(st.lists(st.integers(0, 9), max_size=6, unique=True), min_size=1, max_size=4))
def test_parts_side_by_side(rows: list[list[int]]) -> None:
    parts = [Bits.from_rows(10 + i, [sorted(row)]) for i, row in enumerate(rows)]
    alone = Bits.beside(parts)
    twice = Bits.beside([Bits.concatenate([part, part]) for part in parts])
    assert alone.size == twice.size
    again = Bits.concatenate([alone, alone])
    np.testing.assert_array_equal(again.indices, twice.indices)
    np.testing.assert_array_equal(again.offsets, twice.offsets)


def test_what_is_handed_out_is_nobody_elses() -> None:
    for encoder, column in (
        (build(kind="rdse"), np.array([1.0])),
        (build(kind="scalar"), np.array([1.0])),
        (build(kind="date"), np.array(["2020-02-02"], "datetime64[s]")),
    ):
        (field,) = encoder.fields
        first = encoder.encode({field: column})
        kept = first.indices.copy()
        first.indices[...] = 0
        np.testing.assert_array_equal(encoder.encode({field: column}).indices, kept)


@pytest.mark.parametrize("encoder", [*SCALARS.values(), *CATEGORIES.values()])
def test_what_was_kept_travels_with_a_copy(encoder: Encoder) -> None:
    """To another process, too."""
    (name,) = encoder.fields
    for values in (np.array([0.25]), np.array([0.25, 0.5])):
        fields = {name: values if hasattr(encoder, "_start") else np.ceil(values)}
        bits = encoder.encode(fields)
        again = pickle.loads(pickle.dumps(encoder)).encode(fields)
        np.testing.assert_array_equal(again.indices, bits.indices)
        np.testing.assert_array_equal(again.offsets, bits.offsets)
