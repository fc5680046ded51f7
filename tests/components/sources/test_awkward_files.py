"""Files as people have them: read right, or refused by the cell; never another column or day."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pytest

from htmrun.components.sources import open_source
from htmrun.components.sources.csv_table import PROBE_ROWS
from htmrun.components.sources.series import SeriesParameters
from htmrun.errors import UserError

START = datetime.datetime(2025, 3, 3)
HOURS = [START + datetime.timedelta(hours=h) for h in range(60)]
VALUES = [round(1500 + 700 * math.sin(h), 1) for h in range(60)]


@pytest.fixture
def source_of(tmp_path):
    def make(text, name="my.csv", **settings):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return open_source(SeriesParameters(path=name, **settings), base_dir=tmp_path)

    return make


def lines(header, *columns, delimiter=","):
    rows = (delimiter.join(map(str, row)) for row in zip(*columns, strict=True))
    return "\n".join((delimiter.join(header), *rows)) + "\n"


def read(source):
    source.scan  # noqa: B018 - what is wrong with a file is said by the first pass.
    chunks = list(source.train(0, 0, 17))
    fields = {n: np.concatenate([c.fields[n] for c in chunks]) for n in chunks[0].fields}
    return fields, np.concatenate([c.reset for c in chunks]).tolist()


def values_of(source):
    return read(source)[0]["value"].tolist()


def message_of(act):
    with pytest.raises(UserError) as e:
        act()
    assert "\n" not in str(e.value)
    return str(e.value)


def iso(times=HOURS):
    return [t.strftime("%Y-%m-%d %H:%M") for t in times]


# --- which column, and which number ---------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    ["?", "-", "1.5*", "1500 kW", "12:30", "off"],
)
def test_a_column_with_one_bad_cell_is_named_and_no_other_taken_in_its_place(source_of, cell):
    loads = [str(v) for v in VALUES]
    loads[20] = f'"{cell}"'
    source = source_of(lines(("when", "note", "load"), iso(), ["x"] * 60, loads))
    message = message_of(lambda: source.scan)
    assert f"my.csv:22: found '{cell}' in column 'load'" in message
    text = lines(("when", "flag", "load"), iso(), [h % 2 for h in range(60)], loads)
    message = message_of(lambda: source_of(text))
    assert "several numeric columns (flag, load" in message


def test_a_column_that_begins_empty_is_a_column_of_numbers(source_of):
    rows = PROBE_ROWS + 5
    late = ["", *[""] * PROBE_ROWS, "7", "8", "9", "10"]
    text = lines(("flag", "load"), [i % 3 for i in range(rows)], late)
    assert "(flag, load)" in message_of(lambda: source_of(text))


def test_an_unnamed_column_that_numbers_the_rows_is_none(source_of):
    text = lines(("", "when", "load"), range(60), iso(), VALUES)
    assert values_of(source_of(text)) == VALUES
    # With a name it may be anything.
    text = lines(("id", "when", "load"), range(60), iso(), VALUES)
    assert "(id, load)" in message_of(lambda: source_of(text))


@pytest.mark.parametrize(
    ("written", "delimiter"),
    [
        (lambda v: f'"{v:,.1f}"', ","),
        (lambda v: f"{v:,.1f}", ";"),
        (lambda v: f"{v:.1f}".replace(".", ","), ";"),
        (lambda v: f'"{v:.1f}"'.replace(".", ","), ","),
        (lambda v: f"{v:,.1f}".translate(str.maketrans(",.", ".,")), ";"),
        (lambda v: f"{v:,.1f}".translate(str.maketrans(",.", " ,")), ";"),
        (lambda v: f"{v:,.1f}".translate(str.maketrans(",.", "\u202f,")), "\t"),
        (lambda v: f"{v:,.1f}".replace(",", "'"), ","),
        (lambda v: f"{v:+.3e}", ","),
    ],
)
def test_numbers_that_fit_one_way_of_writing_are_read(source_of, written, delimiter):
    text = lines(("when", "load"), iso(), map(written, VALUES), delimiter=delimiter)
    assert values_of(source_of(text)) == pytest.approx(VALUES, rel=1e-3)


def test_numbers_that_fit_two_ways_are_asked(source_of):
    thousands = [f'"{round(v):,}"' for v in VALUES]
    text = lines(("when", "load"), iso(), thousands)
    message = message_of(lambda: source_of(text))
    assert "'1,500' in column 'load' of " in message
    assert "my.csv:2 can be 1500 or 1.5" in message
    assert values_of(source_of(text, thousands=",")) == [round(v) for v in VALUES]
    assert values_of(source_of(text, decimal=",")) == [
        float(t.strip('"').replace(",", ".")) for t in thousands
    ]
    dots = [f"{round(v):,}".replace(",", ".") for v in VALUES]
    assert "can be 1500 or 1.5" in message_of(
        lambda: source_of(lines(("when", "load"), iso(), dots, delimiter=";"))
    )
    # Another column of the file has a decimal comma, so a dot is between thousands.
    text = lines(("when", "load", "warmth"), iso(), dots, ["1,5"] * 60, delimiter=";")
    assert values_of(source_of(text, value="load")) == [round(v) for v in VALUES]


def test_a_fraction_after_zero_is_no_group_of_thousands(source_of):
    text = lines(("when", "load"), iso(), [f"0,{i:03d}" for i in range(60)], delimiter=";")
    assert values_of(source_of(text)) == [i / 1000 for i in range(60)]


def test_units_and_marks_are_left_out_by_name(source_of):
    loads = [f"{v} kW" for v in VALUES]
    text = lines(("when", "load"), iso(), loads)
    assert "data.units=['kW']" in message_of(lambda: source_of(text).scan)
    assert values_of(source_of(text, units=("kW",))) == VALUES
    text = lines(("when", "load"), iso(), [f"${v}*" for v in VALUES])
    assert values_of(source_of(text, units=("$", "*"))) == VALUES


def test_several_units_are_said_to_be_left_as_they_are(source_of):
    """900 W and 1.2 kW become 900 and 1.2: nobody may believe that they were converted."""
    text = lines(
        ("when", "load"), iso(), [f"{v} {'kW' if i % 2 else 'W'}" for i, v in enumerate(VALUES)]
    )
    both = source_of(text, units=("W", "kW"))
    assert any("'W' and 'kW' are left out and nothing is converted" in n for n in both.notes)
    one = lines(("when", "load"), iso(), [f"{v} kW" for v in VALUES])
    assert not any("converted" in n for n in source_of(one, units=("kW",)).notes)


def test_sentinels_are_missing_values(source_of):
    loads = [-200 if i % 5 == 4 else v for i, v in enumerate(VALUES)]
    written = ["-200.0" if v == -200 and i % 2 else v for i, v in enumerate(loads)]
    text = lines(("when", "load"), iso(), ["?" if i == 7 else v for i, v in enumerate(written)])
    kept = [v for i, v in enumerate(loads) if v != -200 and i != 7]
    source = source_of(text, missing_values=(-200, "?"), missing="skip", range="file")
    assert values_of(source) == kept
    assert source.ranges["value"] == (min(kept), max(kept))
    source = source_of(text, missing_values=(-200, "?"), missing="previous")
    assert -200 not in values_of(source)
    assert source.scan.missing == 13


# --- dates ----------------------------------------------------------------------------------


def test_the_whole_column_decides_between_day_and_month(source_of):
    # A thousand minutes of one day leave it open, the days after that do not.
    minutes = [
        datetime.datetime(2025, 4, 3) + datetime.timedelta(minutes=15 * m) for m in range(1200)
    ]
    for form in ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"):
        text = lines(("when", "load"), [t.strftime(form) for t in minutes], range(1200))
        assert (read(source_of(text))[0]["timestamp"] == np.array(minutes, "M8[us]")).all()
    # Irregular stamps whose first rows are even by chance in the wrong reading.
    days = [f"{1 + i % 12:02d}/01/2025 00:{i // 12:02d}" for i in range(24)]
    message = message_of(lambda: source_of(lines(("when", "load"), days[:12], range(12))))
    assert "fits %m/%d/%Y %H:%M and %d/%m/%Y %H:%M, expected you to say which" in message


def test_a_column_that_looks_like_dates_and_cannot_be_read_is_said(source_of):
    times = iso()
    times[30] = "2025-03-32 06:00"
    message = message_of(lambda: source_of(lines(("when", "load"), times, VALUES)))
    assert "my.csv:32, which looks like dates" in message
    assert "'2025-03-32 06:00' in column 'when'" in message
    german = [t.strftime("%d. Mai %Y %H:%M Uhr") for t in HOURS]
    message = message_of(lambda: source_of(lines(("Zeit", "load"), german, VALUES)))
    assert "'03. Mai 2025 00:00 Uhr' in column 'Zeit'" in message
    source = source_of(lines(("Zeit", "load"), german, VALUES), timestamp=())
    assert source.shapes == {"value": ()}


@pytest.mark.parametrize(
    ("header", "date", "clock"),
    [
        (("Date", "Time"), "%d/%m/%Y", "%H.%M.%S"),
        (("datum", "uhrzeit"), "%d.%m.%Y", "%H:%M"),
        (("DATE", "time of day"), "%Y-%m-%d", "%I:%M %p"),
    ],
)
def test_date_and_time_in_two_columns_are_joined(source_of, header, date, clock):
    columns = [[t.strftime(form) for t in HOURS] for form in (date, clock)]
    source = source_of(lines((*header, "load"), *columns, VALUES))
    assert (read(source)[0]["timestamp"] == np.array(HOURS, "M8[us]")).all()
    assert source.median_step == 3600.0
    # Under headers that do not say so, a field does.
    text = lines(("a", "b", "load"), *columns, VALUES)
    fields, _ = read(source_of(text, timestamp=("a", "b"), value="load"))
    assert (fields["timestamp"] == np.array(HOURS, "M8[us]")).all()


def test_year_month_day_and_hour_in_four_columns(source_of):
    parts = [
        [t.strftime(form).lstrip("0") or "0" for t in HOURS] for form in ("%Y", "%m", "%d", "%H")
    ]
    text = lines(("year", "month", "day", "hour", "load"), *parts, VALUES)
    source = source_of(text, timestamp=("year", "month", "day", "hour"))
    fields, _ = read(source)
    assert (fields["timestamp"] == np.array(HOURS, "M8[us]")).all()
    assert fields["value"].tolist() == VALUES


def test_epochs_and_steps_below_a_second(source_of):
    counts = [str(1_700_000_000_000 + 20 * i) for i in range(60)]
    source = source_of(lines(("timestamp", "load"), counts, VALUES))
    assert source.median_step == 0.02
    assert str(read(source)[0]["timestamp"][1]) == "2023-11-14T22:13:20.020000"
    # Under a name that does not say so they are numbers.
    assert "(a, load)" in message_of(lambda: source_of(lines(("a", "load"), counts, VALUES)))
    source = source_of(lines(("time", "load"), range(60), VALUES), value="load")
    assert "column 'time' holds numbers that are no dates" in source.notes[0]


def test_a_fraction_that_comes_late_is_kept(source_of):
    times = [f"2025-03-03 {m // 60:02d}:{m % 60:02d}:00" for m in range(PROBE_ROWS + 50)]
    times[PROBE_ROWS + 10] += ".250"
    fields, _ = read(source_of(lines(("when", "load"), times, range(len(times)))))
    assert str(fields["timestamp"][PROBE_ROWS + 10]).endswith(":00.250000")


# --- the order of times ---------------------------------------------------------------------


def test_times_that_run_backwards_are_said_or_sorted(source_of):
    text = lines(("when", "load"), iso()[::-1], VALUES[::-1])
    message = message_of(lambda: source_of(text).scan)
    assert (
        "my.csv:3: times run backwards (from 2025-03-05 11:00:00 to 2025-03-05 10:00:00)" in message
    )
    assert "data.sort=true" in message
    fields, reset = read(source_of(text, sort=True))
    assert fields["value"].tolist() == VALUES
    assert (fields["timestamp"] == np.array(HOURS, "M8[us]")).all()
    assert reset == [1] + [0] * 59
    assert values_of(source_of(text, sort=False)) == VALUES[::-1]
    assert "data.sort: found true and no column of dates" in message_of(
        lambda: source_of("load\n1\n2\n", sort=True)
    )


def test_a_row_out_of_order_is_named(source_of):
    times = iso()
    times[40], times[41] = times[41], times[40]
    message = message_of(lambda: source_of(lines(("when", "load"), times, VALUES)).scan)
    assert "my.csv:43: times go back from 2025-03-04 17:00:00 to 2025-03-04 16:00:00; " in message


def two_sensors(stacked):
    rows = [(t, s, v + 100 * (s == "B")) for t, v in zip(iso(), VALUES, strict=True) for s in "AB"]
    rows = sorted(rows, key=lambda row: row[1]) if stacked else rows
    return lines(("when", "sensor", "load"), *zip(*rows, strict=True))


@pytest.mark.parametrize("stacked", [False, True])
def test_two_series_in_one_file_are_told_apart_by_a_column(source_of, stacked):
    text = two_sensors(stacked)
    message = message_of(lambda: source_of(text).scan)
    assert (
        "my.csv:62: times go back" if stacked else "my.csv:3: times stand twice each"
    ) in message
    assert "data.where={sensor: A}" in message
    assert "data.group_by=sensor" in message
    second = [v + 100 for v in VALUES]
    fields, reset = read(source_of(text, where={"sensor": "B"}))
    assert fields["value"].tolist() == second
    assert reset == [1] + [0] * 59
    fields, reset = read(source_of(text, group_by="sensor"))
    assert fields["value"].tolist() == VALUES + second
    assert np.flatnonzero(reset).tolist() == [0, 60]


def test_a_text_column_starts_a_sequence_where_it_changes(source_of):
    reset = read(source_of(two_sensors(stacked=True), reset="sensor"))[1]
    assert np.flatnonzero(reset).tolist() == [0, 60]
    message = message_of(lambda: source_of(two_sensors(stacked=False), reset="sensor").scan)
    assert (
        "each time stands several times and 'sensor' starts a new sequence in every row" in message
    )
    assert "data.group_by=sensor" in message


def test_groups_keep_their_own_last_value(source_of):
    text = "sensor,load\nA,1\nB,10\nA,\nB,\nA,3\nB,30\n"
    source = source_of(text, group_by="sensor", missing="previous")
    assert values_of(source) == [1, 1, 3, 10, 10, 30]
    assert values_of(source_of(text, where={"sensor": ("A", "B")}, missing="skip")) == [
        1,
        10,
        3,
        30,
    ]


def test_clocks_set_back_an_hour_do_not_stop_a_run(source_of):
    quarter = datetime.timedelta(minutes=15)
    day = [datetime.datetime(2025, 10, 26) + quarter * i for i in range(96)]
    times = [*day[:12], *day[8:]]
    source = source_of(lines(("when", "load"), iso(times), range(100)))
    source.scan  # noqa: B018
    assert "my.csv:14: local time goes back an hour" in source.notes[0]
    hours = [*HOURS[:3], *HOURS[2:]]
    source = source_of(lines(("when", "load"), iso(hours), range(61)))
    assert "goes back an hour" in source.notes[0]
    # A day that is there again is something else.
    assert "times go back" in message_of(
        lambda: source_of(lines(("when", "load"), iso(day + day), range(192))).scan
    )


def test_a_few_times_that_stand_twice_are_noted(source_of):
    times = [START + datetime.timedelta(minutes=5 * i) for i in range(500)]
    times[250] = times[249]
    source = source_of(lines(("when", "load"), iso(times), range(500)))
    assert "my.csv:252: 1 time stands twice" in source.notes[0]
    times[100:110] = [times[100]] * 10
    assert "times often stand twice" in message_of(
        lambda: source_of(lines(("when", "load"), iso(times), range(500))).scan
    )


# --- the text -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "before", "delimiter", "settings"),
    [
        ("a.csv", "", ",", {}),
        ("a.csv", "", ";", {}),
        ("a.csv", "", "\t", {}),
        ("a.tsv", "", "\t", {}),
        ("a.txt", "", "|", {}),
        ("a.csv", "sep=;\n", ";", {}),
        ("a.csv", '"sep=,"\r\n', ",", {}),
        ("a.csv", "sep=;\n", ";", {"delimiter": "semicolon"}),
        ("a.csv", "", "\t", {"delimiter": "tab"}),
        ("a.csv", "", "\t", {"delimiter": "\\t"}),
        ("a.csv", "", ":", {"delimiter": ":", "timestamp": ()}),
        ("a.csv", "# by a logger\n#\n", ",", {"comment": "#"}),
        ("a.csv", 'Station 4\n\nHourly; "load\n', ",", {"skip_lines": 3}),
    ],
)
def test_what_separates_columns_and_what_stands_above_them(
    source_of, name, before, delimiter, settings
):
    times = ["x"] * 60 if "timestamp" in settings else iso()
    text = before + lines(("when", "load"), times, VALUES, delimiter=delimiter)
    assert values_of(source_of(text, name, **settings)) == VALUES
    bad = text.replace(str(VALUES[50]), "lots", 1)
    line = before.count("\n") + 52
    assert f"{name}:{line}: found 'lots'" in message_of(
        lambda: source_of(bad, name, **settings).scan
    )


def test_a_separator_that_is_not_certain_is_asked(source_of):
    text = lines(("when", "load, kW"), iso(), ["1,5"] * 60, delimiter=";")
    message = message_of(lambda: source_of(text))
    assert message.startswith("data.delimiter: ',' and ';' cut every line of ")
    assert values_of(source_of(text, delimiter=";")) == [1.5] * 60
    assert "data.comment='#'" in message_of(lambda: source_of("#when,load\n2025-01-01,1\n"))
    assert "data.skip_lines=1" in message_of(lambda: source_of("Station 4\na,b\n1,2\n"))
    assert "data.delimiter: found 'dash'" in message_of(lambda: source_of(text, delimiter="dash"))


def test_comments_between_the_rows(source_of):
    text = "when,load\n2025-01-01,1\n# a gap\n2025-01-02,2\n"
    assert values_of(source_of(text, comment="#")) == [1, 2]
    assert "data.comment='#'" in message_of(lambda: source_of(text).scan)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252"])
def test_encodings_by_their_mark_or_by_name(source_of, encoding):
    text = lines(("Zeit", "Verbrauch größe"), iso(), VALUES, delimiter=";")
    data = text.encode(encoding)
    named = {"encoding": encoding} if encoding in ("latin-1", "cp1252") else {}
    source = source_of(data, **named)
    assert source.table.names == ("Zeit", "Verbrauch größe")
    assert values_of(source) == VALUES
    if named:
        message = message_of(lambda: source_of(data))
        assert "is no UTF-8 text" in message
        assert "data.encoding=latin-1" in message
        assert "did you mean 'latin-1'" in message_of(lambda: source_of(data, encoding="latin1x"))


def test_empty_columns_at_the_end_are_left_out(source_of):
    text = "when,load,,\n" + "".join(f"{t},{v},,\n" for t, v in zip(iso(), VALUES, strict=True))
    source = source_of(text)
    assert source.table.names == ("when", "load")
    assert values_of(source) == VALUES
    text = "when,load\n2025-01-01,1,\n2025-01-02,2,,\n"
    assert values_of(source_of(text)) == [1, 2]
    assert "found 3 columns, expected 2" in message_of(
        lambda: source_of("when,load\n2025-01-01,1,x\n2025-01-02,2\n").scan
    )


def test_ways_of_reading_make_another_fingerprint(source_of):
    text = two_sensors(stacked=True)
    ways = (
        {"where": {"sensor": "A"}}, {"where": {"sensor": "B"}}, {"group_by": "sensor"},
        {"reset": "sensor"}, {"reset": "sensor", "missing_values": (-1,)},
        {"reset": "sensor", "sort": True},
    )  # fmt: skip
    assert len({source_of(text, **way).fingerprint for way in ways}) == len(ways)
