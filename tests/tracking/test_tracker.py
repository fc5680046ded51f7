"""What a run leaves in MLflow, read back with MLflow's own client and plain sqlite3."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

import htmrun
from htmrun.errors import UserError
from htmrun.tracking import sqlite_writer
from htmrun.tracking.provenance import HOST_TAG, PID_TAG, START_TAG
from htmrun.training.records import Failed, Finished, Job, Progress, Started
from tests.helpers.cut_short import terminated_within
from tests.helpers.synthetic import ARMS, POINTS, RUN, STEP, level, one_job, records, tracker


def client(directory: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{directory}/mlflow.db")


def stored(directory: Path) -> dict[str, Any]:
    """Return the runs in the store by name."""
    reader = client(directory)
    experiment = reader.get_experiment_by_name("digits")
    assert experiment is not None
    return {run.info.run_name: run for run in reader.search_runs([experiment.experiment_id])}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    """The directory of one finished run of three arms and a control, two seeds each."""
    directory = tmp_path_factory.mktemp("finished")
    (directory / "mlflow.db").write_bytes(prepared.read_bytes())
    with tracker(directory) as made:
        for record in records(seeds=2):
            made.handle(record)
    assert made.notices == []
    assert 0 < made.plot_seconds < made.seconds
    return directory


def test_one_flat_run_for_each_arm_and_seed(finished: Path) -> None:
    runs = stored(finished)
    names = [f"{arm}-s00{seed}" for arm in (*ARMS, "no_sp") for seed in (0, 1)]
    assert sorted(runs) == sorted(names)
    for run in runs.values():
        assert run.info.status == "FINISHED"
        assert "mlflow.parentRunId" not in run.data.tags


def test_tags_say_what_was_run_and_by_what(finished: Path) -> None:
    tags = stored(finished)["minibatch-s001"].data.tags
    expected = {
        "htmrun.run": RUN,
        "htmrun.arm": "minibatch",
        "htmrun.seed": "1",
        "htmrun.control": "false",
        "htmrun.device": "cpu",
        "htmrun.data_hash": "abc",
        "htmrun.state_hash": "minibatch-1",
        "htmrun.version.htmrun": htmrun.__version__,
        "htmrun.version.numpy": np.__version__,
        "mlflow.source.name": "htmrun train",
        PID_TAG: str(os.getpid()),
    }
    assert {key: tags.get(key) for key in expected} == expected
    for package in ("numba", "torch", "mlflow", "python"):
        assert tags[f"htmrun.version.{package}"]
    assert stored(finished)["no_sp-s000"].data.tags["htmrun.control"] == "true"


def test_commit_is_tagged_in_a_checkout(finished: Path) -> None:
    root = Path(htmrun.__file__).parents[1]
    if not (root / ".git").exists():
        pytest.skip("htmrun is installed here, not run from a checkout")
    head = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True)
    # Others may commit while the tests run: any commit of this repository is right.
    tag = stored(finished)["online-s000"].data.tags["mlflow.source.git.commit"]
    known = subprocess.run(["git", "-C", root, "cat-file", "-t", tag], capture_output=True)
    assert len(tag) == len(head.stdout.strip())
    assert known.stdout.strip() == b"commit"


def test_seeds_of_an_arm_share_a_colour_and_arms_do_not(finished: Path) -> None:
    colours = {name: run.data.tags["mlflow.runColor"] for name, run in stored(finished).items()}
    assert colours["online-s000"] == colours["online-s001"]
    assert len({colours[f"{arm}-s000"] for arm in (*ARMS, "no_sp")}) == 4


def test_curves_are_complete_with_samples_as_steps(finished: Path) -> None:
    run = stored(finished)["online-s000"]
    history = client(finished).get_metric_history(run.info.run_id, "train/accuracy")
    top = level(Job("online", 0))
    expected = [(i * STEP, top * i / POINTS - 0.05) for i in range(1, POINTS + 1)]
    assert [(m.step, m.value) for m in sorted(history, key=lambda m: m.step)] == expected


def test_final_metrics_are_what_mlflow_shows(finished: Path) -> None:
    metrics = stored(finished)["epoch_boost-s001"].data.metrics
    assert metrics["accuracy"] == level(Job("epoch_boost", 1))
    assert metrics["samples_per_s"] == 1001.0
    assert metrics["seconds"] == 0.5


def test_parameters_are_flat_and_artifacts_complete(finished: Path) -> None:
    run = stored(finished)["online-s000"]
    assert run.data.params == {"arm": "online", "sp.columns": "2048", "sp.shape": "null"}
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    assert folder.is_relative_to(finished / "artifacts")
    assert (folder / "resolved.yaml").read_text() == "data:\n  kind: digits\nseeds:\n- 0\n- 1\n"
    assert "columns: 2048" in (folder / "job.yaml").read_text()
    with np.load(folder / "series.npz") as series:
        assert series["correct"].shape == (POINTS * STEP,)
    assert (folder / "plots" / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_progress_is_written_in_batches(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tracker(runs)
    calls: list[int] = []
    real = made._store.client.log_batch

    def counting(run: str, *values: Any, **settings: Any) -> None:
        # The machine's readings are on top; how many there are depends on the machine.
        calls.append(len([m for m in values[0] if not m.key.startswith("system/")]))
        real(run, *values, **settings)

    monkeypatch.setattr(made._store.client, "log_batch", counting)
    made._next_flush += 600  # As if the job took under a second, on a busy machine too.
    with made:
        for record in one_job(Job("online", 0)):
            made.handle(record)
    # Fifteen points, the rate and three final values: one batch, since none was due.
    assert [count for count in calls if count] == [19]


def test_batches_stay_within_mlflows_limits(runs: Path) -> None:
    parameters = {f"p{i}": i for i in range(250)}
    job = Job("online", 0)
    metrics = {f"m{i}": float(i) for i in range(1900)}
    with tracker(runs, job_parameters=lambda _: parameters) as made:
        made.handle(Started(job, 1))
        made.handle(Progress(job, 1, 0, metrics, 1.0))
        made.handle(Finished(job, {}, "hash", 1.0))
    assert made.notices == []
    run = stored(runs)[job.name]
    assert len(run.data.params) == 250
    own = [name for name in run.data.metrics if not name.startswith("system/")]
    assert len(own) == 1902


def test_a_failed_job_is_marked_and_explained(runs: Path) -> None:
    job = Job("online", 0)
    with tracker(runs) as made:
        made.handle(Started(job, 10))
        made.handle(Progress(job, 5, 0, {"accuracy": 0.5}, 1.0))
        made.handle(Failed(job, "sp.columns: too few", "Traceback ..."))
        made.handle(Failed(Job("online", 1), "stopped", interrupted=True))
    run = stored(runs)["online-s000"]
    assert run.info.status == "FAILED"
    assert run.data.tags["htmrun.error"] == "sp.columns: too few"
    assert run.data.metrics["accuracy"] == 0.5
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    assert (folder / "error.txt").read_text() == "sp.columns: too few\n\nTraceback ...\n"
    assert stored(runs)["online-s001"].info.status == "KILLED"


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED"), (ValueError, "FAILED")],
)
def test_what_is_cut_short_is_marked(runs: Path, error: type[BaseException], status: str) -> None:
    def cut_short() -> None:
        with tracker(runs) as made:
            made.handle(Started(Job("online", 0), 10))
            raise error

    with pytest.raises(error):
        cut_short()
    assert stored(runs)["online-s000"].info.status == status


_ENDLESS = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from htmrun.training.records import Job, Started
from tests.helpers.synthetic import tracker
with tracker(Path({directory!r})) as made:
    made.handle(Started(Job("online", 0), 10))
    print("ready", flush=True)
    time.sleep(600)
"""


def endless(directory: Path) -> subprocess.Popen[str]:
    """Start a process whose run never ends, and wait until it has begun."""
    root = str(Path(__file__).parents[2])
    code = _ENDLESS.format(root=root, directory=str(directory))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_sigterm_marks_the_run_killed(runs: Path) -> None:
    process = endless(runs)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 128 + signal.SIGTERM
    assert stored(runs)["online-s000"].info.status == "KILLED"


@pytest.mark.parametrize(
    "statement", ["INSERT INTO runs", "INSERT INTO params", "INSERT INTO metrics"]
)
@pytest.mark.parametrize("by_mlflow", [False, True])
def test_a_signal_waits_for_the_transaction(
    statement: str, by_mlflow: bool, runs: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Cut off, it would keep the database locked for what is written on the way out."""
    said: list[str] = []
    if by_mlflow:
        monkeypatch.setattr(sqlite_writer, "REVISIONS", {})

    def cut_short() -> None:
        with tracker(runs, notice=said.append) as made:
            for record in one_job(Job("online", 0)):
                made.handle(record)
            raise AssertionError("it went on")

    with terminated_within(statement) as sent, pytest.raises(SystemExit, match="143"):
        cut_short()
    assert sent
    run = stored(runs)["online-s000"]
    assert run.info.status == ("FINISHED" if "metrics" in statement else "KILLED")
    assert run.data.params["sp.columns"] == "2048"
    assert said == []
    assert not (runs / "outbox").exists()
    assert capfd.readouterr() == ("", "")


def test_runs_of_dead_processes_are_marked_by_the_next_tracker(runs: Path) -> None:
    process = endless(runs)
    with tracker(runs, "another"):
        assert stored(runs)["online-s000"].info.status == "RUNNING"  # It lives: left alone.
    process.kill()
    process.wait()
    assert stored(runs)["online-s000"].info.status == "RUNNING"
    with tracker(runs, "a-third"):
        pass
    run = stored(runs)["online-s000"]
    assert run.info.status == "KILLED"
    assert "died" in run.data.tags["htmrun.error"]


def test_a_reused_process_id_does_not_keep_a_run_alive(runs: Path) -> None:
    with tracker(runs) as made:
        made.handle(Started(Job("online", 0), 10))
        run = stored(runs)["online-s000"]
        client(runs).set_tag(run.info.run_id, START_TAG, "12345.00")
        with tracker(runs, "another"):
            assert stored(runs)["online-s000"].info.status == "KILLED"
        client(runs).update_run(run.info.run_id, status="RUNNING")
        client(runs).set_tag(run.info.run_id, HOST_TAG, "another-host")
        with tracker(runs, "a-third"):
            assert stored(runs)["online-s000"].info.status == "RUNNING"


def test_database_is_made_with_a_notice_and_whole(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with tracker(tmp_path / "new") as made:
        assert [line for line in made.notices if "preparing" in line]
        made.handle(Started(Job("online", 0), 10))
    names = {p.name for p in (tmp_path / "new").iterdir()}
    assert names - {"mlflow.db-wal", "mlflow.db-shm"} == {"artifacts", "mlflow.db"}
    with sqlite3.connect(tmp_path / "new" / "mlflow.db") as database:
        assert database.execute("select count(*) from runs").fetchone() == (1,)
    assert capfd.readouterr() == ("", "")  # Neither MLflow nor alembic says anything.


def test_first_runs_at_the_same_moment_both_work(tmp_path: Path) -> None:
    first, second = endless_pair(tmp_path)
    for process in (first, second):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 128 + signal.SIGTERM
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("select status from runs").fetchall() == [("KILLED",)] * 2


def endless_pair(directory: Path) -> tuple[subprocess.Popen[str], subprocess.Popen[str]]:
    """Start two endless runs at once in a directory without a database."""
    root = str(Path(__file__).parents[2])
    code = _ENDLESS.format(root=root, directory=str(directory))
    pair = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in pair:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    return pair[0], pair[1]


def test_a_deleted_experiment_is_a_user_error(runs: Path) -> None:
    with tracker(runs):
        pass
    reader = client(runs)
    experiment = reader.get_experiment_by_name("digits")
    assert experiment is not None
    reader.delete_experiment(experiment.experiment_id)
    with pytest.raises(UserError, match="was deleted in MLflow"):
        tracker(runs)


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/x", "ftp://host/x"])
def test_stores_mlflow_cannot_use_are_user_errors(tmp_path: Path, uri: str) -> None:
    with pytest.raises(UserError, match=r"^tracking\.uri: found") as caught:
        tracker(tmp_path, uri=uri)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_down_is_one_clear_line_at_once(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(UserError, match="no MLflow server answers") as caught:
        tracker(tmp_path, uri="http://user:secret@127.0.0.1:9")
    assert time.monotonic() - begun < 15
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_broken_database_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database, " * 100)
    with pytest.raises(UserError, match="cannot use sqlite"):
        tracker(tmp_path)
