"""A single value goes another way than many, and has the same bytes."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from htmrun.backends.bits import Bits
from htmrun.backends.parameters import Parameters
from htmrun.components.encoders import Encoder, build_encoder
from htmrun.components.registry import Section

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
@given(second=SECONDS, unit=st.sampled_from(["s", "ms", "us"]))
@example(second=1609459199, unit="s")
@example(second=0, unit="us")
@example(second=1640390400, unit="s")  # Christmas.
@example(second=1625356800, unit="s")  # 4 July 2021.
def test_a_time(name: str, second: int, unit: str) -> None:
    same(DATES[name], np.array([second], f"datetime64[{unit}]"))


def test_a_time_that_is_none() -> None:
    for encoder in DATES.values():
        same(encoder, np.array(["NaT"], "datetime64[s]"))


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
