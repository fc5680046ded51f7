"""Finding the format of dates, and reading them."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmrun.components.sources.date_readings import best, readings
from htmrun.components.sources.timestamps import FEW, parse, read, unit_of

START = datetime.datetime(2010, 7, 2)
HOURS = [START + datetime.timedelta(hours=h) for h in range(400)]
HOUR = np.timedelta64(1, "h")


def find_format(texts, **asked):
    found = best(readings(texts, **asked))
    return None if found is None else found.form


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S.%f",
        "%Y-%m-%dT%H:%M:%S.%f",
        "%Y%m%dT%H%M%S",
        "%Y%m%d %H:%M",
        "%Y/%m/%d %H:%M",
        "%m/%d/%y %H:%M",
        "%m/%d/%Y %H:%M:%S",
        "%d/%m/%Y %H:%M",
        "%d.%m.%Y %H:%M",
        "%d.%m.%y %H:%M",
        "%d.%m.%Y %H.%M.%S",
        "%d-%m-%Y %H:%M",
        "%y-%m-%d %H:%M",
        "%m/%d/%Y %I:%M:%S %p",
        "%d.%m.%Y %I:%M%p",
        "%d %b %Y %H:%M",
        "%d-%b-%y %H:%M",
        "%d%b%Y:%H:%M:%S",
        "%b %d, %Y %I:%M %p",
        "%A, %B %d, %Y %H:%M",
        "%a %b %d %H:%M:%S %Y",
        "%Y %m %d %H",
    ],
)
def test_common_formats_are_found_and_read(form):
    texts = [t.strftime(form) for t in HOURS]
    # Where every name of a month and day has three letters, %b reads them too.
    assert (parse(texts, find_format(texts)) == np.array(HOURS, "datetime64[s]")).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-05 13:00:00Z", "2026-01-05T13:00"),
        ("2026-01-05T13:00:00+00", "2026-01-05T13:00"),
        ("20260105T130000Z", "2026-01-05T13:00"),
        ("2026-01-05T13:00:00.250+0530", "2026-01-05T13:00:00.250"),
        ("2026-01-05 13:00:00,250", "2026-01-05T13:00:00.250"),
        ("2026-01-05 13:00 UTC", "2026-01-05T13:00"),
        ("2026-01-05 13:00:00 +0100 CET", "2026-01-05T13:00"),
        ("2026-01-05T13:00+01:00[Europe/Berlin]", "2026-01-05T13:00"),
        ("2026-01-05 13:00 America/New_York", "2026-01-05T13:00"),
        ("01/25/2026 1:00 p.m.", "2026-01-25T13:00"),
        ("25/01/2026 12:30 AM EST", "2026-01-25T00:30"),
        ("[10/Oct/2000:13:55:36 -0700]", "2000-10-10T13:55:36"),
        ("Mon, 05 Jan 2026 13:00:00 GMT", "2026-01-05T13:00"),
        ("Mon Jan  5 13:00:00 UTC 2026", "2026-01-05T13:00"),
        ("Mon Jan 05 13:00:00 +0000 2026", "2026-01-05T13:00"),
        ("Jan-26", "2026-01-01"),
        ("2026M03", "2026-03-01"),
        ("2026-Q3", "2026-07-01"),
        ("Q3 2026", "2026-07-01"),
        ("2026-005", "2026-01-05"),
        ("2026-W02-1", "2026-01-05"),
    ],
)
def test_a_zone_never_moves_the_local_time(text, expected):
    form = find_format([text])
    assert parse([text], form)[0] == np.datetime64(expected, "us")


def test_offsets_keep_local_time_even_where_they_change():
    texts = ["2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00", "2024-10-27T03:30:00Z"]
    form = find_format(texts)
    assert form == "%Y-%m-%dT%H:%M:%S%z"
    hours = parse(texts, form).astype("datetime64[m]").astype(str).tolist()
    assert hours == ["2024-10-27T02:30", "2024-10-27T02:30", "2024-10-27T03:30"]
    assert find_format(["2024-10-27 02:30:00+0200"]) == "%Y-%m-%d %H:%M:%S%z"
    with pytest.raises(ValueError, match="is no time like"):
        parse(["2024-10-27T02:30:00"], form)


def test_mixed_forms_of_one_order_are_read_and_others_are_not():
    texts = ["2026-01-05", "2026-01-05 01:00:00", "2026-01-05T02:00:00.5Z"]
    times = parse(texts, find_format(texts))
    assert (
        times == np.array(["2026-01-05", "2026-01-05T01", "2026-01-05T02:00:00.5"], "M8[us]")
    ).all()
    # A form that comes later is known by what comes first in it.
    form = find_format(texts[:1])
    assert str(parse(texts, form, order="ymd")[2]) == "2026-01-05T02:00:00.500000"
    with pytest.raises(ValueError, match=r"05\.01\.2026"):
        parse(["2026-01-05", "05.01.2026"], form, order="ymd")


@pytest.mark.parametrize(
    ("unit", "per_second"), [("s", 1), ("ms", 1000), ("us", 10**6), ("ns", 10**9)]
)
def test_seconds_since_1970_in_four_units(unit, per_second):
    counts = [int((t - datetime.datetime(1970, 1, 1)).total_seconds()) * per_second for t in HOURS]
    texts = [str(count) for count in counts]
    assert find_format(texts) is None
    form = find_format(texts, digits=True)
    assert form == f"epoch_{unit}"
    assert (parse(texts, form, unit_of(texts, form)) == np.array(HOURS, "datetime64[s]")).all()
    assert str(parse(["1767571200.25"], "epoch_s")[0]) == "2026-01-05T00:00:00.250000"


def test_steps_below_a_second_are_kept():
    texts = [f"2026-01-05 00:00:00.{i:03d}" for i in range(0, 1000, 40)]
    times = parse(texts, find_format(texts))
    assert (np.diff(times) == np.timedelta64(40, "ms")).all()
    fine = ["2026-01-05T00:00:00.000000001", "2026-01-05T00:00:00.000000002"]
    assert unit_of(fine, find_format(fine)) == "ns"
    times = parse(fine, find_format(fine), "ns")
    assert np.diff(times) == np.timedelta64(1, "ns")


def test_single_digits_are_understood():
    texts = ["7/2/10 0:00", "7/2/10 1:00", "7/2/10 2:00", "7/13/10 9:30"]
    assert find_format(texts) == "%m/%d/%y %H:%M"
    assert parse(texts, "%m/%d/%y %H:%M")[-1] == np.datetime64("2010-07-13T09:30:00")


def test_day_or_month_first_is_decided_by_even_steps_or_not_at_all():
    # All before the 13th: hourly only if the month comes first.
    texts = [t.strftime("%m/%d/%y %H:%M") for t in HOURS[:200]]
    assert find_format(texts) == "%m/%d/%y %H:%M"
    swapped = [t.strftime("%d/%m/%y %H:%M") for t in HOURS[:200]]
    assert find_format(swapped) == "%d/%m/%y %H:%M"
    # The first of each month is as even as can be, though months are not equally long.
    months = [f"01/{m:02d}/{y}" for y in range(2001, 2021) for m in range(1, 13)]
    assert find_format(months) == "%d/%m/%Y"
    # Twelve days, or the fifth of twelve months?
    days = [f"{d:02d}/05/2026" for d in range(1, 13)]
    assert find_format(days) is None
    assert {r.form for r in readings(["1/2/2010"])} == {"%m/%d/%Y", "%d/%m/%Y"}
    assert find_format(["1/2/2010"]) is None
    # Read either way it is the same day.
    assert find_format(["5/5/2010"]) == "%m/%d/%Y"


def test_years_of_two_digits_may_come_first():
    days = [START + datetime.timedelta(days=d) for d in range(300)]
    for form in ("%y-%m-%d", "%d-%m-%y", "%m-%d-%y", "%d-%b-%y"):
        assert find_format([t.strftime(form) for t in days]) == form


def test_numbers_are_dates_only_where_asked():
    assert find_format(["19580329", "19580405"]) is None
    assert find_format(["19580329", "19580405"], digits=True) == "%Y%m%d"
    # An hour, and no second of the year 2034.
    assert find_format(["2026010523", "2026010600"], digits=True) == "%Y%m%d%H"
    for texts in (
        ["21.2", "16.4"],
        ["1", "2"],
        ["2010"],
        ["x"],
        [""],
        ["2010-13-01"],
        ["10.0.0.1"],
    ):
        assert find_format(texts, digits=True) is None
    assert find_format(["2010"], years=True) == "%Y"
    with pytest.raises(ValueError, match="is no time like"):
        parse(["2010-01-01", ""], "%Y-%m-%d")


@given(
    st.sampled_from(["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M", "%m/%d/%y %H:%M", "%Y-%m-%dT%H:%M",
                     "%Y%m%d", "%d %b %Y", "%B %d, %Y", "[%d/%b/%Y:%H:%M:%S]"]),
    st.datetimes(datetime.datetime(1000, 1, 1), datetime.datetime(2200, 1, 1)),
    st.sampled_from(["", " ", "x", "\u0661", "0", "-"]), st.integers(0, 20),
)  # fmt: skip
def test_a_few_texts_are_read_as_many_are(
    form: str, time: datetime.datetime, extra: str, place: int
) -> None:
    """One row of a pipe takes another way than a file."""
    text = time.strftime(form)
    for one in (text, text[:place] + extra + text[place:], text[:place]):
        (few,) = read([one], form)
        many = read([one] * (FEW + 1), form)
        assert np.array_equal(np.array([few] * (FEW + 1)), many, equal_nan=True), one


@pytest.mark.parametrize("many", [1, 40])
@pytest.mark.parametrize("word", ["now", "today", "Now", " today "])
def test_words_for_the_present_are_no_time(word, many):
    """pandas reads them as the moment at which it does, whatever the form."""
    for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%d.%m.%y"):
        assert np.isnat(read([word] * many, form)).all()
