"""Eight processes that log at once: nothing is lost, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from htmrun.tracking.store import RUN_TAG, open_client
from htmrun.training.records import Finished, Job, Progress, Started
from tests.helpers import forked, postgres
from tests.helpers.synthetic import tracker

WRITERS, JOBS, POINTS = 8, 2, 15


def write(number: int, uri: str, folder: str, start: Any) -> None:
    """One process: its own experiment run with several jobs, curves and final figures."""
    own = tracker(Path(folder), run=f"run-{number}", uri=uri)
    start.wait(300)
    with own:
        for seed in range(JOBS):
            job = Job("online", seed)
            own.handle(Started(job, POINTS))
            for sample in range(1, POINTS + 1):
                value = number * 1000 + seed * 100 + sample
                own.handle(Progress(job, sample, 0, {"accuracy": float(value)}, 1.0))
                own._flush()  # As if a second had gone by: as many writes as there are points.
            final = {"loss": float(number * 10 + seed)}
            own.handle(Finished(job, final, f"hash-{number}-{seed}", 0.1))
        own.finish("finished")
    assert own.notices == [], own.notices  # type: ignore[attr-defined]


@pytest.fixture(params=["sqlite", "postgresql"])
def uri(request: pytest.FixtureRequest, runs: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{runs / 'mlflow.db'}"
        return
    if reason := postgres.lacking():
        pytest.skip(reason)
    with postgres.server() as base:
        # The parent makes the tables: on a cold database MLflow's processes trip over each other.
        address = f"{base}tracking"
        open_client(address, lambda _: None)
        yield address


@pytest.mark.slow
def test_eight_processes_at_once_lose_nothing(uri: str, runs: Path) -> None:
    client = open_client(uri, lambda _: None)
    context = forked.context()
    start = context.Barrier(WRITERS)
    writers = [
        context.Process(target=write, args=(n, uri, str(runs), start)) for n in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(300)
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    assert not list(runs.glob("outbox/*")), "nothing had to be kept for later"
    experiments = [e.experiment_id for e in client.search_experiments()]
    found = client.search_runs(experiments, max_results=1000)
    assert len(found) == WRITERS * JOBS
    assert {run.info.status for run in found} == {"FINISHED"}
    for run in found:
        number = int(run.data.tags[RUN_TAG].removeprefix("run-"))
        seed = int(run.data.tags["htmrun.seed"])
        history = client.get_metric_history(run.info.run_id, "accuracy")
        wanted = [(s, number * 1000 + seed * 100 + s) for s in range(1, POINTS + 1)]
        assert sorted((m.step, m.value) for m in history) == wanted
        assert run.data.metrics["loss"] == number * 10 + seed
        assert run.data.tags["htmrun.state_hash"] == f"hash-{number}-{seed}"
        names = {a.path for a in client.list_artifacts(run.info.run_id)}
        assert {"resolved.yaml", "job.yaml"} <= names
