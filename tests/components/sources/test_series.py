"""Series from CSV: columns found or given, streaming, missing values, errors with their line."""

from __future__ import annotations

import csv
import datetime
import gzip
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from htmrun.components.sources import open_source
from htmrun.components.sources.csv_table import BLOCK_ROWS
from htmrun.components.sources.series import SeriesParameters, SeriesSource
from htmrun.errors import UserError

SHARED = Path(
    os.environ.get("HTMRUN_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data")
)
NUPIC = """when,id,restart,load,name
datetime,string,int,float,string
T,S,R,,
2010-07-02 00:00:00,a,0,1.5,x
2010-07-02 00:05:00,a,0,2.5,x
2010-07-02 00:10:00,b,0,3.5,x
2010-07-02 00:15:00,b,1,4.5,x
"""


@pytest.fixture
def source_of(tmp_path):
    def make(text, name="my.csv", **settings):
        data = text if isinstance(text, bytes) else text.encode()
        (tmp_path / name).write_bytes(data)
        return open_source(SeriesParameters(path=name, **settings), base_dir=tmp_path)

    return make


def read(source, chunk=1000):
    chunks = list(source.train(0, 0, chunk))
    fields = {n: np.concatenate([c.fields[n] for c in chunks]) for n in chunks[0].fields}
    reset = np.concatenate([c.reset for c in chunks]).tolist()
    scored = np.concatenate([c.scored for c in chunks]).tolist()
    target = np.concatenate([c.target for c in chunks])
    # NaN: a value that was filled in is no target.
    assert (np.isnan(target) | (target == fields["value"])).all()
    return fields, reset, scored


def second_of(fields, place):
    return str(fields["timestamp"][place].astype("datetime64[s]"))


def error_of(act):
    with pytest.raises(UserError) as e:
        act()
    assert "\n" not in str(e.value)
    return str(e.value)


def write_series(path, rows):
    with open(path, "w") as f:
        f.write("when,consumption,note\n")
        start = datetime.datetime(2010, 7, 2)
        for i in range(rows):
            f.write(f"{start + datetime.timedelta(minutes=i)},{(i * 37 % 1000) / 10},n{i % 7}\n")


def test_plain_csv_columns_are_found(source_of):
    source = source_of("name,when,load\na,2010-07-02 00:00,1.5\nb,2010-07-02 01:00,-2e3\n")
    assert source.shapes == {"value": (), "timestamp": ()}
    assert source.name == "my"
    assert source.test(5) is None
    fields, reset, scored = read(source)
    assert fields["value"].tolist() == [1.5, -2000.0]
    assert fields["timestamp"].astype("datetime64[s]").astype(str).tolist() == [
        "2010-07-02T00:00:00",
        "2010-07-02T01:00:00",
    ]
    assert fields["timestamp"].dtype == "datetime64[us]"
    assert (reset, scored) == ([1, 0], [1, 1])
    assert source.samples == 2
    assert source.ranges == {"value": (-2000.0, 1.5)}
    assert source.median_step == 3600.0


def test_nupic_header_gives_time_resets_and_sequences(source_of):
    fields, reset, _ = read(source_of(NUPIC))
    assert fields["value"].tolist() == [1.5, 2.5, 3.5, 4.5]
    assert second_of(fields, 1) == "2010-07-02T00:05:00"
    assert reset == [1, 0, 1, 1]
    # An explicit reset column is used instead of the flags.
    assert read(source_of(NUPIC, reset="restart"))[1] == [1, 0, 0, 1]


def test_two_text_rows_alone_make_no_nupic_header(source_of):
    fields, *_ = read(source_of("kind,x\nfloat,1\nt,2\nx,3\n"))
    assert fields["value"].tolist() == [1, 2, 3]


def test_named_columns_further_inputs_and_limits(source_of):
    text = "a,b,c\n" + "".join(f"{i},{10 * i},{100 * i}\n" for i in range(10))
    source = source_of(text, value="b", values=("c", "a"), skip_rows=2, rows=5, score_from=3)
    fields, _, scored = read(source, chunk=2)
    assert list(fields) == ["value", "c", "a"]
    assert fields["value"].tolist() == [20, 30, 40, 50, 60]
    assert fields["c"].tolist() == [200, 300, 400, 500, 600]
    assert scored == [0, 0, 0, 1, 1]
    assert source.samples == 5
    assert source.ranges["a"] == (2.0, 3.0), "of the first rows: a tenth, but two at least"
    whole = source_of(text, value="b", values=("c", "a"), skip_rows=2, rows=5, range="file")
    assert whole.ranges["a"] == (2.0, 6.0)


def test_delimiter_quotes_bom_crlf_blank_lines_and_gzip(source_of):
    text = '\ufeff"when";"load, kW"\r\n\r\n"01.02.2010";1\r\n\r\n"13.02.2010";2\r\n'
    for name, data in (("x.csv", text.encode()), ("x.csv.gz", gzip.compress(text.encode()))):
        fields, *_ = read(source_of(data, name, delimiter=";", value="load, kW"))
        assert fields["value"].tolist() == [1, 2]
        assert second_of(fields, 0) == "2010-02-01T00:00:00"
    message = error_of(lambda: source_of("a;b\n1;2\n", delimiter=","))
    assert message.startswith("data.delimiter: ")
    assert "';'" in message


MISSING = "when,load\n2010-01-01,1\n2010-01-02,\n2010-01-03,NaN\n2010-01-04,4\n"


def test_missing_values_stop_skip_or_repeat(source_of):
    message = error_of(lambda: read(source_of(MISSING)))
    assert message.endswith(
        "my.csv:3: found no value in column 'load', expected a number (or data.missing=skip or "
        "previous)"
    )
    fields, *_ = read(source_of(MISSING, missing="skip"))
    assert fields["value"].tolist() == [1, 4]
    assert second_of(fields, 1) == "2010-01-04T00:00:00"
    source = source_of(MISSING, missing="previous")
    assert read(source)[0]["value"].tolist() == [1, 1, 1, 4]
    assert source.scan.missing == 2
    message = error_of(lambda: read(source_of(MISSING, missing="previous", skip_rows=1)))
    assert "my.csv:3" in message
    assert "data.skip_rows" in message


def test_what_is_remembered_crosses_the_borders_of_blocks(source_of, tmp_path):
    # At the border: a gap to fill, and a sequence that starts in a row that is left out.
    n = BLOCK_ROWS
    rows = [f"{i},{1 if i in (n - 1, n + 5) else 0}" for i in range(2 * n + 3)]
    rows[n - 1] = ",1"
    for i in (n, n + 1):
        rows[i] = ",0"
    text = "load,restart\n" + "\n".join(rows) + "\n"
    fields, reset, _ = read(source_of(text, value="load", reset="restart", missing="previous"))
    assert fields["value"][n - 3 : n + 3].tolist() == [n - 3, *[n - 2] * 4, n + 2]
    assert np.flatnonzero(reset).tolist() == [0, n - 1, n + 5]
    settings = {"value": "load", "reset": "restart", "missing": "skip", "score_from": n}
    fields, reset, scored = read(source_of(text, **settings), chunk=1000)
    assert fields["value"][n - 2 : n].tolist() == [n - 2, n + 2]
    assert np.flatnonzero(reset).tolist() == [0, n - 1, n + 2]
    assert np.flatnonzero(scored)[0] == n
    late = read(source_of(text, value="load", missing="skip", skip_rows=n + 2, rows=n))[0]
    assert late["value"].tolist() == list(range(n + 2, 2 * n + 2))


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("", {}, "my.csv: found an empty file, expected a header and rows"),
        ("a,b\n", {}, "my.csv: found no rows below the header"),
        ("1,2\n3,4\n", {}, "my.csv:1: found the number '1', expected a header"),
        ("a,a\n3,4\n", {}, "my.csv:1: found two columns called 'a'"),
        ("a,b\n1,x\n2\n", {}, "my.csv:3: found 1 column, expected 2 as in the header (a, b)"),
        ("a,b\n1,x\n2,y,z\n", {}, "my.csv:3: found 3 columns, expected 2"),
        ("a\n\n1\n\ntwo\n", {"value": "a"}, "my.csv:5: found 'two' in column 'a', expected a fin"),
        ("a\n1\ninf\n", {"value": "a"}, "my.csv:3: found 'inf' in column 'a'"),
        ("a\n1\n1_000\n", {"value": "a"}, "my.csv:3: found '1_000' in column 'a'"),
        ("a,b\n1,2\n", {}, "data.value: FILE has several numeric columns (a, b), expected one of"),
        ("a,b\nx,y\n", {}, "data.value: FILE has no column of numbers; its columns are a, b"),
        (
            "consumption,when\n1,2010-01-01\n",
            {"value": "consumtion"},
            "data.value: FILE has no column 'consumtion'; its columns are consumption, when; did "
            "you mean 'consumption'?",
        ),
        ("a\n1\n", {"timestamp": "when"}, "data.timestamp: FILE has no column 'when'"),
        ("a\n1\n", {"values": ("b",)}, "data.values: FILE has no column 'b'"),
        ("a,value\n1,2\n", {"value": "a", "values": ("value",)}, "data.values: found 'value'"),
        ("a\n1\n", {"reset": "b"}, "data.reset: FILE has no column 'b'"),
        (
            "when,a\nnever,1\n",
            {"timestamp": "when"},
            "data.timestamp_format: found 'never' in column 'when'",
        ),
        (
            "when,a\n1/2/2010,1\n",
            {},
            "data.timestamp_format: '1/2/2010' in column 'when' of FILE fits %m/%d/%Y and %d/%m/%Y",
        ),
        (
            "when,a\n1/2/2010,1\n",
            {"timestamp_format": "%Y"},
            "data.timestamp_format: no column of FILE fits '%Y'",
        ),
        (
            "when,a\n2010-01-01,1\n2010-01-02,2\n2010-02-30,3\n",
            {"timestamp": "when", "timestamp_format": "%Y-%m-%d"},
            "my.csv:4: found '2010-02-30', expected a time like '%Y-%m-%d' (data.timestamp_format)",
        ),
        ("a,b\n1,2\n", {"skip_rows": 1, "value": "a"}, "no rows are left after skip_rows = 1"),
        ('a\n1\n"2\n', {"value": "a"}, "expected CSV"),
        (b"a\n1\n\xff\n", {"value": "a"}, "byte 0xff is no UTF-8 text"),
    ],
)
def test_errors_name_file_and_line_or_setting(source_of, tmp_path, text, settings, message):
    found = error_of(lambda: source_of(text, **settings).scan)
    assert message in found.replace(
        str(tmp_path / "my.csv"), "FILE" if "FILE" in message else "my.csv"
    )


def test_an_error_far_down_has_its_line(tmp_path):
    path = tmp_path / "long.csv"
    write_series(path, 2 * BLOCK_ROWS)
    lines = path.read_text().splitlines()
    bad = BLOCK_ROWS + 1234
    for column, wrong in enumerate(("2010-07-99", "lots")):
        cells = lines[bad].split(",")
        cells[column] = wrong
        path.write_text("\n".join([*lines[:bad], ",".join(cells), *lines[bad + 1 :]]))
        message = error_of(
            lambda: open_source(SeriesParameters(path=str(path), value="consumption")).scan
        )
        assert f"long.csv:{bad + 1}: found '{wrong}'" in message


def test_a_missing_file_is_named(tmp_path):
    message = error_of(lambda: open_source(SeriesParameters(path="no.csv"), base_dir=tmp_path))
    assert message == (
        f"data.path: {tmp_path / 'no.csv'} cannot be read (No such file or directory), expected a "
        "CSV file"
    )


def test_any_chunk_size_gives_the_same_samples(tmp_path):
    path = tmp_path / "s.csv"
    write_series(path, BLOCK_ROWS + 100)
    source = open_source(SeriesParameters(path=str(path)))
    whole = read(source, 10**9)
    for chunk in (7, 4096):
        assert max(len(c) for c in source.train(1, 2, chunk)) == chunk
        part = read(source, chunk)
        assert all((part[0][name] == whole[0][name]).all() for name in whole[0])
        assert part[1:] == whole[1:]
    with path.open() as f:
        expected = [float(row["consumption"]) for row in csv.DictReader(f)]
    assert whole[0]["value"].tolist() == expected


def test_fingerprint_follows_content_and_settings_not_the_place(source_of):
    first = source_of("when,a\n2010-01-01,1\n2010-01-02,2\n")
    elsewhere = source_of("when,a\n2010-01-01,1\n2010-01-02,2\n", name="other.csv", value="a")
    changed = source_of("when,a\n2010-01-01,1\n2010-01-02,3\n", name="third.csv")
    fewer = source_of("when,a\n2010-01-01,1\n2010-01-02,2\n", name="my.csv", rows=1)
    prints = [s.fingerprint for s in (first, elsewhere, changed, fewer)]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def _peak(path):
    source = open_source(SeriesParameters(path=str(path)))
    tracemalloc.start()
    try:
        assert source.samples == sum(len(c) for c in source.train(0, 0, 512))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_file(tmp_path):
    small, big = tmp_path / "small.csv", tmp_path / "big.csv"
    write_series(small, 2 * BLOCK_ROWS)
    write_series(big, 7 * BLOCK_ROWS)
    # The time step is estimated from at most 100,000 stamps of 8 bytes, held twice; the
    # cells of five blocks as Python strings would take ten times as much.
    assert _peak(big) < _peak(small) + 2_000_000


@pytest.mark.parametrize(
    ("name", "rows", "first", "time", "step"),
    [
        ("co2", 2284, 316.1, "1958-03-29", 7 * 86400),
        ("sunspots", 309, 5.0, "1700-01-01", 365 * 86400),
        ("elnino", 61 * 12, 23.11, "1950-01-01", 31 * 86400),
    ],
)
def test_bundled_series(name, rows, first, time, step):
    source = open_source(SeriesParameters(name=name))
    fields, reset, scored = read(source)
    assert len(fields["value"]) == source.samples == len(scored) == rows
    assert fields["value"][0] == first
    assert second_of(fields, 0) == f"{time}T00:00:00"
    assert source.median_step == step
    assert np.isfinite(fields["value"]).all()
    assert sum(reset) == 1


def test_co2_agrees_with_statsmodels():
    from statsmodels.datasets import co2

    expected = co2.load().data["co2"].ffill()
    fields, *_ = read(open_source(SeriesParameters()))
    assert fields["value"].tolist() == expected.tolist()
    assert (fields["timestamp"] == expected.index.to_numpy().astype("datetime64[s]")).all()


@pytest.mark.skipif(not (SHARED / "hotgym").is_dir(), reason="no hotgym under HTMRUN_TEST_DATA")
def test_hotgym_is_read_without_settings():
    source = open_source(SeriesParameters(path=str(SHARED / "hotgym" / "gymdata.csv")))
    fields, *_ = read(source)
    assert fields["value"][:3].tolist() == [21.2, 16.4, 4.7]
    assert second_of(fields, 0) == "2010-07-02T00:00:00"
    assert source.median_step == 3600.0
    assert (np.diff(fields["timestamp"].astype(int)) > 0).mean() > 0.99


@pytest.mark.skipif(not (SHARED / "nyc_taxi").is_dir(), reason="no nyc_taxi under HTMRUN_TEST_DATA")
def test_nyc_taxi_is_read_with_further_columns():
    path = str(SHARED / "nyc_taxi" / "nyc_taxi.csv")
    message = error_of(lambda: open_source(SeriesParameters(path=path)))
    assert "(passenger_count, timeofday, dayofweek)" in message
    source = open_source(
        SeriesParameters(path=path, value="passenger_count", values=("timeofday",))
    )
    fields, *_ = read(source)
    minutes = fields["timestamp"] - fields["timestamp"].astype("datetime64[D]")
    minutes = minutes // np.timedelta64(1, "m")
    assert (fields["timeofday"] == minutes).all()
    assert len(minutes) == 17520


def test_gaps_are_filled_once_rows_are_in_order_and_are_no_targets(tmp_path: Path) -> None:
    path = tmp_path / "newest.csv"
    path.write_text("day,load\n2024-01-04,4\n2024-01-03,\n2024-01-02,2\n2024-01-01,1\n")
    given = SeriesParameters(path=str(path), missing="previous", sort=True)
    (chunk,) = SeriesSource(given, tmp_path).train(0, 0, 10)
    assert chunk.fields["value"].tolist() == [1, 2, 2, 4]
    assert np.isnan(chunk.target).tolist() == [False, False, True, False]


def test_steps_of_another_length_are_told(tmp_path: Path) -> None:
    days = [d for d in range(1, 29) if d not in (5, 6, 20)]
    path = tmp_path / "days.csv"
    path.write_text("day,load\n" + "".join(f"2024-01-{d:02d},{d % 5}\n" for d in days))
    (note,) = SeriesSource(SeriesParameters(path=str(path)), tmp_path).notes
    assert note.startswith("2 of 24 steps are not the usual one of 1 day: horizons count rows")
    in_time = SeriesParameters(path=str(path), horizon_unit="time")
    assert SeriesSource(in_time, tmp_path).notes == ()
