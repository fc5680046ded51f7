"""Finding the format of dates, and reading them."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from htmrun.components.sources.timestamps import AmbiguousError, find_format, parse

HOURS = [datetime.datetime(2010, 7, 2) + datetime.timedelta(hours=h) for h in range(400)]


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S.%f",
        "%Y-%m-%dT%H:%M:%S.%f",
        "%Y/%m/%d %H:%M",
        "%m/%d/%y %H:%M",
        "%m/%d/%Y %H:%M:%S",
        "%d/%m/%Y %H:%M",
        "%d.%m.%Y %H:%M",
        "%d.%m.%y %H:%M",
        "%d-%m-%Y %H:%M",
    ],
)
def test_common_formats_are_found_and_read(form):
    texts = [t.strftime(form) for t in HOURS]
    assert find_format(texts) == form
    assert (parse(texts, form) == np.array(HOURS, "datetime64[s]")).all()


def test_offsets_keep_local_time_even_where_they_change():
    texts = ["2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00", "2024-10-27T03:30:00Z"]
    form = find_format(texts)
    assert form == "%Y-%m-%dT%H:%M:%S%z"
    hours = parse(texts, form).astype("datetime64[m]").astype(str).tolist()
    assert hours == ["2024-10-27T02:30", "2024-10-27T02:30", "2024-10-27T03:30"]
    assert find_format(["2024-10-27 02:30:00+0200"]) == "%Y-%m-%d %H:%M:%S%z"
    with pytest.raises(ValueError, match="no offset"):
        parse(["2024-10-27T02:30:00"], form)


def test_single_digits_are_understood():
    texts = ["7/2/10 0:00", "7/2/10 1:00", "7/2/10 2:00", "7/13/10 9:30"]
    assert find_format(texts) == "%m/%d/%y %H:%M"
    assert str(parse(texts, "%m/%d/%y %H:%M")[-1]) == "2010-07-13T09:30:00"


def test_day_or_month_first_is_decided_by_even_steps_or_not_at_all():
    # All before the 13th: hourly only if the month comes first.
    texts = [t.strftime("%m/%d/%y %H:%M") for t in HOURS[:200]]
    assert find_format(texts) == "%m/%d/%y %H:%M"
    swapped = [t.strftime("%d/%m/%y %H:%M") for t in HOURS[:200]]
    assert find_format(swapped) == "%d/%m/%y %H:%M"
    with pytest.raises(AmbiguousError) as e:
        find_format(["1/2/2010"])
    assert e.value.formats == ("%m/%d/%Y", "%d/%m/%Y")
    # Read either way it is the same day.
    assert find_format(["5/5/2010"]) == "%m/%d/%Y"


def test_numbers_are_dates_only_where_asked():
    assert find_format(["19580329", "19580405"]) is None
    assert find_format(["19580329", "19580405"], digits=True) == "%Y%m%d"
    for texts in (["21.2", "16.4"], ["1", "2"], ["2010"], ["x"], [""], ["2010-13-01"]):
        assert find_format(texts, digits=True) is None
    with pytest.raises(ValueError, match="not a time"):
        parse(["2010-01-01", ""], "%Y-%m-%d")
