"""A single value goes another way than many, and has the same bytes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Annotated

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from htmrun.backends.bits import Bits
from htmrun.backends.parameters import Parameters
from htmrun.components.encoders import Encoder, build_encoder
from htmrun.components.encoders.buckets import BucketEncoder
from htmrun.components.encoders.combined import CombinedEncoder
from htmrun.components.encoders.neighbours import Neighbours, cells_around
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


def fields_of(*kinds: str) -> Encoder:
    """Return the encoder of a field `value` of one kind, or of several fields beside it."""
    fields = {kind: {**FIELDS[kind], "kind": kind} for kind in kinds}
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys((*"valuexywhen",), ())
    shapes |= {"value": (), "when": (), "symbol": (), "image": (2, 3)}
    parameters = ADAPTER.validate_python({"kind": "fields", "fields": fields})
    return build_encoder(parameters, shapes, 3, {"value": (-7.5, 12.25)})


FIELDS: dict[str, dict[str, object]] = {
    "rdse": {"size": 400, "active": 13, "resolution": 1.0, "field": "value"},
    "scalar": {"size": 50, "active": 7, "field": "value"},
    "log": {"minimum": 1e-3, "maximum": 2e5, "not_positive": "none", "field": "value"},
    "date": {"season": {}, "holiday": {"dates": ["12-25"]}, "field": "when"},
    "category": {"categories": 9, "mode": "random", "size": 70, "field": "symbol"},
    "coordinate": {"fields": ["x", "y"]},
    "image": {"field": "image"},
}


def same(encoder: Encoder, column: np.ndarray) -> None:
    """Encode a value twice beside each other, which is the way of many, and once by itself."""
    (field,) = encoder.fields
    same_fields(encoder, {field: column})


def same_fields(encoder: Encoder, fields: dict[str, np.ndarray]) -> None:
    alone = encoder.encode(fields)
    both = encoder.encode({n: np.concatenate([column, column]) for n, column in fields.items()})
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


@pytest.mark.parametrize("name", [*SCALARS, "rdse"])
def test_numbers_half_way_between_two_places(name: str) -> None:
    """And as near to that as there is a number."""
    encoder = SCALARS[name] if name != "rdse" else build(kind="rdse", resolution=0.88, size=5000)
    width = 0.88
    if name != "rdse":
        places = encoder.size - (0 if name == "periodic" else encoder.parameters.active)
        width = (encoder.high - encoder.low) / places
    middles = encoder.low + width * (np.arange(0, encoder.size, 1 + encoder.size // 60) + 0.5)
    if name == "log":
        middles = encoder.low * (encoder.high / encoder.low) ** (np.arange(0, 39) / 39 + 0.5 / 39)
    for value in (*middles, *np.nextafter(middles, np.inf), *np.nextafter(middles, -np.inf)):
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


@settings(deadline=None)
@given(
    cell=st.lists(st.integers(-(1 << 53), 1 << 53), min_size=1, max_size=3),
    radius=st.integers(0, 3), share=st.floats(0, 1), size=st.integers(1, 2000),
)  # fmt: skip
def test_bits_of_a_cell_that_are_drawn_compiled(
    cell: list[int], radius: int, share: float, size: int
) -> None:
    active = 1 + int(share * (cells_around(radius, len(cell)) - 1))
    neighbours = Neighbours("xyz"[: len(cell)], size, active, 3)
    one = neighbours.one((*cell, radius))
    many = neighbours.bits(np.array([cell] * 2), np.full(2, radius), np.ones(2, np.bool_))
    assert one.indices.dtype == np.int32
    assert one.offsets.tolist() == [0, len(one.indices)]
    np.testing.assert_array_equal(one.indices, many.row(0))


IMAGES = {
    "plain": ({"threshold": 90}, (5, 4)),
    "colours": ({"threshold": 90}, (5, 4, 3)),
    "levels": ({"levels": [10, 90, 200]}, (5, 4)),
    "edges": ({"levels": [10, 90], "contrast": 30}, (5, 4)),
    "edges of colours": ({"contrast": 30, "reach": 2}, (5, 4, 3)),
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image(name: str) -> None:
    given_settings, shape = IMAGES[name]
    parameters = ADAPTER.validate_python({"kind": "image", **given_settings})
    encoder = build_encoder(parameters, {"image": shape}, 3)
    random = np.random.default_rng(0)
    for _ in range(20):
        image = random.integers(0, 256, (1, *shape)).astype(np.uint8)
        same(encoder, image)
        same(encoder, np.asfortranarray(image))
    for dark in (np.zeros((1, *shape), np.uint8), np.full((1, *shape), 255, np.uint8)):
        same(encoder, dark)
    with pytest.raises(ValueError, match="reshape"):
        encoder.encode({"image": np.zeros((1, *shape, 2), np.uint8)})


def test_a_place_that_is_too_far_away_is_refused_alone_too() -> None:
    encoder = build_encoder(ADAPTER.validate_python(PLACES["flat"]), {"x": (), "y": ()}, 3)
    with pytest.raises(UserError, match=r"^encoder\.scale"):
        encoder.encode({"x": np.array([1e18]), "y": np.array([0.0])})


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htmrun.components.encoders.buckets.KEPT_BITS", 80)
    for many in (build(kind="rdse", size=400, active=13, resolution=1.0), fields_of("rdse")):
        expected = many.encode({"value": np.arange(20.0)})
        for t in (*range(20), *range(20), 19):
            found = many.encode({"value": np.array([float(t)])})
            np.testing.assert_array_equal(found.indices, expected.row(t))
        assert 0 < kept(many) <= 8


def kept(encoder: Encoder) -> int:
    """Return how many samples an encoder, or one of several, keeps."""
    if isinstance(encoder, BucketEncoder):
        return len(encoder._rows)
    assert isinstance(encoder, CombinedEncoder)
    assert encoder._beside is not None
    return sum(len(moved) for _, moved, _ in encoder._beside._parts)


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


SIDES = (
    ("rdse", "date"),
    ("scalar",),
    ("date", "category", "coordinate", "log"),
    ("image", "rdse"),
)


@pytest.mark.parametrize("kinds", SIDES)
@settings(deadline=None, max_examples=60)
@given(
    value=st.floats(-1e6, 1e6) | EIGHTHS, second=SECONDS, x=DEGREES,
    symbol=st.integers(0, 8) | st.just(float("nan")),
    gone=st.sampled_from(["", "value", "when", "x"]),
)  # fmt: skip
def test_fields_side_by_side(
    kinds: tuple[str, ...], value: float, second: int, symbol: float, x: float, gone: str
) -> None:
    encoder = SIDE_BY_SIDE[kinds]
    columns = {
        "value": np.array([value]), "when": np.array([second], "datetime64[s]"),
        "symbol": np.array([symbol]), "x": np.array([x]), "y": np.array([1.5]),
        "image": np.full((1, 2, 3), int(x) % 256, np.uint8),
    }  # fmt: skip
    if gone:
        columns[gone] = np.array(["NaT"], "datetime64[s]") if gone == "when" else np.array([np.nan])
    for _ in range(2):  # The second time it is kept.
        same_fields(encoder, {name: columns[name] for name in encoder.fields})


SIDE_BY_SIDE = {kinds: fields_of(*kinds) for kinds in SIDES}


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.uint64, np.bool_, ">f8"])
@pytest.mark.parametrize("name", SCALARS)
def test_numbers_of_other_types(name: str, dtype: str) -> None:
    for value in (0, 1, 3.3, 7):
        same(SCALARS[name], np.array([value]).astype(dtype))
        same(build(kind="rdse", resolution=0.3), np.array([value]).astype(dtype))


@pytest.mark.parametrize("kind", ["scalar", "rdse", "log"])
@pytest.mark.parametrize(
    "value", [np.inf, -np.inf, "3.0", b"3", np.datetime64("2020-01-01"), None, 1j]
)
def test_what_is_no_number_is_refused_alone_with_the_words_of_many(
    kind: str, value: object
) -> None:
    encoder, column = build(kind=kind, minimum=1, maximum=9) if kind != "rdse" else build(
        kind=kind, resolution=1.0
    ), np.array([value])  # fmt: skip
    with pytest.raises(UserError) as alone:
        encoder.encode({"value": column})
    with pytest.raises(UserError) as many:
        encoder.encode({"value": np.concatenate([column, column])})
    assert str(alone.value) == str(many.value)


ALL = {
    **SCALARS, "rdse": build(kind="rdse"), **DATES, **CATEGORIES,
    **{" ".join(kinds): encoder for kinds, encoder in SIDE_BY_SIDE.items()},
}  # fmt: skip
ROW = {
    "value": np.array([0.25]), "timestamp": np.array(["2020-02-02T11"], "datetime64[s]"),
    "when": np.array(["2020-12-25T11"], "datetime64[s]"), "symbol": np.array([3]),
    "x": np.array([1.0]), "y": np.array([2.0]), "image": np.full((1, 2, 3), 200, np.uint8),
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda encoder: pickle.loads(pickle.dumps(encoder))]
)
def test_a_copy_encodes_alike_and_is_independent(
    name: str, copied: Callable[[Encoder], Encoder]
) -> None:
    encoder = ALL[name]
    row = {n: np.zeros(1) if name in CATEGORIES else ROW[n] for n in encoder.fields}
    expected = encoder.encode(row).indices.copy()
    again = copied(encoder)
    for one, other in ((again, encoder), (encoder, again)):
        bits = one.encode(row)
        np.testing.assert_array_equal(bits.indices, expected)
        bits.indices[...] = 0
        bits.offsets[...] = 0
        np.testing.assert_array_equal(other.encode(row).indices, expected)
        np.testing.assert_array_equal(one.encode(row).offsets, [0, len(expected)])
