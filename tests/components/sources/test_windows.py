"""Labels of a series: flags and windows become rows, and what is wrong with them is one line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htmrun.components.sources import Source, open_source
from htmrun.components.sources.labels import Flagged
from htmrun.components.sources.planted import CLEAN, ROWS, TAIL
from htmrun.components.sources.series import SeriesParameters
from htmrun.errors import UserError

HOURS = [f"2026-01-{5 + h // 24:02d} {h % 24:02d}:00" for h in range(72)]
Make = Callable[..., Source]


@pytest.fixture
def source_of(tmp_path: Path) -> Make:
    """Return what opens 72 hours, labelled by a text or by flags."""

    def make(labels: str | None = None, flags: Any = None, **settings: Any) -> Source:
        rows = [[time, str(h)] for h, time in enumerate(HOURS)]
        names = ["when", "load"]
        if flags is not None:
            names.append("odd")
            rows = [[*row, str(flag)] for row, flag in zip(rows, flags, strict=True)]
        text = "\n".join(map(",".join, [names, *rows])) + "\n"
        (tmp_path / "my.csv").write_text(text)
        given = {"path": "my.csv", **settings}
        if labels is not None:
            (tmp_path / "labels").write_text(labels)
            given["labels"] = "labels"
        if flags is not None:
            given["label"] = "odd"
        return open_source(SeriesParameters.model_validate(given), base_dir=tmp_path)

    return make


def json_of(*windows: tuple[str, str], name: str = "my.csv") -> str:
    return json.dumps({name: windows, "other.csv": [["1", "2"]]})


DAY = ("2026-01-06 00:00:00.000000", "2026-01-06 03:30:00.000000")


def test_windows_of_times_hold_both_ends(source_of: Make) -> None:
    found = source_of(json_of(("2026-01-05 05:00", "2026-01-05T07:00:00Z"), DAY))
    assert found.windows == ((5, 7), (24, 27))
    assert source_of(json_of(DAY, name="real/my.csv")).windows == ((24, 27),)
    assert source_of(json.dumps([DAY])).windows == ((24, 27),)
    table = "note,start,end\nx,2026-01-06 01:30,2026-01-06 03:00\n\n"
    assert source_of(table).windows == ((26, 27),)
    assert source_of(json_of()).windows == ()
    assert source_of().windows is None


def test_a_window_that_is_a_day_ends_with_it(source_of: Make) -> None:
    assert source_of("start,end\n2026-01-06,2026-01-06\n").windows == ((24, 47),)


def test_times_may_stand_as_in_the_data(tmp_path: Path) -> None:
    rows = [f"{5 + h // 24:02d}.01.2026 {h % 24:02d}:00,{h}" for h in range(72)]
    (tmp_path / "my.csv").write_text("\n".join(["when,load", *rows]) + "\n")
    (tmp_path / "l.csv").write_text("start,end\n06.01.2026 00:00,06.01.2026 03:00\n")
    given = SeriesParameters(path="my.csv", labels="l.csv", timestamp_format="%d.%m.%Y %H:%M")
    assert open_source(given, base_dir=tmp_path).windows == ((24, 27),)


def test_windows_that_overlap_are_one_and_it_is_said(source_of: Make) -> None:
    source = source_of(json_of(("2026-01-05 05:00", "2026-01-05 09:00"),
                               ("2026-01-05 07:00", "2026-01-05 12:00")))  # fmt: skip
    assert source.windows == ((5, 12),)
    assert "data.labels: 1 windows overlap others and count as one with them" in source.notes


def test_windows_follow_the_rows_that_are_used(source_of: Make) -> None:
    late = ("2026-01-07 01:00", "2026-01-07 02:00")
    source = source_of(json_of(DAY, late), skip_rows=20, rows=10)
    assert source.windows == ((4, 7),)
    assert "data.labels: 1 of 2 windows lie in rows that are not used" in source.notes


@pytest.mark.parametrize("word", ["1", "1.0", "true", "TRUE "])
def test_runs_of_flags_are_windows(source_of: Make, word: str) -> None:
    flags = ["0"] * 72
    for row in (0, 1, 10, 70, 71):
        flags[row] = word
    source = source_of(flags=flags)
    assert source.windows == ((0, 1), (10, 10), (70, 71))
    chunk = next(iter(source.train(0, 0, 100)))
    assert sorted(chunk.fields) == ["timestamp", "value"], "no model sees a label"
    assert source_of(flags=flags, skip_rows=1).windows == ((0, 0), (9, 9), (69, 70))


@pytest.mark.parametrize("seed", range(4))
def test_flags_in_pieces_are_those_of_the_whole(seed: int) -> None:
    random = np.random.default_rng(seed)
    flags, reset = random.random(60) < 0.5, (random.random(60) < 0.2).astype(np.uint8)
    found = Flagged()
    for a in range(0, 60, 7):
        found.add(flags[a : a + 7], reset[a : a + 7])
    windows: list[list[int]] = []
    for t in range(60):
        if flags[t] and t and flags[t - 1] and not reset[t]:
            windows[-1][1] = t
        elif flags[t]:
            windows.append([t, t])
    assert found.windows(True) == tuple(map(tuple, windows))


@pytest.mark.parametrize(
    ("labels", "settings", "said"),
    [
        (json_of(("2026-02-05 05:00", "2026-02-05 09:00")), {}, "data.labels: no row lies in the "
         "window from 2026-02-05 05:00 to 2026-02-05 09:00 of labels, expected windows of this "
         "file"),
        (json_of((DAY[1], DAY[0])), {}, "data.labels: labels, 'my.csv'[0]: starts at 2026-01-06 "
         "03:30:00.000000 after its end, 2026-01-06 00:00:00.000000"),
        (json_of(DAY, name="mine.csv"), {}, "did you mean 'mine.csv'?"),
        (json_of(("soon", "later")), {}, "data.labels: labels, 'my.csv'[0]: found 'soon', expected "
         "a time like 2026-01-05 13:00"),
        ('{"my.csv": 3}', {}, "data.labels: labels, 'my.csv' has no list of windows, expected"),
        ('{"my.csv": [["2026-01-05"]]}', {}, "data.labels: labels, 'my.csv'[0]: found "
         "['2026-01-05'], expected [\"START\", \"END\"]"),
        ('{"my.csv": [', {}, "cannot be read (Expecting value: line 1 column 13 (char 12)), "
         "expected JSON"),
        ("from,to\n1,2\n", {}, "has no columns start and end, expected windows"),
        ("start,end\n2026-01-06\n", {}, "labels:2: found 1 cells, expected start and end"),
        (json_of(DAY), {"timestamp": ()}, "my.csv has no column of dates, expected "
         "data.label=COLUMN"),
        (json.dumps({"a/my.csv": [], "b/my.csv": []}), {}, "has my.csv 2 times, expected one of "
         "a/my.csv, b/my.csv as the end of data.path"),
        (json_of(DAY), {"label": "load"}, "data.labels: found labels and data.label = load"),
    ],
)  # fmt: skip
def test_wrong_windows_are_one_line(
    source_of: Make, labels: str, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        _ = source_of(labels, **settings).windows
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_flags_are_one_line(source_of: Make) -> None:
    flags = ["0"] * 71 + ["yes"]
    with pytest.raises(UserError, match=r"my\.csv:73: found 'yes' in column 'odd' \(data\.label\)"):
        _ = source_of(flags=flags).windows
    with pytest.raises(UserError, match=r"data\.label: .* has no column 'lod'.*mean 'load'"):
        source_of(label="lod")
    with pytest.raises(UserError, match=r"data\.label: 'load' has another use"):
        source_of(label="load", value="load")


def test_labels_are_part_of_what_the_data_are(source_of: Make) -> None:
    plain, one = source_of().fingerprint, source_of(json_of(DAY)).fingerprint
    other = source_of(json_of(("2026-01-06 00:00", "2026-01-06 05:00"))).fingerprint
    assert len({plain, one, other}) == 3
    again = source_of(json.dumps([DAY])).fingerprint
    assert again == one, "how the same windows are written changes nothing"


def test_planted_anomalies_are_where_the_flags_are() -> None:
    """Between the flags the series is a daily rhythm, a step between working days and weekends, and
    at most 1.5 of noise: worked out again here."""
    for variant in (0, 1):
        source = open_source(SeriesParameters(name="planted", variant=variant))
        windows = source.windows
        assert windows is not None
        [chunk] = source.train(0, 0, ROWS)
        assert len(windows) == 12
        assert windows[0][0] >= CLEAN
        assert windows[-1][1] < ROWS
        hours = np.arange(ROWS)
        plain = 50 + 20 * np.sin(2 * np.pi * (hours % 24 - 8) / 24) + 6 * (hours // 24 % 7 < 5)
        odd = np.abs(chunk.fields["value"] - plain) > 1.51
        flagged = np.zeros(ROWS, np.bool_)
        for first, last in windows:
            flagged[first : last + 1] = True
            assert odd[first : last + 1 - TAIL].any()
            assert not odd[last + 1 - TAIL : last + 1].any()
        assert not (odd & ~flagged).any()
    first = open_source(SeriesParameters(name="planted"))
    assert first.fingerprint != source.fingerprint


def test_the_benchmarks_own_labels_are_read() -> None:
    folder = Path(os.environ.get("HTMRUN_TEST_DATA", "")) / "nab"
    if not (folder / "labels").is_dir():
        pytest.skip("needs HTMRUN_TEST_DATA/nab")
    name, labels = "realKnownCause/nyc_taxi.csv", folder / "labels" / "combined_windows.json"
    given = SeriesParameters(path=str(folder / "data" / name), labels=str(labels), value="value")
    source = open_source(given)
    [chunk] = source.train(0, 0, 20_000)
    expected = json.loads(labels.read_text())[name]
    assert source.windows is not None
    found = [[str(chunk.fields["timestamp"][row]) for row in window] for window in source.windows]
    assert found == [[edge.replace(" ", "T") for edge in window] for window in expected]
