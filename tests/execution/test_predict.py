"""A kept model answers rows of a file, a pipe, a data frame and a server, and goes on learning."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import shutil
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import htmrun
from htmrun.cli import main
from htmrun.components.sources.cells import PLAIN
from htmrun.components.sources.reading import Reading, Row, RowReader
from htmrun.execution import feed
from htmrun.execution.keeping import ROWS, kept
from htmrun.execution.live import Live
from htmrun.execution.saved import FILE, MLFLOW, Saved
from tests.helpers.experiments import stream

Capsys = pytest.CaptureFixture[str]
ROWS_IN_ALL, ROWS_FIRST = 480, 300
MEMORY = ("tm.activation_threshold=4", "tm.matching_threshold=3", "tm.new_synapses=6")
SETTINGS = (
    "arms=[online]", "sp.winners=6", "seeds=[2]", "workers=1", "curve_points=2", *MEMORY,
    "data.range_rows=20", "anomaly.probation=50", "anomaly.learning=10",
)  # fmt: skip


def rows_of(first: int, last: int) -> list[tuple[str, str]]:
    rows = []
    for i in range(first, last):
        hour = np.datetime64("2026-01-05T00:00:00") + np.timedelta64(i, "h")
        value = 50 + 20 * math.sin(2 * math.pi * i / 24) + (i * 7919 % 13) / 4
        rows.append((f"{hour.item():%d.%m.%Y %H:%M}", f"{value:.2f}".replace(".", ",")))
    return rows


def text_of(first: int, last: int) -> str:
    lines = [";".join(row) for row in (("when", "load"), *rows_of(first, last))]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with runs of the first rows, of all of them, and of another arm."""
    folder = tmp_path_factory.mktemp("home")
    for name, last in (("first", ROWS_FIRST), ("all", ROWS_IN_ALL)):
        (folder / f"{name}.csv").write_text(text_of(0, last))
    (folder / "second.csv").write_text(text_of(ROWS_FIRST, ROWS_IN_ALL))
    with chdir(folder):
        for name in ("first", "all"):
            arguments = stream(
                Path(f"{name}.csv"), *SETTINGS, f"name={name}", f"tracking.dir={name}"
            )
            assert main(["train", *arguments, "--quiet"]) == 0
        yield folder


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(home)
    return home


def model_folder(home: Path, run: str) -> Path:
    [path] = home.glob(f"{run}/artifacts/*/*/artifacts/model")
    return path


def answers(capsys: Capsys, *arguments: str, status: int = 0) -> list[dict[str, str]]:
    capsys.readouterr()
    assert main(["predict", *arguments]) == status
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def feed_rows(home: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((home / "second.csv").open(), delimiter=";"))


def test_a_model_goes_on_as_if_it_had_never_stopped(here: Path, capsys: Capsys) -> None:
    given = ["first", "--dir", "first", "--data", "second.csv", "--save", "live"]
    found = answers(capsys, *given)
    uninterrupted = Saved.read(model_folder(here, "all"))
    after = Saved.read(Path("live"))
    assert after.rows == len(found) == ROWS_IN_ALL - ROWS_FIRST
    assert htmrun.state_hash(after.state) == htmrun.state_hash(uninterrupted.state)
    assert after.cursor == uninterrupted.cursor
    for name, array in uninterrupted.after["anomaly"].items():
        assert after.after["anomaly"][name].tobytes() == array.tobytes(), name
    with np.load(next(here.glob("all/artifacts/*/*/artifacts/series.npz"))) as series:
        raw, likelihood = series["anomaly/raw"], series["anomaly/likelihood"]
    assert np.array([row["anomaly"] for row in found], np.float32).tolist() == raw[-180:].tolist()
    judged = np.array([row["likelihood"] for row in found], np.float32)
    assert judged.tolist() == likelihood[-180:].tolist()
    assert [row["value"] for row in found[:3]] == [
        cell.replace(",", ".").rstrip("0") for _, cell in rows_of(300, 303)
    ]
    assert found[0]["time"] == "2026-01-17T12:00:00"


def test_a_forecast_is_the_one_that_was_scored(here: Path, capsys: Capsys) -> None:
    """The errors of the forecasts that are printed are those that training wrote down."""
    found = answers(capsys, "first", "--dir", "first", "--data", "second.csv")
    values = np.array([float(row["value"]) for row in found])
    with np.load(next(here.glob("all/artifacts/*/*/artifacts/series.npz"))) as series:
        for h in (1, 5):
            made = np.array([float(row[f"forecast_{h}"]) for row in found])[:-h]
            low, high = (
                np.array([float(row[f"{n}_{h}"]) for row in found]) for n in ("low", "high")
            )
            expected = series[f"loss/{h}"][-180 + h :]
            np.testing.assert_allclose((values[h:] - made) ** 2, expected, rtol=1e-5, atol=1e-6)
            assert (low < high).all()
            inside = (low[:-h] <= values[h:]) & (values[h:] <= high[:-h])
            assert 0.3 < inside.mean() <= 1


class Pipe:
    """Standard input that is written to row by row, and what has been printed by then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        get, self._put = os.pipe()
        self.out = io.StringIO()
        reader = open(get, "rb")  # noqa: SIM115
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(reader))
        monkeypatch.setattr(sys, "stdout", self.out)

    def write(self, text: str) -> None:
        os.write(self._put, text.encode())

    def close(self) -> None:
        os.close(self._put)

    def lines(self, count: int) -> list[str]:
        """Wait for so many lines."""
        for _ in range(2000):
            found = self.out.getvalue().splitlines()
            if len(found) >= count:
                return found
            threading.Event().wait(0.01)
        raise AssertionError(f"{count} lines did not come: {self.out.getvalue()!r}")


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_row_goes_out_before_the_next_comes_in(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys, form: str
) -> None:
    expected = answers(capsys, "first", "--dir", "first", "--data", "second.csv")[:8]
    header, *rows = (here / "second.csv").read_text().splitlines()[:9]
    if form == "json":
        pairs = [row.split(";") for row in rows]
        values = [(when, float(cell.replace(",", "."))) for when, cell in pairs]
        rows = [json.dumps({"load": value, "when": when}) for when, value in values]
    pipe = Pipe(monkeypatch)
    status: list[int] = []
    command = ["predict", "first", "--dir", "first"]
    thread = threading.Thread(target=lambda: status.append(main(command)))
    thread.start()
    try:
        if form == "csv":
            pipe.write(header + "\n")
        for i, row in enumerate(rows):
            pipe.write(row[:7])  # Half a row is none.
            pipe.write(row[7:] + "\n")
            found = pipe.lines(i + 1 + (form == "csv"))
    finally:
        pipe.close()
        thread.join(60)
    assert status == [0]
    if form == "csv":
        got: Sequence[Any] = list(csv.DictReader(found))
    else:
        got = [{n: str(v) for n, v in json.loads(line).items()} for line in found]
    assert got == expected


def test_what_was_kept_lives_on_after_the_hardest_end(here: Path) -> None:
    first, rows = Saved.read(model_folder(here, "first")), feed_rows(here)
    folder = here / "killed"
    # Never left: as a process that is ended without a word.
    holder = kept(folder, first, True)
    live, keeping = holder.__enter__()
    for start in range(0, 100, 10):
        piece = rows[start : start + 10]
        encoded = live.read(piece)
        keeping.take_down(piece, False)
        live.answer(encoded)
        if start == 40:
            keeping.keep(now=True)
    with (folder / ROWS).open("a") as file:
        file.write('{"count": 110, "learned": true, "rows": [{"when": "05.0')
    with kept(folder, first, True) as (again, other):
        assert again.rows == 100
        other.take_down(rows[100:], False)
        again.take(rows[100:])
    whole = Saved.read(model_folder(here, "all"))
    assert htmrun.state_hash(Saved.read(folder).state) == htmrun.state_hash(whole.state)
    other_model = first.__class__(**{**vars(first), "seed": 7})
    with pytest.raises(htmrun.UserError, match=r"--save: .* holds online, seed 2 of .*, expected"):
        kept(folder, other_model, True).__enter__()


@pytest.mark.parametrize("begins", [False, True])
def test_rows_of_json_and_a_new_sequence_are_kept_as_such(here: Path, begins: bool) -> None:
    """The model's own numbers have decimal commas; those of JSON have points."""
    first, rows = Saved.read(model_folder(here, "first")), feed_rows(here)[:30]
    plainly = [{**row, "load": str(row["load"]).replace(",", ".")} for row in rows]
    folder = here / f"json-{begins}"
    live, keeping = kept(folder, first, True).__enter__()
    live.reader.reading = live.reader.reading.plain
    if begins:
        live.begin_sequence()
    encoded = live.read(plainly)
    keeping.take_down(plainly, bool(encoded.chunk.reset[0]))
    live.answer(encoded)
    with kept(folder, first, True) as (again, _):
        assert again.rows == 30
        assert htmrun.state_hash(again.saved().state) == htmrun.state_hash(live.saved().state)
    other = Live(first)
    other.take(rows)
    alike = htmrun.state_hash(other.saved().state) == htmrun.state_hash(live.saved().state)
    assert alike is not begins


def test_what_an_earlier_version_took_down_is_read(here: Path) -> None:
    first, rows = Saved.read(model_folder(here, "first")), feed_rows(here)[:20]
    folder = here / "earlier"
    live, _keeping = kept(folder, first, True).__enter__()
    with (folder / ROWS).open("a") as file:
        file.write(json.dumps([0, True, rows]) + "\n")
    live.take(rows)
    with kept(folder, first, True) as (again, _):
        assert htmrun.state_hash(again.saved().state) == htmrun.state_hash(live.saved().state)


def test_rows_that_were_learned_are_left_out_wherever_they_stand(here: Path) -> None:
    first, rows = Saved.read(model_folder(here, "first")), feed_rows(here)
    known = Live(first)
    known.take(rows[:50])
    last = known.last_time
    mixed = [rows[49], rows[50], rows[10], rows[51], rows[20]]

    def alike() -> Live:
        made = Live(first)
        made.take(rows[:50])
        return made

    whole, single = alike(), alike()
    encoded = whole.read(mixed, last)
    assert list(encoded.kept) == [1, 3]
    answers = whole.answer(encoded)
    assert answers == [a for row in mixed for a in single.answer(single.read([row], last))]
    assert answers == known.take(rows[50:52])
    # A sequence that was asked to begin does so at the first row that is taken.
    whole.begin_sequence()
    assert len(whole.read(rows[:2], last).chunk) == 0
    assert whole.read([rows[3], rows[52], rows[53]], last).chunk.reset.tolist() == [1, 0]
    assert whole.read([rows[3], rows[54]], last).chunk.reset.tolist() == [0]


def test_frozen_learns_nothing_and_still_follows(here: Path, capsys: Capsys) -> None:
    saved = Saved.read(model_folder(here, "first"))
    live = Live(saved, learn=False)
    found = live.take(feed_rows(here))
    after = live.saved().state
    changed = {name for name in after if after[name].tobytes() != saved.state[name].tobytes()}
    assert changed <= {"tm/sample", "tm/active", "tm/winners", "sp/sample"} | {
        name for name in after if "past_" in name or "since_reset" in name
    }
    assert "tm/active" in changed
    printed = answers(capsys, "first", "--dir", "first", "--data", "second.csv", "--frozen")
    assert [float(row["forecast_1"]) for row in printed] == [row["forecast_1"] for row in found]


def test_of_a_file_that_grows_only_what_is_new_is_taken(here: Path, capsys: Capsys) -> None:
    given = ["first", "--dir", "first", "--save", "growing", "--new-only"]
    (here / "grown.csv").write_text(text_of(0, 400))
    first = answers(capsys, *given, "--data", "grown.csv")
    again = answers(capsys, *given, "--data", "all.csv")
    assert [len(first), len(again)] == [100, 80]
    assert answers(capsys, *given, "--data", "all.csv") == []
    whole = Saved.read(model_folder(here, "all"))
    assert htmrun.state_hash(Saved.read(Path("growing")).state) == htmrun.state_hash(whole.state)


def test_the_rows_of_one_series_are_chosen_and_a_new_one_starts_anew() -> None:
    columns = {"value": "load"}
    given = Reading(
        columns, (), "", "us", None, PLAIN, "previous", "lot", True, {"sensor": ("1", "b")}
    )
    reader = RowReader(given, {"value": 5.0})
    rows = [{"load": cell, "lot": lot, "sensor": "1.0"} for cell, lot in (("", "x"), ("7", "x"))]
    assert [reader.wanted({"sensor": cell}) for cell in ("1.0", " b ", "2", "a")] == [
        True, True, False, False,
    ]  # fmt: skip
    chunk = reader.chunk(rows)
    assert chunk.fields["value"].tolist() == [5.0, 7.0], "the last value of training is repeated"
    assert np.isnan(chunk.target).tolist() == [True, False], "and is no target"
    assert chunk.reset.tolist() == [1, 0], "what the last one was is not known"
    assert reader.chunk(rows[:1]).reset.tolist() == [0]
    assert reader.chunk([{**rows[0], "lot": "y"}]).reset.tolist() == [1]
    numbered = RowReader(replace(given, by_text=False))
    marks = [{"load": "1", "lot": mark, "sensor": "b"} for mark in ("0", "1", "0")]
    assert numbered.chunk(marks).reset.tolist() == [0, 1, 0]


def test_times_that_go_back_are_said(here: Path, capsys: Capsys) -> None:
    given = ["predict", "first", "--dir", "first", "--data", "first.csv"]
    capsys.readouterr()
    assert main(given) == 0
    assert capsys.readouterr().err.startswith("note: the rows begin at 2026-01-05T00:00:00")
    assert main([*given, "--new-sequence"]) == 0
    assert capsys.readouterr().err == ""


def test_rows_that_are_wrong_stop_it_or_are_left_out(here: Path, capsys: Capsys) -> None:
    rows = text_of(300, 306).splitlines()
    rows[3] = "17.01.2026 14:00;twelve"
    rows.insert(5, "17.01.2026 16:00")
    (here / "wrong.csv").write_text("\n".join(rows))
    given = ["predict", "first", "--dir", "first", "--data", "wrong.csv"]
    capsys.readouterr()
    assert main(given) == 2
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3, "what was right is answered"
    assert err == (
        "error: wrong.csv:4: found 'twelve' in column 'load', expected a finite number\n"
    )
    assert main([*given, "--bad-rows", "skip"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 6
    assert "left out: wrong.csv:4: found 'twelve'" in err
    assert "left out: wrong.csv:6: found 1 columns, expected 2 as in the header" in err
    assert err.endswith("2 rows were left out\n")


def test_a_value_that_no_bucket_holds_is_a_wrong_row(here: Path, capsys: Capsys) -> None:
    rows = text_of(300, 306).splitlines()
    when = rows[3].partition(";")[0]
    (here / "far.csv").write_text("\n".join([*rows[:3], f"{when};1e30", *rows[4:]]))
    (here / "near.csv").write_text("\n".join([*rows[:3], *rows[4:]]))
    given = ["predict", "first", "--dir", "first", "--data", "far.csv"]
    capsys.readouterr()
    assert main(given) == 2
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3, "what was right is answered"
    assert err.startswith("error: far.csv:4: encoder.fields.value.resolution: ")
    assert "the value 1e+30, expected a coarser one" in err
    assert len(err.splitlines()) == 1
    skipping = ["first", "--dir", "first", "--data", "far.csv", "--bad-rows", "skip"]
    left = answers(capsys, *skipping, "--save", "far")
    assert left == answers(
        capsys, "first", "--dir", "first", "--data", "near.csv", "--save", "near"
    )
    far, near = Saved.read(Path("far")), Saved.read(Path("near"))
    assert htmrun.state_hash(far.state) == htmrun.state_hash(near.state)
    assert far.rows == near.rows == 5
    live = Live(Saved.read(model_folder(here, "first")))
    before = live.reader.state()
    for count in (1, 2):
        with pytest.raises(ValueError, match="2\\^62 buckets of the value 1e\\+30"):
            live.take([{"when": when, "load": "1e30"}] * count)
    np.testing.assert_equal(live.reader.state(), before)
    assert live.rows == 0


def test_rows_of_numbers_and_times_are_answered_as_those_of_texts(here: Path) -> None:
    texts = feed_rows(here)[:40]
    expected = Live(Saved.read(model_folder(here, "first"))).take(texts)
    rows: list[Row] = []
    for i, row in enumerate(texts):
        number = float(row["load"].replace(",", "."))
        time = datetime.strptime(row["when"], "%d.%m.%Y %H:%M")
        times = (time, np.datetime64(time), pandas.Timestamp(time), time.replace(tzinfo=UTC))
        rows.append(
            {"when": times[i % 4], "load": (number, np.float64(number), row["load"])[i % 3]}
        )
    for step in (1, 7, 40):
        live = Live(Saved.read(model_folder(here, "first")))
        found = [a for i in range(0, 40, step) for a in live.take(rows[i : i + step])]
        np.testing.assert_equal(found, expected)
    whole = Live(Saved.read(model_folder(here, "first")))
    low = {"when": rows[0]["when"], "load": np.float32(50)}
    (first,) = whole.take([low])
    assert first["value"] == 50.0
    for wrong in (math.inf, np.float32("-inf"), 10**400, 1j, [3], b"3"):
        for count in (1, 2):
            with pytest.raises(ValueError, match=r"in column 'load', expected a finite number"):
                whole.take([{**low, "load": wrong}] * count)  # type: ignore[dict-item]
    for missing in (None, math.nan, ""):
        with pytest.raises(ValueError, match="found no value in column 'load', expected a number"):
            whole.take([{**low, "load": missing}])
    for wrong in (None, np.datetime64("NaT"), 3.5):
        for count in (1, 2):
            with pytest.raises(ValueError, match=r"found .* in column 'when', expected"):
                whole.take([{**low, "when": wrong}] * count)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["none", "--dir", "first"], "run: no experiment run begins with 'none'"),
        (["first", "--dir", "first", "--arm", "onlin"], "did you mean 'online'?"),
        (["first", "--dir", "first", "--seed", "3"], "--seed: found 3, expected one of 2"),
        (["first", "--dir", "first", "-d", "absent.csv"], "--data: absent.csv cannot be read"),
        (["first", "--dir", "first", "-d", "other.csv"],
         "other.csv:1: found the columns when, loads, expected 'load' among them, as in the data "
         "that the model was trained on; did you mean 'loads'?"),
        (["first", "--dir", "first", "-d", "twice.csv"],
         "twice.csv:1: found two columns called 'load', expected different names"),
        (["first", "--dir", "first", "-d", "cut.csv.gz"], "cut.csv.gz: broken ("),
        (["first", "--dir", "first", "-d", "empty.csv"], "--data: empty.csv is empty"),
        (["first", "--dir", "first", "--bad-rows", "ignore"], "--bad-rows: found 'ignore'"),
        (["first", "--dir", "first", "--format", "xml"], "--format: found 'xml'"),
        (["first", "--dir", "first", "--encoding", "utf8x"], "--encoding: found 'utf8x'"),
        (["damaged"], "is no whole model (its checksum is another)"),
        (["digits", "--dir", "digits"], "expected one of a series"),
        (["acting", "--dir", "acting"], "which act and answer no rows, expected one of a series"),
        (["bare", "--dir", "bare"], "model: none was kept of online-s002, expected a run with "
         "tracking.models_mb above 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_a_line(
    here: Path, capsys: Capsys, arguments: list[str], line: str
) -> None:
    (here / "other.csv").write_text(text_of(300, 306).replace("load", "loads"))
    (here / "empty.csv").write_text("")
    (here / "twice.csv").write_text("when;load;load\n17.01.2026 12:00;1;2\n")
    (here / "cut.csv.gz").write_bytes(gzip.compress(text_of(300, 306).encode())[:40])
    if arguments == ["damaged"]:
        shutil.copytree(model_folder(here, "first"), here / "damaged", dirs_exist_ok=True)
        data = bytearray((here / "damaged" / FILE).read_bytes())
        data[len(data) // 2] ^= 1
        (here / "damaged" / FILE).write_bytes(data)
    if "digits" in arguments:
        small = ["experiment=digits", "sp.columns=64", "epochs=1", "seeds=[0]", "arms=[online]"]
        assert main(["train", *small, "tracking.dir=digits", "workers=1", "--quiet"]) == 0
    if "acting" in arguments:
        acts = ["experiment=bandit", "name=acting", "data.steps=20", "seeds=[0]", "arms=[random]"]
        assert main(["train", *acts, "tracking.dir=acting", "workers=1", "--quiet"]) == 0
    if "bare" in arguments:
        bare = stream(Path("first.csv"), *SETTINGS, "name=bare", "tracking.dir=bare")
        assert main(["train", *bare, "tracking.models_mb=0", "--quiet"]) == 0
    capsys.readouterr()
    data = [] if "-d" in arguments else ["-d", "second.csv"]
    assert main(["predict", *arguments, *data]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert line in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1


def test_models_beyond_the_limit_are_named(here: Path, capsys: Capsys) -> None:
    size = (model_folder(here, "first") / FILE).stat().st_size / 1e6
    arguments = stream(
        Path("first.csv"), *SETTINGS, "name=full", "tracking.dir=full", "seeds=[0,1]",
        f"tracking.models_mb={1.5 * size}",
    )  # fmt: skip
    assert main(["train", *arguments, "--quiet"]) == 0
    assert "tracking.models_mb: the models of 1 jobs (online-s001) are not kept" in (
        capsys.readouterr().err
    )
    assert len(list(here.glob("full/artifacts/*/*/artifacts/model/*"))) == 2


def test_mlflow_loads_and_serves_it(here: Path) -> None:
    import mlflow
    import pandas
    from mlflow.pyfunc import scoring_server

    folder = model_folder(here, "first")
    assert (folder / MLFLOW).exists()
    frame = pandas.DataFrame(
        [(when, float(cell.replace(",", "."))) for when, cell in rows_of(300, 320)],
        columns=["when", "load"],
    )
    expected = Live(Saved.read(folder), learn=False).take(feed_rows(here)[:20])
    loaded = mlflow.pyfunc.load_model(str(folder))
    assert loaded.predict(frame[:5]).to_dict("records") == expected[:5]
    assert loaded.predict(frame[5:]).to_dict("records") == expected[5:], "the stream goes on"
    app = scoring_server.init(mlflow.pyfunc.load_model(str(folder)))
    with served(app) as address:
        body = json.dumps({"dataframe_split": frame.to_dict("split")}).encode()
        kind = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{address}/invocations", body, kind)
        with urllib.request.urlopen(request, timeout=60) as reply:
            assert json.load(reply)["predictions"] == expected


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an application on a port of this machine, as `mlflow models serve` does."""
    import uvicorn

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


def test_python_gets_the_live_model(here: Path) -> None:
    model = htmrun.load_model("first", directory="first")
    assert model.state_hash() == htmrun.state_hash(Saved.read(model_folder(here, "first")).state)
    with pytest.raises(htmrun.UserError, match="--arm: found 'none'"):
        htmrun.load_model("first", "none", directory="first")


def test_a_line_without_end_is_no_row(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "LONGEST_LINE", 1000)
    (here / "long.csv").write_text("when;load\n" + "7" * 200_000)
    assert main(["predict", "first", "--dir", "first", "-d", "long.csv"]) == 2
