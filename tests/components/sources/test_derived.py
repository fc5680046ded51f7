"""Fields worked out from earlier samples: against plain loops, whatever the cuts."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmrun.components.sources import Chunk, open_source
from htmrun.components.sources.derived import Derived, Rule
from htmrun.components.sources.series import SeriesParameters
from htmrun.components.sources.steps import DAY
from htmrun.errors import UserError

HOUR = 3600 * 1_000_000


def chunk_of(values, hours=None, resets=()):
    fields = {"value": np.array(values, float)}
    if hours is not None:
        fields["timestamp"] = np.array(hours, "M8[h]").astype("M8[us]")
    reset = np.zeros(len(values), np.uint8)
    reset[[r for r in resets if r < len(values)]] = 1
    return Chunk(fields, fields["value"], reset, np.ones_like(reset))


def derived(rule, chunk, cuts=(), reload=False):
    """Derive piece by piece; `reload`: what goes on knows no more than what is kept."""
    made, parts = Derived({"x": rule}), []
    bounds = sorted({0, len(chunk), *(c for c in cuts if c < len(chunk))})
    for start, stop in pairwise(bounds):
        parts.append(made.add(chunk.slice(start, stop)).fields["x"])
        if reload:
            kept = made.state()
            made = Derived({"x": rule})
            made.load(kept)
    return np.concatenate([np.zeros(0), *parts])


VALUES = st.lists(st.integers(-9, 9), min_size=1, max_size=30)
CUTS = st.lists(st.integers(1, 29), max_size=6)


@given(
    VALUES, st.integers(1, 12), CUTS, CUTS, st.booleans(), st.sampled_from(["lag", "difference"])
)
def test_rows(values, lag, cuts, resets, reload, what):
    got = derived(Rule("value", what, lag), chunk_of(values, resets=resets), cuts, reload)
    for t, found in enumerate(got):
        same = not any(t - lag < r <= t for r in resets)
        if t < lag or not same:
            assert math.isnan(found)
        else:
            assert found == (
                values[t] - values[t - lag] if what == "difference" else values[t - lag]
            )


@given(
    st.lists(st.integers(-30, 60), min_size=30, max_size=30), VALUES, st.integers(1, 40), CUTS,
    CUTS, st.booleans(),
)  # fmt: skip
def test_times(steps, values, lag, cuts, resets, reload):
    hours = np.cumsum(steps[: len(values)]).tolist()
    rule = Rule("value", "lag", lag * HOUR, "us")
    got = derived(rule, chunk_of(values, hours, resets), cuts, reload)
    for t, found in enumerate(got):
        first = max([0, *(r for r in resets if r <= t)])
        late = hours[t] >= max(hours[first : t + 1]) - DAY // HOUR
        # The latest sample of the sequence that was there exactly so long ago, and was seen as one
        # that does not go back farther than a day.
        rows = [
            u for u in range(first, t)
            if hours[u] == hours[t] - lag and hours[u] >= max(hours[first : u + 1]) - DAY // HOUR
        ]  # fmt: skip
        if late and rows:
            assert found == values[rows[-1]]
        else:
            assert math.isnan(found)


@given(VALUES, CUTS, CUTS, st.booleans())
def test_place(values, cuts, resets, reload):
    got = derived(Rule("value", "place", 1), chunk_of(values, resets=resets), cuts, reload)
    for t, found in enumerate(got):
        low, high = min(values[: t + 1]), max(values[: t + 1])
        if low == high:
            assert math.isnan(found)
        else:
            assert found == (values[t] - low) / (high - low)


def test_months_have_no_fixed_length():
    chunk = chunk_of([1, 2, 3, 4])
    times = np.array(["2023-02-28", "2023-03-31", "2024-02-29", "2024-03-31"], "M8[us]")
    chunk.fields["timestamp"] = times
    np.testing.assert_array_equal(
        derived(Rule("value", "lag", 12, "M"), chunk), [np.nan, np.nan, 1, 2]
    )


def test_what_is_forgotten_is_asked_for_by_nobody():
    """So many samples that the memory of times is cleared out."""
    hours = np.arange(5000)
    rule = Rule("value", "lag", 24 * 7 * HOUR, "us")
    got = derived(rule, chunk_of(hours, hours), range(0, 5000, 333))
    assert np.isnan(got[:168]).all()
    np.testing.assert_array_equal(got[168:], hours[:-168])
    made = Derived({"x": rule})
    made.add(chunk_of(hours, hours))
    assert len(made.state()["x/places"]) == 168 + 24 + 1


@pytest.fixture
def source_of(tmp_path):
    def make(rows, header="when,load,heat", **settings):
        (tmp_path / "a.csv").write_text("\n".join([header, *rows]) + "\n")
        return open_source(SeriesParameters(path="a.csv", value="load", **settings),
                           base_dir=tmp_path)  # fmt: skip

    return make


def hourly(count, left_out=()):
    return [
        f"2026-01-{1 + h // 24:02d} {h % 24:02d}:00,{h * h % 50},{h % 7}"
        for h in range(count) if h not in left_out
    ]  # fmt: skip


def field(source, name, chunk=1000):
    return np.concatenate([c.fields[name] for c in source.train(0, 0, chunk)])


def test_a_season_is_time(source_of):
    """A week of hours, though rows are missing."""
    source = source_of(
        hourly(400, {100, 300}), derived={"week": {"what": "lag", "unit": "season"}}
    )  # fmt: skip
    got = field(source, "week", 37)
    hours = [h for h in range(400) if h not in {100, 300}]
    for hour, found in zip(hours, got, strict=True):
        if hour < 168 or hour == 268:
            assert math.isnan(found)
        else:
            assert found == (hour - 168) ** 2 % 50


def test_two_steps_of_time(source_of):
    source = source_of(hourly(9, {3}), derived={"d": {"lag": 2, "unit": "time"}})
    got = field(source, "d")
    np.testing.assert_array_equal(
        got, [np.nan, np.nan, 4 - 0, 16 - 4, np.nan, 36 - 16, 49 - 25, 64 % 50 - 36]
    )


def test_ranges_are_those_of_the_first_rows(source_of):
    rows = hourly(100)
    source = source_of(rows, values=("heat",), derived={
        "change": {}, "last": {"what": "lag", "lag": 3, "of": "heat"}, "place": {"what": "place"},
        "far": {"lag": 20},
    })  # fmt: skip
    first = np.array([h * h % 50 for h in range(10)])
    assert source.ranges["change"] == (np.diff(first).min(), np.diff(first).max())
    assert source.ranges["last"] == source.ranges["heat"] == (0.0, 6.0)
    assert source.ranges["place"] == (0.0, 1.0)
    assert "far" not in source.ranges  # None of the first ten rows has one twenty before it.
    assert source.reach["far"][0] < 0 < source.reach["far"][1]
    assert list(source.shapes) == ["value", "timestamp", "heat", "change", "last", "place", "far"]


def test_filled_values_are_values(source_of):
    rows = ["2026-01-01 00:00,1,0", "2026-01-01 01:00,,0", "2026-01-01 02:00,5,0"]
    source = source_of(rows, missing="previous", derived={"change": {}})
    np.testing.assert_array_equal(field(source, "change"), [np.nan, 0, 4])
    source = source_of(rows, missing="skip", derived={"change": {}})
    np.testing.assert_array_equal(field(source, "change"), [np.nan, 4])


def test_series_one_after_the_other_know_nothing_of_each_other(source_of):
    rows = [f"2026-01-01 {h:02d}:00,{v},{s}" for h in range(3) for s, v in (("a", h), ("b", 9 * h))]
    source = source_of(rows, header="when,load,sensor", group_by="sensor", derived={"d": {}})
    np.testing.assert_array_equal(field(source, "d"), [np.nan, 1, 1, np.nan, 9, 9])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"derived": {"d": {"lag": 500}}},
         r"data\.derived\.d: found no value of it in 60 samples, expected a sample with another "
         "500 rows before it"),
        ({"derived": {"d": {"unit": "season", "what": "lag"}}}, "another 1 season before it"),
        ({"derived": {"d": {"unit": "time"}}, "timestamp": ()},
         r"data\.derived\.d\.unit: found 'time' and no column of dates"),
    ],
)  # fmt: skip
def test_what_cannot_be(source_of, settings, message):
    with pytest.raises(UserError, match=message) as error:
        source_of(hourly(60), **settings).scan  # noqa: B018
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("derived", "message"),
    [
        ({"value": {}}, r"derived\.value: found the name of a field that there is"),
        ({"d": {"of": "heat"}}, r"derived\.d\.of: found 'heat', expected one of value"),
        ({"d": {"what": "place", "lag": 2}}, "lag: found with what = place"),
        ({"d": {"lag": 0}}, "greater than or equal to 1"),
    ],
)
def test_settings_that_contradict_each_other(derived, message):
    with pytest.raises(ValueError, match=message):
        SeriesParameters(derived=derived)


def test_the_fingerprint_is_another_one_only_where_something_is_derived(source_of):
    plain = source_of(hourly(30)).fingerprint
    assert source_of(hourly(30), derived={}, texts={}).fingerprint == plain
    changed = source_of(hourly(30), derived={"d": {}}).fingerprint
    assert len({plain, changed, source_of(hourly(30), derived={"d": {"lag": 2}}).fingerprint}) == 3
