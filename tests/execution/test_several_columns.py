"""Several columns forecast at once: each as if it were the only one, from the same bits."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest

import htmrun
from htmrun.cli import main
from htmrun.components.sources import open_source
from htmrun.config.compose import load
from htmrun.errors import UserError
from htmrun.execution.jobs import Builder, jobs_of
from htmrun.execution.saved import Saved
from htmrun.training import trainer
from htmrun.training.checkpoints import Keeper
from htmrun.training.measures.registry import better, main_among
from htmrun.training.records import Finished
from tests.execution.test_predict import MEMORY
from tests.training.test_checkpoints import CutShortError, Until, records, result

FIRST, ALL = 200, 330
BASE = (
    "experiment=stream", "sp.columns=64", "sp.winners=6", "tm.cells_per_column=4", "seeds=[2]",
    "data.range_rows=20", "curve_points=3", "data.missing=previous", "anomaly.probation=50",
    "anomaly.learning=10", "arms=[online,persistence,seasonal]", "control.seasonal.period=24",
    *MEMORY,
)  # fmt: skip
SCALARS = (
    "encoder.fields={value: null, timestamp: null, a: {kind: scalar, field: %s, size: 90}, "
    "t: {kind: date, field: timestamp}, b: {kind: scalar, field: %s, size: 70, active: 9}}"
)
BOTH = (*BASE, "data.value=[load,heat]", SCALARS % ("value", "heat"))
LOAD = (*BASE, "data.value=load", "data.values=[heat]", SCALARS % ("value", "heat"))
HEAT = (*BASE, "data.value=heat", "data.values=[load]", SCALARS % ("load", "value"))
GAPS = range(150, 160)


def text_of(first: int, last: int, gaps: bool = True) -> str:
    lines = ["when,load,heat"]
    for i in range(first, last):
        hour = np.datetime64("2026-01-05T00:00:00") + np.timedelta64(i, "h")
        load = 50 + 20 * math.sin(2 * math.pi * i / 24) + (i * 7919 % 13) / 4
        heat = -300 + 5 * math.cos(2 * math.pi * i / 12) + i / 50
        lines.append(f"{hour},{load:.2f},{'' if gaps and i in GAPS else f'{heat:.3f}'}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    for name, first, last in (("first", 0, FIRST), ("all", 0, ALL), ("second", FIRST, ALL)):
        (folder / f"{name}.csv").write_text(text_of(first, last))
    with chdir(folder):
        yield folder


def finished(home: Path, *settings: str) -> dict[str, Finished]:
    experiment = load([*settings, f"data.path={home / 'all.csv'}"]).experiment
    builder = Builder(experiment, open_source(experiment.data), hand_over=True)
    found = {}
    for job in jobs_of(experiment):
        for record in builder.work(job)(lambda: False):
            if isinstance(record, Finished):
                found[job.arm] = record
    return found


@pytest.fixture(scope="module")
def runs(home: Path) -> dict[str, dict[str, Finished]]:
    return {n: finished(home, *s) for n, s in (("both", BOTH), ("load", LOAD), ("heat", HEAT))}


NAMES = ("rmse", "mae", "mape", "nrmse", "nll", "scored")


@pytest.mark.parametrize("arm", ["online", "persistence", "seasonal"])
def test_each_column_has_the_figures_that_it_has_alone(
    runs: dict[str, dict[str, Finished]], arm: str
) -> None:
    both, load_, heat = (runs[name][arm].metrics for name in ("both", "load", "heat"))
    for name in NAMES:
        for h in (1, 5):
            assert both.get(f"{name}_{h}") == load_.get(f"{name}_{h}"), name
            assert both.get(f"{name}_{h}/heat") == heat.get(f"{name}_{h}"), name
    assert both["rmse_1/heat"] != both["rmse_1"]
    assert ("nll_1/heat" in both) == (arm == "online")


def test_each_readout_has_learned_what_it_learns_alone(
    runs: dict[str, dict[str, Finished]],
) -> None:
    both, load_, heat = (runs[name]["online"].state for name in ("both", "load", "heat"))
    own = {n: a for n, a in both.items() if not n.startswith("classifier.heat/")}
    assert htmrun.state_hash(own) == htmrun.state_hash(load_)
    further = {n.replace("classifier.heat/", "classifier/"): a
               for n, a in both.items() if not n.startswith("classifier/")}  # fmt: skip
    assert htmrun.state_hash(further) == htmrun.state_hash(heat)


def test_a_value_that_is_missing_in_one_column_leaves_the_other_scored(
    runs: dict[str, dict[str, Finished]],
) -> None:
    for arm in ("online", "persistence"):
        metrics = runs["both"][arm].metrics
        assert metrics["scored_1"] == ALL - 1
        assert metrics["scored_1/heat"] == ALL - 1 - len(GAPS)


def test_persistence_by_hand(runs: dict[str, dict[str, Finished]]) -> None:
    rows = list(csv.DictReader(io.StringIO(text_of(0, ALL))))
    heat = [float(row["heat"]) if row["heat"] else math.nan for row in rows]
    last, errors = math.nan, []
    for before, value in zip([math.nan, *heat], heat, strict=False):
        last = before if not math.isnan(before) else last
        if not math.isnan(value) and not math.isnan(last):
            errors.append(value - last)
    rmse = math.sqrt(sum(e * e for e in errors) / len(errors))
    assert runs["both"]["persistence"].metrics["rmse_1/heat"] == pytest.approx(rmse, rel=1e-12)


def test_where_the_figures_stand(runs: dict[str, dict[str, Finished]]) -> None:
    metrics = runs["both"]["online"].metrics
    shown = main_among("forecast", metrics)
    assert shown[-2:] == ("rmse_1/heat", "rmse_5/heat")
    assert "rmse_1/heat" not in shown[:-2]
    assert {better(f"{name}_5/heat") for name in NAMES[:-1]} == {"down"}
    # A column may be called as a stage's figure is, of which more is better.
    assert better("rmse_5/entropy") == better("recent/rmse_5/entropy") == "down"
    assert better("sp/entropy") == "up"
    assert "curve/recent/rmse_1/heat" in runs["both"]["online"].series


def test_a_model_goes_on_as_if_it_had_never_stopped(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    for name in ("first", "all"):
        given = ["arms=[online]", f"data.path={name}.csv", f"name={name}", f"tracking.dir={name}"]
        assert main(["train", *BOTH, *given, "workers=1", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["predict", "first", "--dir", "first", "--data", "second.csv", "--save", "l"]) == 0
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    [path] = home.glob("all/artifacts/*/*/artifacts/model")
    uninterrupted, after = Saved.read(path), Saved.read(home / "l")
    assert any(name.startswith("classifier.heat/") for name in after.state)
    assert htmrun.state_hash(after.state) == htmrun.state_hash(uninterrupted.state)
    assert list(found[0])[:14] == [
        "time", "value", "forecast_1", "low_1", "high_1", "forecast_5", "low_5", "high_5",
        "value/heat", "forecast_1/heat", "low_1/heat", "high_1/heat", "forecast_5/heat",
        "low_5/heat",
    ]  # fmt: skip
    values = np.array([float(row["value/heat"]) for row in found])
    made = np.array([float(row["forecast_5/heat"]) for row in found])
    assert (np.abs(values[5:] - made[:-5]) < 30).all()
    low, high = (
        np.array([float(row[f"{end}_5/heat"]) for row in found]) for end in ("low", "high")
    )
    assert ((low < made) & (made < high)).all()


def test_columns_that_no_encoder_names_have_one_of_the_usual_kind() -> None:
    experiment = load(["experiment=stream", "data.value=[load,heat,flow]",
                       "encoder.fields.flow={kind: log}"]).experiment  # fmt: skip
    fields = experiment.stages["encoder"].fields  # type: ignore[attr-defined]
    assert {name: entry.kind for name, entry in fields.items()} == {
        "value": "rdse", "timestamp": "date", "flow": "log", "heat": "rdse",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["data.value=[load,load]"], r"data\.value: found 'load' twice"),
        (["data.value=[load,heat]", "data.values=[heat]"], r"data\.value: found 'heat' twice"),
        (["data.value=[]"], r"data\.value"),
        (["data.value=[load,'a/b']"], r"data\.value\[1\]: found 'a/b', .* rename the column"),
    ],
)  # fmt: skip
def test_what_cannot_be(settings: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        load(["experiment=stream", *settings])
    assert "\n" not in str(error.value)


def test_an_encoder_of_one_field_reads_no_further_column() -> None:
    one = ["experiment=stream", "one={kind: rdse}", "pipeline=[one,sp,tm,classifier]"]
    with pytest.raises(UserError, match=r"data\.value\[1\]: found 'heat', which no encoder reads"):
        load([*one, "data.value=[load,heat]"])


def test_a_column_that_is_not_there(home: Path) -> None:
    experiment = load(
        ["experiment=stream", "data.value=[load,heet]", f"data.path={home}/all.csv"]
    ).experiment
    with pytest.raises(UserError, match=r"data\.value: .* no column 'heet'.*did you mean 'heat'"):
        open_source(experiment.data)


def test_a_job_cut_short_goes_on_to_the_same_end(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = load([*BOTH, f"data.path={home}/all.csv", "epochs=2"]).experiment
    builder = Builder(experiment, open_source(experiment.data))
    whole = result([*records(builder, "online")])
    assert "last_pass/rmse_1/heat" in whole[0]
    monkeypatch.setattr(trainer, "CHUNK", 37)
    keeper = Keeper(tmp_path / "job", "this", 1e9)
    for chances in (3, 9):
        with pytest.raises(CutShortError):
            [*records(builder, "online", Until(keeper, chances))]
    assert result([*records(builder, "online", keeper)]) == whole
