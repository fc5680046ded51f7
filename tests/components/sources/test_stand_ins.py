"""A number that comes again and again, far from all others, is said: it may stand for none."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmrun.components.sources import open_source
from htmrun.components.sources.series import SeriesParameters
from htmrun.components.sources.stand_ins import StandIns


class Table:
    names = ("when", "load")


def notes(values, parts=1):
    found = StandIns(["value"])
    for part in np.array_split(np.asarray(values, float), parts):
        found.add({"value": part})
    return list(found.notes(Table, {"value": 1}, len(values)))


@pytest.mark.parametrize(
    ("stand_in", "times", "said"),
    [(-200, 3, True), (9999, 5, True), (-200, 2, False), (0, 9, False), (59, 9, False),
     (151, 9, True), (149, 9, False)],
)  # fmt: skip
def test_it_comes_often_and_lies_farther_away_than_all_others_lie_apart(stand_in, times, said):
    values = [*range(50, 101), *[stand_in] * times, np.nan]
    found = notes(values)
    assert len(found) == said
    if said:
        assert found == [
            f"'load' is {stand_in} in {times} of {len(values)} rows, and 50 to 100 in all others: "
            f"read as it stands; if it means that there is none, data.missing_values=[{stand_in}]"
        ]


def test_columns_of_one_or_two_numbers_are_not_suspect():
    assert not notes([5.0] * 9)
    assert not notes([1.0, 7.0] * 9)
    assert not notes([np.nan] * 9)


@given(st.lists(st.sampled_from([-50, 0, 1, 4, 90]), min_size=1, max_size=25), st.integers(1, 9))
def test_where_blocks_are_cut_does_not_show(values, parts):
    counted = Counter(values)
    expected = []
    for value in dict.fromkeys([min(values), max(values)]):
        others = [v for v in counted if v != value]
        if value and counted[value] >= 3 and others:
            spread = max(others) - min(others)
            away = min(abs(value - v) for v in others)
            if away >= spread > 0:
                expected.append(
                    f"'load' is {value} in {counted[value]} of {len(values)} rows, and "
                    f"{min(others)} to {max(others)} in all others:"
                )
    assert [line[: line.index(":") + 1] for line in notes(values, parts)] == expected


def test_a_file_with_one_says_so_until_it_is_named(tmp_path):
    rows = [
        f"2026-01-{1 + h // 24:02d} {h % 24:02d}:00,{-200 if h % 7 == 3 else 50 + h % 24}"
        for h in range(300)
    ]
    (tmp_path / "my.csv").write_text("\n".join(["when,load", *rows]) + "\n")

    def said(**settings):
        source = open_source(SeriesParameters(path="my.csv", **settings), base_dir=tmp_path)
        return [line for line in source.notes if "load" in line]

    [line] = said()
    assert line.startswith("'load' is -200 in 43 of 300 rows, and 50 to 73 in all others")
    assert not said(missing_values=[-200], missing="skip")
