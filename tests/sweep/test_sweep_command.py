"""`htmrun sweep` from the first trial to a configuration that `htmrun train` takes."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from htmrun.cli import main
from tests.helpers.experiments import started

Capsys = pytest.CaptureFixture[str]
SMALL = ("experiment=digits", "sp.columns=64", "epochs=1", "curve_points=2")
SEARCH = (
    *SMALL, "sp.density=interval(0.05,0.3)", "classifier.learning_rate=log(0.005,0.1)",
    "sweep.name=mine", "sweep.seeds=[0,1]", "sweep.pruner=none", "sweep.workers=2",
)  # fmt: skip


def sweep(capsys: Capsys, *arguments: str, status: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["sweep", *arguments, "--json"]) == status
    result: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return result


def listed_sweeps(capsys: Capsys) -> list[dict[str, Any]]:
    """Return what `htmrun runs --sweeps` lists."""
    capsys.readouterr()
    assert main(["runs", "--sweeps", "--format", "json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def recorded(folder: Path) -> tuple[list[Any], list[Any]]:
    """Return the parents and the children that MLflow has."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/runs/mlflow.db")
    found = client.search_runs([e.experiment_id for e in client.search_experiments()])
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    return [run for run in found if run not in children], children


def test_a_sweep_is_run_recorded_continued_and_its_best_is_trained(
    here: Path, capsys: Capsys
) -> None:
    assert main(["sweep", *SEARCH, "--trials", "3"]) == 0
    out = capsys.readouterr().out
    assert "sweep mine: 3 trials of arm online, accuracy (maximize) on validation" in out
    assert "judge it on test: htmrun train runs/sweeps/mine/best.yaml" in out
    (cut,) = listed_sweeps(capsys)
    assert (cut["status"], cut["done"], cut["wanted"], cut["failed"]) == ("finished", 3, 3, 0)
    (parent,), children = recorded(here)
    assert len(children) == 3
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}

    # The same command with more trials goes on; it starts with the experiment's own settings.
    summary = sweep(capsys, *SEARCH, "--trials", "5")
    assert summary["trials"] == {"complete": 5}
    (parent,), children = recorded(here)
    assert sorted(int(run.data.tags["htmrun.trial"]) for run in children) == [0, 1, 2, 3, 4]
    assert {run.info.status for run in (*children, parent)} == {"FINISHED"}
    first = next(run for run in children if run.data.tags["htmrun.trial"] == "0")
    assert first.data.params == {"sp.density": "0.1", "classifier.learning_rate": "0.02"}

    rows = list(csv.DictReader((here / "runs/sweeps/mine/trials.csv").open()))
    assert [row["trial"] for row in rows] == ["0", "1", "2", "3", "4"]
    (best,) = summary["best"]
    assert best["values"]["accuracy"] == max(float(row["accuracy"]) for row in rows)
    (whole,) = listed_sweeps(capsys)
    assert (whole["sweep"], whole["experiment"], whole["arm"]) == ("mine", "digits", "online")
    assert (whole["status"], whole["done"], whole["wanted"]) == ("finished", 5, 5)
    assert (whole["objectives"], whole["best"]) == ({"accuracy": "maximize"}, best["values"])
    assert whole["run"] == parent.info.run_id
    for run in children:
        row = rows[int(run.data.tags["htmrun.trial"])]
        assert run.data.metrics["accuracy"] == pytest.approx(float(row["accuracy"]))
        assert run.data.params["sp.density"] == row["sp.density"]
    for name in ("importance", "parallel", "history"):
        assert (here / f"runs/sweeps/mine/{name}.png").stat().st_size > 10_000

    # What it chose is a whole configuration; alone with the arm and on test it runs as it stands.
    written = yaml.safe_load((here / best["file"]).read_text())
    assert written["data"]["held_out"] == "test"
    assert written["sp"]["density"] == best["settings"]["sp.density"]
    assert written["seeds"] == [*range(10)]
    capsys.readouterr()
    less = ("arms=[online]", "seeds=[0]", "tracking=none", "--json")
    assert main(["train", best["file"], *less]) == 0
    trained = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert trained["arms"]["online"]["samples"]["values"] == [1438.0]

    # On validation it repeats what the trial has measured, to the last bit.
    again = ("data.held_out=validation", "arms=[online]", "seeds=[0,1]", "tracking=none", "--json")
    assert main(["train", best["file"], *again]) == 0
    repeated = json.loads(capsys.readouterr().out.splitlines()[-1])["arms"]["online"]
    assert repeated["accuracy"]["mean"] == best["values"]["accuracy"]
    hashes = next(r for r in children if int(r.data.tags["htmrun.trial"]) == best["trial"])
    assert hashes.data.tags["htmrun.state_hash"] == ",".join(repeated["state_hash"]["values"])


def test_several_objectives_end_in_their_best_trades(here: Path, capsys: Capsys) -> None:
    summary = sweep(
        capsys, *SMALL[:1], "epochs=1", "curve_points=2", "sp.columns=choice(32,64,128)",
        "sweep.objectives={accuracy: maximize, state_bytes: minimize}", "sweep.seeds=[0]",
        "sweep.sampler=grid", "tracking=none", "sweep.start_with_default=false",
        "sweep.workers=1",
    )  # fmt: skip
    assert summary["trials"] == {"complete": 3}
    trades = [(b["values"]["accuracy"], b["values"]["state_bytes"]) for b in summary["best"]]
    ordered = sorted(trades, key=lambda pair: pair[1])
    # More columns cost more; what is kept must be better for it.
    assert [a for a, _ in ordered] == sorted({a for a, _ in trades})
    files = sorted(p.name for p in (here / "runs/sweeps/digits-default").glob("best-*.yaml"))
    assert files == sorted(Path(b["file"]).name for b in summary["best"])


def test_a_trial_that_fails_is_recorded_and_the_sweep_goes_on(here: Path, capsys: Capsys) -> None:
    summary = sweep(
        capsys, *SMALL[2:], "experiment=digits", "sp.columns=choice(64,10)", "sp.density=0.04",
        "sweep.sampler=grid", "sweep.seeds=[0]", "sweep.workers=1", "sweep.name=some",
    )  # fmt: skip
    assert summary["trials"] == {"complete": 1, "fail": 1}
    _, children = recorded(here)
    (failed,) = [run for run in children if run.info.status == "FAILED"]
    assert failed.data.tags["htmrun.error"] == (
        "sp.density: 0.04 of 10 columns makes 0 winners, expected 1 to 10"
    )
    rows = list(csv.DictReader((here / "runs/sweeps/some/trials.csv").open()))
    assert sorted(row["state"] for row in rows) == ["complete", "fail"]
    (one,) = listed_sweeps(capsys)
    assert (one["done"], one["wanted"], one["failed"]) == (2, 2, 1)


def test_an_objective_that_nothing_reports_is_refused_before_a_study_is_made(
    here: Path, capsys: Capsys
) -> None:
    assert main(["sweep", *SEARCH, "sweep.objectives={acuracy: maximize}"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: sweep.objectives.acuracy: found a figure that arm online does not report, expected "
        "one that it does; did you mean 'accuracy'?"
    ]
    assert not (here / "runs" / "sweeps").exists()
    assert main(["sweep", *SEARCH, "--on", "rai://x"]) == 2
    assert capsys.readouterr().err == (
        "error: --on: found 'rai://x', expected local or ray://HOST[:PORT], e.g. ray://10.0.0.1\n"
    )


def trials_there(folder: Path) -> int:
    path = folder / "runs/sweeps/mine/study.journal"
    text = path.read_text() if path.exists() else ""
    # Operation 6 of Optuna's journal sets a trial's state and values.
    return sum('"values":[' in line for line in text.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_in_the_middle_and_started_again_it_continues(
    number: signal.Signals, here: Path, capsys: Capsys
) -> None:
    process = started("sweep", *SEARCH, "epochs=3", "--trials", "6", cwd=here)
    try:
        deadline = time.monotonic() + 120
        while trials_there(here) < 2 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        os.killpg(process.pid, number)
        _, err = process.communicate(timeout=240)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    if number == signal.SIGTERM:
        assert process.returncode == 143, err
        assert err.splitlines()[-1].endswith("of 6 trials; the same command continues")
        assert "Traceback" not in err
    summary = sweep(capsys, *SEARCH, "epochs=3", "--trials", "6")
    assert summary["trials"] == {"complete": 6}
    parents, children = recorded(here)
    assert len(parents) == 1
    assert sum(run.info.status == "FINISHED" for run in children) == 6
    assert not [run for run in children if run.info.status == "RUNNING"]
    points = [tuple(run.data.params.items()) for run in children if run.info.status == "FINISHED"]
    assert len(set(points)) == 6
