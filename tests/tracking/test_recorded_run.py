"""What MLflow holds of a real run, read back with MLflow's own client."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from htmrun.components.sources import open_source
from htmrun.config.compose import load
from htmrun.config.validation import validate
from tests.helpers.experiments import started, stream, write_series

# One recorded run serves all of these: with several workers of pytest they stay in one.
pytestmark = pytest.mark.xdist_group("recorded_run")

ARMS = {"online": "false", "minibatch": "false", "persistence": "true"}
SEEDS = (0, 4)
SAMPLES = 250


@dataclass(frozen=True)
class Recorded:
    """A finished run: where it ran, what it was asked, printed and recorded (by MLflow's name)."""

    folder: Path
    overrides: list[str]
    summary: dict[str, Any]
    out: str
    err: str
    runs: dict[str, Any]
    client: Any

    def artifact(self, run: str, path: str) -> Path:
        uri = self.runs[run].info.artifact_uri
        assert uri.startswith(("file://", "/"))
        return Path(uri.removeprefix("file://")) / path


@pytest.fixture(scope="module")
def recorded(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    from htmrun.tracking.database import mlflow_client

    folder = tmp_path_factory.mktemp("recorded")
    (folder / "runs").mkdir()
    shutil.copy(prepared, folder / "runs" / "mlflow.db")
    values = [round(float(v), 3) for v in 10 + 5 * np.sin(np.arange(SAMPLES) / 5)]
    path = write_series(folder / "load.csv", values)
    overrides = stream(path, "seeds=[0,4]", "workers=1", "curve_points=10")
    process = started("train", *overrides, "--json", cwd=folder)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    client = mlflow_client(f"sqlite:///{folder / 'runs' / 'mlflow.db'}")
    numbers = [e.experiment_id for e in client.search_experiments()]
    runs = {run.info.run_name: run for run in client.search_runs(numbers)}
    summary = json.loads(out.splitlines()[-1])
    return Recorded(folder, overrides, summary, out, err, runs, client)


def test_stdout_is_one_line_of_json_and_stderr_says_where_it_is(recorded: Recorded) -> None:
    assert len(recorded.out.splitlines()) == 1
    assert recorded.summary["status"] == "finished"
    assert f"run {recorded.summary['run']}" in recorded.err
    assert "recorded in runs/mlflow.db" in recorded.err


def test_one_finished_run_for_each_arm_and_seed(recorded: Recorded) -> None:
    assert set(recorded.runs) == {f"{arm}-s{seed:03d}" for arm in ARMS for seed in SEEDS}
    assert {run.info.status for run in recorded.runs.values()} == {"FINISHED"}
    assert not any("mlflow.parentRunId" in run.data.tags for run in recorded.runs.values())


def test_tags_name_the_run_the_data_and_the_result(recorded: Recorded) -> None:
    source = open_source(load(recorded.overrides).experiment.data)
    for arm, control in ARMS.items():
        for place, seed in enumerate(SEEDS):
            tags = recorded.runs[f"{arm}-s{seed:03d}"].data.tags
            hashes = recorded.summary["arms"][arm]["state_hash"]["values"]
            expected = {
                "htmrun.run": recorded.summary["run"],
                "htmrun.arm": arm,
                "htmrun.seed": str(seed),
                "htmrun.control": control,
                "htmrun.data": "load",
                "htmrun.data_hash": source.fingerprint,
                "htmrun.device": "cpu",
                "htmrun.task": "forecast",
                "htmrun.state_hash": hashes[place],
                "htmrun.overrides": " ".join(recorded.overrides),
                "htmrun.version.numpy": np.__version__,
            }
            assert {name: tags.get(name) for name in expected} == expected


def test_metrics_are_those_that_were_printed(recorded: Recorded) -> None:
    for arm in ARMS:
        for place, seed in enumerate(SEEDS):
            metrics = recorded.runs[f"{arm}-s{seed:03d}"].data.metrics
            printed = {n: m["values"][place] for n, m in recorded.summary["arms"][arm].items()}
            del printed["state_hash"]
            assert {n: metrics.get(n) for n in printed} == printed
            assert metrics["seconds"] > 0


def test_curves_go_up_to_the_last_sample(recorded: Recorded) -> None:
    run = recorded.runs["online-s004"]
    histories = {
        name: recorded.client.get_metric_history(run.info.run_id, name) for name in run.data.metrics
    }
    curves = {
        name: sorted({point.step for point in points})
        for name, points in histories.items()
        if len(points) > 1 and "rmse_1" in name
    }
    assert curves
    for steps in curves.values():
        assert steps == [25 * place for place in range(1, 11)]
    assert all(math.isfinite(p.value) for points in histories.values() for p in points)


def test_parameters_are_the_jobs_own(recorded: Recorded) -> None:
    params = recorded.runs["minibatch-s004"].data.params
    assert params["sp.columns"] == "64"
    assert params["seed"] == "4"
    assert params["arm"] == "minibatch"
    assert params["regime.learn_every"] == "10"
    assert not any(name.startswith(("tracking", "seeds", "workers")) for name in params)
    baseline = recorded.runs["persistence-s000"].data.params
    assert baseline["regime.baseline"] == "persistence"


def test_artifacts_are_there_and_hold_what_they_say(recorded: Recorded) -> None:
    for name in recorded.runs:
        job = yaml.safe_load(recorded.artifact(name, "job.yaml").read_text())
        assert f"{job['arm']}-s{job['seed']:03d}" == name
        assert recorded.artifact(name, "plots/curves.png").read_bytes().startswith(b"\x89PNG")
    with np.load(recorded.artifact("online-s000", "series.npz")) as series:
        assert series["curve/sample"].tolist() == [25.0 * place for place in range(1, 11)]


def test_the_resolved_configuration_is_the_same_experiment_again(
    recorded: Recorded, tmp_path: Path
) -> None:
    wanted = load(recorded.overrides)
    text = recorded.artifact("online-s000", "resolved.yaml").read_text()
    assert validate(yaml.safe_load(text)) == wanted.experiment
    (tmp_path / "config.yaml").write_text(text)
    again = load([], tmp_path)
    assert again.experiment == wanted.experiment
    assert again.resolved == wanted.resolved
