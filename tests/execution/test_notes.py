"""What is said beside the figures: before a run, right after it, in its record and its report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from htmrun.cli import main
from htmrun.components.sources.series import SeriesSource
from htmrun.config.compose import load
from htmrun.execution.notes import notes_of
from htmrun.execution.opening import open_run
from htmrun.training.measures.registry import remarks
from tests.helpers.experiments import HERE, SEQUENCES, stream, train, write_series

Capsys = pytest.CaptureFixture[str]
MEMORY = ("tm.activation_threshold=4", "tm.matching_threshold=4", "tm.new_synapses=6")

QUIET = (
    "sp.winners=6", "sp.duty_period=100", "~encoder.fields.timestamp", "anomaly.probation=299",
    "anomaly.learning=9",
)  # fmt: skip


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    values = np.round(10 + 5 * np.sin(np.arange(300) / 5), 3).tolist()
    return write_series(tmp_path_factory.mktemp("series") / "load.csv", values)


def said(arguments: list[str]) -> str:
    """Return all notes but that of ranges; 300 samples, 64 columns, one winner: see `stream`."""
    builder = open_run(load([*arguments, *HERE]).experiment).builder
    return "\n".join(line for line in notes_of(builder) if not line.startswith("ranges are"))


def test_an_experiment_without_traps_says_nothing(series: Path) -> None:
    quiet = (*QUIET, *MEMORY)
    assert said(stream(series, *quiet)) == ""


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["sp.winners=3"], "tm.matching_threshold: 4, but at most 3 columns are active"),
        (["sp.winners=5", "tm.activation_threshold=6"],
         "tm.activation_threshold: 6, but at most 5 columns are active"),
        (["sp.winners=9", "tm.activation_threshold=7"],
         "tm.activation_threshold: 7, but tm.new_synapses is 6"),
        (["sp.winners=9", "tm.increment=0"], "tm.increment: 0, so new synapses never connect"),
        # 0.29 in steps of 0.02 is 15 of them, and the first time it is only noticed.
        (["sp.winners=9", "tm.increment=0.02"], "before it has come 16 times"),
        (["sp.winners=9", "tm.increment=0.032"], "before it has come 11 times"),
        (["sp.duty_period=301"], "sp.duty_period: 301 is more than the 300 samples"),
        (["sp.duty_period=601", "epochs=2"], "601 is more than the 600 samples"),
        (["anomaly.probation=300"], "anomaly.probation: 300 rows are not judged"),
        (["arms=[epoch_boost]"], "epoch_length: an epoch is a tenth of the stream, 30 samples"),
        (["arm.minibatch.learn_every=301"],
         "learn_every: 301 is more than the 300 samples of an epoch: it learns at the end of each "
         "(minibatch)"),
        (["arm.minibatch.learn_every=60", "epoch_length=50"], "60 is more than the 50 samples"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_said(series: Path, overrides: list[str], line: str) -> None:
    assert line in said(stream(series, *MEMORY, *overrides))


@pytest.mark.parametrize(
    "overrides",
    [
        ["sp.winners=4"],
        ["sp.winners=9", "tm.increment=0.033"],  # 9 steps
        ["sp.winners=9", "tm.increment=0.0", "tm.initial_permanence=0.5"],
        ["sp.duty_period=300"],
        ["sp.duty_period=999", "sp.boost_strength=0"],
        ["arm.minibatch.learn_every=300", "sp.duty_period=300"],
        ["sp.winners=3", "tm.learn=false"],
    ],
)
def test_what_just_works_is_not(series: Path, overrides: list[str]) -> None:
    assert said(stream(series, *QUIET, *MEMORY, *overrides)) == ""


def test_columns_of_an_encoder_are_counted_as_they_are() -> None:
    line = "tm.activation_threshold: 9, but at most 8 columns are active"
    assert line in said([*SEQUENCES, "tm.activation_threshold=9"])
    assert "activation_threshold" not in said([*SEQUENCES])


def test_a_hash_that_is_too_small_is_measured(series: Path) -> None:
    small = "encoder.fields.value.size=60"
    line = said(stream(series, small, "encoder.fields.value.active=21"))
    assert "encoder.fields.value.size: of 60 bits 21 are on, and values as far apart as" in line
    share = int(line.partition(" share ")[2].partition("%")[0])
    assert 50 <= share <= 100
    assert "look alike" not in said(stream(series, "encoder.fields.value.size=1000"))


def test_a_pooler_that_stays_silent_is_told_of_after_the_run() -> None:
    figures = {
        "online": {"sp/dead_columns": [0.7, 0.9], "accuracy": [1.0, 1.0]},
        "minibatch": {"sp/dead_columns": [0.4, 0.6]},
    }
    [line] = remarks(figures)
    assert line.startswith("sp/dead_columns is 0.80 in online: most of them were not active once")


def test_a_memory_that_had_to_forget_is_told_of_after_the_run() -> None:
    figures = {"online": {"tm/segments_evicted": [3000.0, 1001.0]}, "sp": {}}
    [line] = remarks(figures)
    assert line.startswith("tm/segments_evicted is 2,000 in online: as many learned segments had")
    assert remarks({"online": {"tm/segments_evicted": [0.0]}}) == []


def test_notes_are_printed_recorded_and_reported(
    series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(SeriesSource, "notes", ("load.csv: <b>half</b> of it was left out",))
    steps = ("sp.increment=0.05", "sp.decrement=0.008", "sp.potential_fraction=0.5",
             "sp.boost_strength=0")  # Many columns stay silent.  # fmt: skip
    arguments = stream(
        series, "workers=1", "arms=[online]", "tm.increment=0", "curve_points=2", *steps
    )
    assert main(["train", *arguments, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert " note: load.csv: <b>half</b> of it was left out" in printed
    assert " note: tm.increment: 0" in printed
    summary, err = train(capsys, *arguments)
    for line in ("load.csv: <b>half</b> of it", "tm.increment: 0", "sp/dead_columns is"):
        assert sum(note.startswith(line) for note in summary["notes"]) == 1, line
        assert f"note: {line}" in err
    assert main(["compare", "--report", "page"]) == 0
    page = (tmp_path / "page" / "report.html").read_text()
    for line in ("&lt;b&gt;half&lt;/b&gt; of it", "tm.increment: 0", "sp/dead_columns is"):
        assert f"<li>{line}" in page or f"<li>load.csv: {line}" in page
    assert main(["train", *arguments, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["notes"] == summary["notes"][:-1]
