"""A model whose fields are derived, or texts, goes on over new rows as if it had never stopped."""

from __future__ import annotations

import csv
import io
import math
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest

import htmrun
from htmrun.cli import main
from htmrun.components.sources.reading import Reading, RowReader
from htmrun.execution.live import Live
from htmrun.execution.saved import Saved
from tests.helpers.experiments import stream

FIRST, ALL = 260, 420
SETTINGS = (
    "arms=[online]", "sp.winners=6", "seeds=[2]", "workers=1", "curve_points=2",
    "tm.activation_threshold=4", "tm.matching_threshold=3", "tm.new_synapses=6",
    "data.range_rows=30", "data.value=load", "data.values=[x,y]", "data.texts={shift: []}",
    "data.derived={change: {}, week: {what: lag, unit: season}, place: {what: place},"
    " before: {what: lag, lag: 30, of: x}}",
    "encoder.fields.change.kind=rdse", "encoder.fields.week={kind: rdse, resolution: 1}",
    "encoder.fields.place.kind=scalar", "encoder.fields.before={kind: log, not_positive: none, "
    "minimum: 0.1}",
    "encoder.fields.shift.kind=category", "encoder.fields.xy={kind: coordinate, radius: 2}",
)  # fmt: skip


def text_of(first: int, last: int) -> str:
    lines = ["when,load,x,y,shift"]
    for i in range(first, last):
        hour = np.datetime64("2026-01-05T00:00:00") + np.timedelta64(i + i // 50, "h")
        load = 50 + 20 * math.sin(2 * math.pi * i / 24) + (i * 7919 % 13) / 4
        shift = ("early", "late", "night")[i // 8 % 3] if i % 101 else "strike"
        lines.append(f"{hour},{load:.2f},{i % 9},{-i % 5},{shift}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    for name, first, last in (
        ("first", 0, FIRST), ("all", 0, ALL), ("second", FIRST, ALL), ("middle", 200, ALL),
    ):  # fmt: skip
        (folder / f"{name}.csv").write_text(text_of(first, last))
    with chdir(folder):
        for name in ("first", "all"):
            arguments = stream(
                Path(f"{name}.csv"), *SETTINGS, f"name={name}", f"tracking.dir={name}"
            )
            assert main(["train", *arguments, "--quiet"]) == 0
    return folder


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(home)
    return home


def saved(home: Path, run: str) -> Saved:
    [path] = home.glob(f"{run}/artifacts/*/*/artifacts/model")
    return Saved.read(path)


@pytest.mark.parametrize("data", ["second", "middle"])
def test_it_ends_as_the_model_of_all_rows(
    here: Path, capsys: pytest.CaptureFixture[str], data: str
) -> None:
    """middle: rows that the model has learned stand before the new ones."""
    given = ["first", "--dir", "first", "--data", f"{data}.csv", "--save", f"live-{data}"]
    assert main(["predict", *given, "--new-only"]) == 0
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(found) == ALL - FIRST
    uninterrupted, after = saved(here, "all"), Saved.read(Path(f"live-{data}"))
    assert htmrun.state_hash(after.state) == htmrun.state_hash(uninterrupted.state)
    carried = after.after["reader"]["derived"]
    assert carried.keys() == uninterrupted.after["derived"].keys()
    for name, array in uninterrupted.after["derived"].items():
        assert carried[name].tobytes() == array.tobytes(), name


def test_rows_one_by_one_make_no_difference(here: Path) -> None:
    rows = list(csv.DictReader((here / "second.csv").open()))
    whole, single = Live(saved(here, "first")), Live(saved(here, "first"))
    answers = whole.take(rows)
    assert [single.take([row])[0] for row in rows] == answers
    # Stopped in between, and gone on with from what was kept.
    before = Live(saved(here, "first"))
    before.take(rows[:77])
    before.saved().write(here / "between")
    after = Live(Saved.read(here / "between"))
    assert after.take(rows[77:]) == answers[77:]
    assert after.model.state_hash() == whole.model.state_hash()


def test_an_answer_stands_alone_where_a_row_is_wrong(here: Path) -> None:
    """Nothing is kept of a row that cannot be read."""
    live, rows = Live(saved(here, "first")), list(csv.DictReader((here / "second.csv").open()))
    before = live.reader.state()
    with pytest.raises(ValueError, match="found no value in column 'shift', expected a text"):
        live.take([{**rows[0], "shift": " "}])
    np.testing.assert_equal(live.reader.state(), before)


def test_a_model_of_an_earlier_version_has_no_such_fields(here: Path) -> None:
    model = saved(here, "first")
    assert model.reading is not None
    later = {"texts", "vocabularies", "rules"}
    old = Reading.known({n: v for n, v in model.reading.items() if n not in later})
    row = {"when": "2026-02-01T00:00:00", "load": "3", "x": "1", "y": "2"}
    chunk = RowReader(old).chunk([row])
    assert list(chunk.fields) == ["value", "x", "y", "timestamp"]
