"""Threads of a job: how many it gets, that they are asked to help, recorded, and change nothing."""

from __future__ import annotations

import json

import pytest

from htmrun.backends import load_backend
from htmrun.backends.cpu.pooler import spatial_pooler
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.cli import main
from htmrun.config.compose import load
from htmrun.execution import placement, processes
from tests.helpers.experiments import results, train

LONG = (
    "experiment=digits", "arms=[minibatch]", "seeds=[0]", "arm.minibatch.learn_every=256",
    "epochs=1", "curve_points=2", "tracking=none", "workers=1",
)  # fmt: skip


@pytest.mark.parametrize(
    ("cores", "jobs", "chosen", "expected"),
    [
        (8, 1, [], 8),
        (8, 3, [], 2),
        (8, 30, [], 1),
        (8, 30, ["workers=2"], 4),
        (8, 30, ["workers=16"], 1),
        (8, 1, ["threads=3"], 3),
        (8, 30, ["threads=3"], 3),
        (8, 1, ["device=reference"], 1),
        (8, 1, ["device=cuda"], 1),
    ],
)
def test_threads_are_the_cores_that_other_jobs_leave(cores, jobs, chosen, expected, monkeypatch):
    for module in (placement, processes):
        monkeypatch.setattr(module, "cores", lambda: cores)
    experiment = load(["experiment=digits", *chosen]).experiment
    assert placement.threads_of(experiment, jobs) == expected


def test_a_dry_run_says_how_many(monkeypatch, capsys):
    for module in (placement, processes):
        monkeypatch.setattr(module, "cores", lambda: 6)
    one = ("train", "experiment=digits", "arms=[online]", "seeds=[0]", "--dry-run")
    assert main([*one]) == 0
    assert "1 at a time with 6 threads each:" in capsys.readouterr().out
    assert main([*one, "threads=1"]) == 0
    assert "1 at a time: at most" in capsys.readouterr().out
    assert main([*one, "--json", "threads=5"]) == 0
    assert json.loads(capsys.readouterr().out)["threads"] == 5


def test_only_models_of_the_compiled_backend_get_threads():
    parameters = SpatialPoolerParameters(columns=64)
    for threads in (1, 3):
        pooler = load_backend("cpu", threads).SpatialPooler(parameters, (20,), 1)
        assert len(pooler._helping) == threads - 1
    load_backend("reference", 3).SpatialPooler(parameters, (20,), 1)


def test_threads_change_no_result_and_are_recorded(capsys, monkeypatch, tmp_path):
    asked = []
    helped = spatial_pooler.helped

    def counted(board, helpers):
        asked.append(len(helpers))
        return helped(board, helpers)

    monkeypatch.setattr(spatial_pooler, "helped", counted)
    alone, _ = train(capsys, *LONG, "threads=1")
    assert asked == []
    several, _ = train(capsys, *LONG, "threads=3")
    assert set(asked) == {2}
    assert results(alone) == results(several)
    chosen = [text for text in LONG if text != "tracking=none"]
    train(capsys, *chosen, "threads=2", f"tracking.dir={tmp_path}")
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert {run.data.tags.get("htmrun.threads") for run in runs} >= {"2"}
