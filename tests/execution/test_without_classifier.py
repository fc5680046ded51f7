"""A pipeline that ends with its temporal memory: it scores anomalies and forecasts nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

import htmrun
from htmrun.cli import main
from htmrun.components.sources import open_source
from htmrun.config.compose import load
from htmrun.errors import UserError
from htmrun.execution.jobs import Builder
from htmrun.training import trainer
from htmrun.training.checkpoints import Keeper
from tests.execution.test_predict import MEMORY, ROWS_FIRST, ROWS_IN_ALL, answers, rows_of
from tests.training.test_checkpoints import CutShortError, Until, records, result

Capsys = pytest.CaptureFixture[str]
SMALL = (
    "experiment=stream", "data.value=load", "sp.columns=64", "tm.cells_per_column=4",
    "encoder.fields.value.size=200", "encoder.fields.value.active=15", "sp.winners=6",
    "data.range_rows=20", "anomaly.probation=50", "anomaly.learning=10", "arms=[online,minibatch]",
    "seeds=[2]", "workers=1", "curve_points=3", *MEMORY,
)  # fmt: skip
ALONE = (*SMALL, "pipeline=[encoder,sp,tm]", "control.persistence=null", "control.seasonal=null")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run of the first rows of a series, and one of all of them."""
    folder = tmp_path_factory.mktemp("home")
    for name, first, last in (
        *(("first", 0, ROWS_FIRST), ("all", 0, ROWS_IN_ALL)),
        ("second", ROWS_FIRST, ROWS_IN_ALL),
    ):
        rows = [("when", "load"), *rows_of(first, last)]
        (folder / f"{name}.csv").write_text("\n".join(";".join(row) for row in rows) + "\n")
    with chdir(folder):
        for name in ("first", "all"):
            arguments = (*ALONE, f"data.path={name}.csv", f"name={name}", f"tracking.dir={name}")
            assert main(["train", *arguments, "--quiet"]) == 0
        yield folder


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(home)
    return home


def series_of(folder: Path, arm: str) -> dict[str, np.ndarray]:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    [run] = [run for run in runs if run.info.run_name == f"{arm}-s002"]
    assert run.data.tags["htmrun.task"] == "anomaly"
    place = folder.glob(f"artifacts/*/{run.info.run_id}/artifacts/series.npz")
    with np.load(next(place)) as series:
        return dict(series)


def test_a_classifier_changes_no_anomaly_score(here: Path) -> None:
    """It feeds nothing back: scores, pooler and memory are those of a run that has one."""
    own = ("data.path=all.csv", "classifier.buckets=8")
    beside = htmrun.run([*SMALL, *own])
    alone = htmrun.run([*ALONE, "data.path=all.csv"])
    for arm in ("online", "minibatch"):
        kept, series = series_of(here / "all", arm), beside.series(arm, 2)
        names = [name for name in series if name.startswith("anomaly/")]
        assert len(names) >= 3
        for name in names:
            assert kept[name].tobytes() == series[name].tobytes(), name
        assert kept["anomaly/raw"].std() > 0
        assert not [name for name in kept if name.startswith("loss/")]
        state = beside.pipeline(arm, 2).state()
        own_state = {n: a for n, a in state.items() if not n.startswith("classifier/")}
        assert alone.pipeline(arm, 2).state_hash() == htmrun.state_hash(own_state)


def test_in_python_it_is_fitted_and_returns_raw_scores(here: Path) -> None:
    values = [float(value.replace(",", ".")) for _, value in rows_of(0, ROWS_IN_ALL)]
    times = np.datetime64("2026-01-05T00:00:00") + np.arange(ROWS_IN_ALL) * np.timedelta64(1, "h")
    model = htmrun.build_pipeline([*ALONE, "data.path=all.csv"], "online", 2)
    scores = model.fit({"value": np.array(values), "timestamp": times}, values)
    kept = series_of(here / "all", "online")["anomaly/raw"]
    assert scores.astype(np.float32).tolist() == kept.tolist()
    with pytest.raises(UserError, match="predict: found a pipeline without classifier"):
        model.predict({"value": np.array(values), "timestamp": times})


def test_a_model_answers_without_forecasts_and_goes_on(here: Path, capsys: Capsys) -> None:
    given = ["first", "--dir", "first", "--arm", "online", "--data", "second.csv", "--save", "live"]
    found = answers(capsys, *given)
    assert [*found[0]] == ["time", "value", "anomaly", "likelihood", "alert"]
    assert len(found) == ROWS_IN_ALL - ROWS_FIRST
    whole = series_of(here / "all", "online")
    for column, name in (("anomaly", "raw"), ("likelihood", "likelihood")):
        values = np.array([row[column] for row in found], np.float32)
        assert values.tolist() == whole[f"anomaly/{name}"][ROWS_FIRST:].tolist()


def test_a_run_is_shown_compared_and_repeated(here: Path, capsys: Capsys) -> None:
    assert main(["rerun", "--dir", "first"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 of 2 jobs are the same"
    assert main(["compare", "--dir", "first", "--report", "page"]) == 0
    said = capsys.readouterr().out
    assert "tm/predicted" in said
    assert "rmse" not in said
    assert "anomaly" in (here / "page" / "report.html").read_text()
    assert main(["runs", "--dir", "first"]) == 0
    assert "anomaly/alerts_per_1000: online" in capsys.readouterr().out


def test_a_job_cut_short_goes_on_to_the_same_end(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = load([*ALONE, "data.path=all.csv"]).experiment
    builder = Builder(experiment, open_source(experiment.data))
    whole = result([*records(builder, "minibatch")])
    monkeypatch.setattr(trainer, "CHUNK", 37)
    keeper = Keeper(tmp_path / "job", "this", 1e9)
    for chances in (3, 4):
        with pytest.raises(CutShortError):
            [*records(builder, "minibatch", Until(keeper, chances))]
    assert result([*records(builder, "minibatch", keeper)]) == whole
