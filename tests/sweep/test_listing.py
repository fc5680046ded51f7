"""`htmrun runs --sweeps` on a store with sweeps of every kind."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from htmrun.cli import main
from htmrun.tracking.provenance import process_tags
from htmrun.tracking.store import open_existing

Capsys = pytest.CaptureFixture[str]
DEAD = {**process_tags(), "htmrun.pid": "999999999"}


class Recorded:
    """Writes parents and trials as a sweep does."""

    def __init__(self, folder: Path) -> None:
        self.client = open_existing(None, folder)[1]
        self.experiment = self.client.create_experiment("digits-sweeps")

    def sweep(self, name: str, status: str, begun: int, **more: str) -> str:
        tags = {"htmrun.kind": "sweep", "htmrun.sweep": name, "htmrun.experiment": "digits",
                **process_tags(), **{f"htmrun.{k}": v for k, v in more.items()}}  # fmt: skip
        tags |= DEAD if "dead" in more else {}
        run: str = self.client.create_run(
            self.experiment, start_time=begun * 1000, tags=tags, run_name=name
        ).info.run_id
        self.client.log_param(run, "arm", more.get("arm", "online"))
        if status != "RUNNING":
            self.client.set_terminated(run, status)
        return run

    def trial(self, parent: str, state: str, status: str = "FINISHED", **figures: float) -> None:
        tags = {"htmrun.kind": "trial", "mlflow.parentRunId": parent, "htmrun.state": state}
        run = self.client.create_run(self.experiment, tags=tags | DEAD).info.run_id
        for name, value in figures.items():
            self.client.log_metric(run, name, value)
        if status != "RUNNING":
            self.client.set_terminated(run, status)


@pytest.fixture
def store(runs: Path) -> Path:
    """One finished, one of a process that is gone, one going with two objectives, an old one."""
    made = Recorded(runs)
    done = made.sweep("done", "FINISHED", 1000, wanted="4", objectives="accuracy:maximize")
    made.trial(done, "complete", accuracy=0.8)
    made.trial(done, "complete", accuracy=0.9)
    made.trial(done, "pruned", accuracy=0.99)
    made.trial(done, "fail", "FAILED")
    made.trial(done, "fail", "KILLED", accuracy=1.0)
    dead = made.sweep("dead", "RUNNING", 2000, wanted="9", objectives="rmse_1:minimize",
                      dead="yes", arm="minibatch")  # fmt: skip
    made.trial(dead, "complete", rmse_1=7.0)
    made.trial(dead, "complete", rmse_1=6.0)
    made.trial(dead, "", "RUNNING")
    going = made.sweep("going", "RUNNING", 3000, wanted="5",
                       objectives="accuracy:maximize,state_bytes:minimize")  # fmt: skip
    made.trial(going, "complete", accuracy=0.5, state_bytes=10.0)
    made.trial(going, "complete", accuracy=0.7, state_bytes=20.0)
    made.sweep("old", "KILLED", 500)
    return runs


def listed(capsys: Capsys, store: Path, *words: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main(["runs", "--sweeps", "--dir", str(store), "--format", "json", *words]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_how_far_they_came_and_what_they_found(store: Path, capsys: Capsys) -> None:
    found = {one["sweep"]: one for one in listed(capsys, store)}
    assert [*found] == ["going", "dead", "done", "old"]
    progress = {n: (s["status"], s["done"], s["wanted"], s["failed"]) for n, s in found.items()}
    assert progress == {
        "going": ("running", 2, 5, 0),
        "dead": ("killed", 2, 9, 0),
        # A worker that was lost leaves a trial that counts for nothing.
        "done": ("finished", 4, 4, 1),
        "old": ("killed", 0, None, 0),
    }
    best = {name: one["best"] for name, one in found.items()}
    assert best == {
        "going": {"accuracy": 0.7, "state_bytes": 10.0},
        "dead": {"rmse_1": 6.0},
        # What was cut short has no value of its own.
        "done": {"accuracy": 0.9},
        "old": {},
    }


def test_filters(store: Path, capsys: Capsys) -> None:
    for words, expected in (
        (("--status", "killed"), ["dead", "old"]),
        (("--arm", "minibatch"), ["dead"]),
        (("--where", "accuracy>0.8"), ["done"]),
        (("--where", "rmse_1<6.5"), ["dead"]),
        (("--tag", "sweep=going"), ["going"]),
        (("--before", "1970-01-01T00:00"), []),
        (("--experiment", "digits", "--limit", "1"), ["going"]),
    ):
        assert [one["sweep"] for one in listed(capsys, store, *words)] == expected, words
    for words, line in (
        (("--experiment", "digit"), "--experiment: found 'digit', expected one of digits; did"),
        (("--status", "done"), "--status: found 'done', expected one of finished, failed, killed"),
        (("--format", "xml"), "format: found 'xml', expected one of table, csv, json"),
    ):
        capsys.readouterr()
        assert main(["runs", "--sweeps", "--dir", str(store), *words]) == 2
        assert capsys.readouterr().err.startswith(f"error: {line}")


def test_as_a_table_and_as_csv(store: Path, capsys: Capsys) -> None:
    (done,) = listed(capsys, store, "--tag", "sweep=done")
    assert main(["runs", "--sweeps", "--dir", str(store)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["sweep", "status", "trials", "objective", "best", "run"]
    (line,) = [line for line in lines if line.startswith("done")]
    words = line.split()
    assert words[1:4] == ["finished", "4/4,", "1"]
    assert words[-4:] == ["accuracy", "(maximize)", "0.9000", done["run"][:8]]
    assert main(["runs", "--sweeps", "--dir", str(store), "--format", "csv"]) == 0
    rows = {row["sweep"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert rows["done"]["run"] == done["run"]
    assert rows["going"]["best"] == "accuracy=0.7 state_bytes=10.0"
    assert rows["old"]["wanted"] == ""
    assert main(["runs", "--sweeps", "--dir", str(store), "--tag", "sweep=none"]) == 0
    assert capsys.readouterr().out == "no sweep matches\n"


def test_runs_and_sweeps_are_listed_apart(store: Path, capsys: Capsys) -> None:
    assert main(["runs", "--dir", str(store)]) == 0
    assert capsys.readouterr().out == "no run matches\n"
