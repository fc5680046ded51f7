"""Date, category and image encoders, and several of them combined."""

from __future__ import annotations

import datetime
from typing import Annotated

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from htmrun.backends import rng
from htmrun.backends.parameters import Parameters
from htmrun.components.encoders import build_encoder
from htmrun.components.registry import Section
from htmrun.errors import UserError

ADAPTER = TypeAdapter(Annotated[Parameters, Section(("encoder",))])
SHAPES = {"value": (), "timestamp": (), "symbol": ()}
RANGES = {"value": (0.0, 10.0), "symbol": (0.0, 4.0)}


def build(settings, shapes=SHAPES, ranges=RANGES, seed=0):
    return build_encoder(ADAPTER.validate_python(settings), shapes, seed, ranges)


def row_sets(bits):
    return [set(bits.row(t).tolist()) for t in range(len(bits))]


def dates(*texts):
    return {"timestamp": np.array(texts, "datetime64[s]")}


def only(**part):
    return {"kind": "date", "time_of_day": None, "weekend": None, **part}


def test_time_of_day_moves_once_round_and_wraps():
    encoder = build(only(time_of_day={"size": 24, "active": 3}))
    got = row_sets(
        encoder.encode(
            dates("2024-02-29T00:00", "2024-02-29T05:59:59", "1969-12-31T23:30", "2024-03-01T22:00")
        )
    )
    # 05:59:59 is next to 06:00, and half past eleven as near to midnight as to 23:00: half up.
    assert got == [{0, 1, 2}, {6, 7, 8}, {0, 1, 2}, {22, 23, 0}]


@pytest.mark.parametrize(("size", "start"), [(30, 19), (53, 33), (54, 34)])
def test_time_of_day_starts_at_the_nearest_bit(size, start):
    # 14:55 is minute 895 of 1440; of 30 bits of 48 minutes each that is 18.6, so bit 19.
    encoder = build(only(time_of_day={"size": size, "active": 5}))
    (got,) = row_sets(encoder.encode(dates("2010-11-04T14:55")))
    assert got == set(range(start, start + 5))
    assert start == int(895 / 1440 * size + 0.5)


def test_every_cyclic_part_starts_at_the_nearest_bit():
    sizes = {"time_of_day": 53, "day_of_week": 10, "season": 100}
    days = [datetime.datetime(2023, 12, 20, 5) + datetime.timedelta(hours=5 * i) for i in range(99)]
    for part, size in sizes.items():
        encoder = build(only(**{part: {"size": size, "active": 4}}))
        for when, row in zip(
            days, row_sets(encoder.encode(dates(*map(datetime.datetime.isoformat, days)))),
            strict=True,
        ):  # fmt: skip
            year = datetime.datetime(when.year, 1, 1)
            length = datetime.datetime(when.year + 1, 1, 1) - year
            place = {
                "time_of_day": (when.hour * 60 + when.minute) / 1440,
                "day_of_week": when.weekday() / 7,
                "season": (when - year) / length,
            }[part]
            nearest = int(place * size + 0.5)
            assert row == {(nearest + i) % size for i in range(4)}, (part, when)


def test_weekday_and_weekend_agree_with_the_calendar():
    encoder = build(
        only(day_of_week={"size": 7, "active": 1}, weekend={"active": 2}),
    )
    days = [datetime.date(1965, 1, 1) + datetime.timedelta(days=97 * i) for i in range(300)]
    got = row_sets(encoder.encode(dates(*(f"{d}T13:00" for d in days))))
    for day, row in zip(days, got, strict=True):
        weekend = {9, 10} if day.isoweekday() >= 6 else {7, 8}
        assert row == {day.weekday()} | weekend


def test_season_counts_from_new_year_in_leap_years_too():
    encoder = build(only(season={"size": 366, "active": 2}))
    got = row_sets(
        encoder.encode(dates("2024-01-01", "2024-02-29", "2024-12-31", "2023-12-31T23:59:59"))
    )
    # The last second of 2023 is next to New Year.
    assert got == [{0, 1}, {59, 60}, {365, 0}, {0, 1}]


def test_holidays_once_and_every_year():
    encoder = build(only(holiday={"active": 2, "dates": ["12-25", "2014-07-04", "02-29"]}))
    got = row_sets(
        encoder.encode(
            dates("2014-12-25T23:59", "1960-12-25", "2014-07-04", "2015-07-04", "2016-02-29")
        )
    )
    assert got == [{2, 3}, {2, 3}, {2, 3}, {0, 1}, {2, 3}]
    with pytest.raises(ValidationError, match=r"found '25\.12\.', expected YYYY-MM-DD or MM-DD"):
        build(only(holiday={"dates": ["25.12."]}))


def test_date_parts_lie_side_by_side_and_nat_has_no_bits():
    encoder = build({"kind": "date", "season": {}, "day_of_week": {}})
    assert encoder.parts == {
        "time_of_day": 240,
        "day_of_week": 147,
        "weekend": 42,
        "season": 365,
    }
    bits = encoder.encode(dates("2020-05-05T05:05", "NaT"))
    assert bits.counts().tolist() == [21 + 21 + 21 + 30, 0]
    with pytest.raises(UserError, match="numbers need kind rdse or scalar"):
        encoder.encode({"timestamp": np.arange(3.0)})
    with pytest.raises(ValidationError, match="every part is null"):
        build(only())


def test_category_blocks_and_random_bits():
    symbols = {"symbol": np.array([0, 4, 2])}
    blocks = build({"kind": "category", "active": 3})
    assert blocks.size == 15
    assert row_sets(blocks.encode(symbols)) == [{0, 1, 2}, {12, 13, 14}, {6, 7, 8}]

    random = build({"kind": "category", "mode": "random", "size": 500, "active": 20})
    every = random.encode({"symbol": np.arange(5)})
    assert (every.counts() == 20).all()
    assert len(set(map(tuple, every.dense().tolist()))) == 5
    key = rng.key(0, rng.Purpose.ENCODER)
    for c, found in enumerate(row_sets(every)):
        assert found == set(sorted(range(500), key=lambda bit: rng.hash2(key, c, bit))[:20])


def test_category_refuses_what_it_does_not_know():
    encoder = build({"kind": "category"})
    for wrong in (5.0, -1.0, 1.5):
        with pytest.raises(UserError, match=r"encoder\.categories: .* whole number from 0 to 4"):
            encoder.encode({"symbol": np.array([1.0, wrong])})
    with pytest.raises(UserError, match=r"encoder\.size: 30 bits for 5 categories of 21"):
        build({"kind": "category", "size": 30})


def test_edges_of_an_image_by_direction():
    images = np.random.default_rng(0).integers(0, 256, (3, 5, 4)).astype(np.uint8)
    encoder = build({"kind": "image", "contrast": 40, "reach": 2}, {"image": (5, 4)})
    assert encoder.shape == (9, 5, 4)
    bits = encoder.encode({"image": images}).dense().reshape(3, 9, 5, 4)
    up_down_and_across = [(-2, 0), (2, 0), (0, -2), (0, 2), (-2, -2), (-2, 2), (2, -2), (2, 2)]
    for image, planes in zip(images.astype(int), bits, strict=True):
        assert (planes[0] == (image > 127)).all()
        for plane, (down, right) in zip(planes[1:], up_down_and_across, strict=True):
            for y, x in np.ndindex(5, 4):
                other = image[min(max(y + down, 0), 4), min(max(x + right, 0), 3)]
                assert plane[y, x] == (image[y, x] - other > 40)


def test_image_threshold_and_planes():
    image = np.array([[[0, 7], [8, 16]]], np.uint8)
    encoder = build({"kind": "image", "threshold": 7}, {"image": (2, 2)})
    assert encoder.shape == (2, 2)
    assert row_sets(encoder.encode({"image": image})) == [{2, 3}]
    planes = build({"kind": "image", "levels": [0, 7, 15]}, {"image": (2, 2)})
    assert planes.shape == (3, 2, 2)
    assert row_sets(planes.encode({"image": image})) == [{1, 2, 3, 6, 7, 11}]
    with pytest.raises(ValidationError, match="ascending"):
        build({"kind": "image", "levels": [5, 5]})


def test_fields_are_joined_in_order_and_optional_ones_left_out():
    settings = {
        "kind": "fields",
        "fields": {
            "timestamp": {"kind": "date", "time_of_day": None, "weekend": {"active": 2}},
            "again": {"kind": "scalar", "field": "value", "size": 6, "active": 2},
            "humidity": {"kind": "rdse", "optional": True},
        },
    }
    encoder = build(settings)
    assert encoder.left_out == ("humidity",)
    assert encoder.fields == ("timestamp", "value")
    assert encoder.size == 10
    bits = encoder.encode(
        dates("2024-06-01", "2024-06-03") | {"value": np.array([0.0, np.nan])},
    )
    assert row_sets(bits) == [{2, 3, 4, 5}, {0, 1}]


def test_a_field_that_is_not_there_is_named_with_the_choices():
    settings = {"kind": "fields", "fields": {"timestmp": {"kind": "date"}}}
    with pytest.raises(UserError) as e:
        build(settings)
    assert str(e.value) == (
        "encoder.fields.timestmp: the data has no field 'timestmp', expected one of value, "
        "timestamp, symbol; did you mean 'timestamp'?"
    )
    with pytest.raises(UserError, match=r"encoder\.field: the data has no field 'value'"):
        build({"kind": "rdse"}, {"image": (8, 8)})
    with pytest.raises(UserError, match=r"encoder\.kind: 'rdse' reads single values, .* 8 x 8"):
        build({"kind": "rdse", "field": "image"}, {"image": (8, 8)})
    with pytest.raises(UserError, match=r"encoder\.fields: none of humidity"):
        build({"kind": "fields", "fields": {"humidity": {"kind": "rdse", "optional": True}}})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "scalar", "size": 20, "active": 20}, "active: 20 of size = 20"),
        ({"kind": "rdse", "size": 20, "active": 21}, "active: 21 of size = 20"),
        ({"kind": "scalar", "minimum": 3, "maximum": 3}, "minimum: 3.0 is not below maximum"),
        ({"kind": "rdse", "resolution": 0}, "greater than 0"),
        ({"kind": "fields", "fields": {}}, "at least 1"),
        ({"kind": "rdsee"}, "rdsee"),
        ({"kind": "rdse", "sizee": 3}, "sizee"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        ADAPTER.validate_python(settings)
