"""One study and one tracking store on PostgreSQL, several workers of `htmrun sweep`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from htmrun.tracking.store import open_client
from tests.helpers import postgres
from tests.helpers.experiments import started
from tests.sweep.test_sweep_command import SEARCH


@pytest.fixture
def base() -> Iterator[str]:
    if reason := postgres.lacking():
        pytest.skip(reason)
    with postgres.server() as address:
        yield address


@pytest.mark.slow
def test_two_workers_on_one_study_make_its_trials_once(base: str, tmp_path: Path) -> None:
    client = open_client(f"{base}tracking", lambda _: None)
    arguments = (
        "sweep", *SEARCH, "sweep.workers=1", f"sweep.storage={base}study", "--trials", "7",
        f"tracking.uri={base}tracking",
    )  # fmt: skip
    workers = [started(*arguments, cwd=tmp_path) for _ in range(2)]
    said = [worker.communicate(timeout=240) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    assert all("trials: 7 complete" in out for out, _ in said)
    found = client.search_runs([e.experiment_id for e in client.search_experiments()])
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    (parent,) = [run for run in found if run not in children]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    done = [run for run in children if run.info.status == "FINISHED"]
    assert len(done) == 7
    assert len({tuple(run.data.params.items()) for run in done}) == 7
    assert len({run.data.tags["htmrun.pid"] for run in done}) == 2, "both did some of them"
