"""When MLflow fails in the middle of a run, the run goes on and nothing is lost."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy import Engine, event

from htmrun.errors import UserError
from htmrun.tracking import resend
from htmrun.tracking.operations import Attach, Begin, End, Log, Point, from_plain, to_plain
from htmrun.tracking.provenance import START_TAG
from htmrun.training.records import Job
from tests.helpers.synthetic import POINTS, RUN, level, one_job, tracker


def fail(*_: Any, **__: Any) -> None:
    raise MlflowException("the server at http://me:secret@host went away")


def stored(directory: Path) -> dict[str, Any]:
    reader = MlflowClient(tracking_uri=f"sqlite:///{directory}/mlflow.db")
    experiment = reader.get_experiment_by_name("digits")
    assert experiment is not None
    return {run.info.run_name: run for run in reader.search_runs([experiment.experiment_id])}


def run_that_fails_in_the_middle(directory: Path) -> list[str]:
    """Run two jobs; from the fourth record of the first on, the store takes nothing."""
    made = tracker(directory)
    with pytest.MonkeyPatch.context() as patch, made:
        for job in (Job("online", 0), Job("online", 1)):
            for place, record in enumerate(one_job(job)):
                if place == 3 and job.seed == 0:
                    for name in ("create_run", "log_batch", "log_artifact", "set_terminated"):
                        patch.setattr(made._store.client, name, fail)
                    patch.setattr("htmrun.tracking.outbox.open_client", fail)
                made.handle(record)
    return made.notices


def check_complete(directory: Path) -> None:
    reader = MlflowClient(tracking_uri=f"sqlite:///{directory}/mlflow.db")
    for seed in (0, 1):
        job = Job("online", seed)
        run = stored(directory)[job.name]
        assert run.info.status == "FINISHED"
        assert run.data.metrics["accuracy"] == level(job)
        assert len(reader.get_metric_history(run.info.run_id, "train/accuracy")) == POINTS
        folder = Path(run.info.artifact_uri.removeprefix("file://"))
        assert np.load(folder / "series.npz")["correct"].size
        assert (folder / "plots" / "curves.png").exists()
        assert (folder / "resolved.yaml").exists()


def test_records_are_kept_with_one_warning_and_sent_later(runs: Path) -> None:
    notices = run_that_fails_in_the_middle(runs)
    outbox = runs / "outbox" / f"{RUN}.jsonl"
    assert outbox.exists()
    assert len([line for line in notices if "logging to MLflow failed" in line]) == 1
    assert not [line for line in notices if "secret" in line]
    assert "online-s001" not in stored(runs)

    assert resend(outbox) > 5
    check_complete(runs)
    assert not list((runs / "outbox").iterdir())


def test_a_database_that_somebody_keeps_locked_is_told_in_one_line(
    runs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def hasty(_c: Any, cursor: sqlite3.Cursor, said: str, *_: Any) -> None:
        if "busy_timeout" in said:
            cursor.connection.execute("PRAGMA busy_timeout = 100")

    first, *others = one_job(Job("online", 0))
    event.listen(Engine, "after_cursor_execute", hasty)
    with tracker(runs) as made:
        made.handle(first)
        with closing(sqlite3.connect(runs / "mlflow.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            made.handle(others[-1])
    event.remove(Engine, "after_cursor_execute", hasty)
    lines = made.notices
    assert len([line for line in lines if "database is locked" in line]) == 1, lines
    assert lines[-1].startswith("sent "), lines
    assert stored(runs)["online-s000"].info.status == "FINISHED"
    assert capfd.readouterr() == ("", "")


def test_sending_twice_changes_nothing(runs: Path) -> None:
    run_that_fails_in_the_middle(runs)
    outbox = runs / "outbox" / f"{RUN}.jsonl"
    lines = outbox.read_text()
    files = {p: p.read_bytes() for p in outbox.with_suffix("").rglob("*") if p.is_file()}
    resend(outbox)
    outbox.write_text(lines)
    for path, content in files.items():
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    resend(outbox)
    assert len(stored(runs)) == 2
    check_complete(runs)


def test_the_next_run_sends_what_a_dead_process_left(runs: Path) -> None:
    run_that_fails_in_the_middle(runs)
    outbox = runs / "outbox" / f"{RUN}.jsonl"
    with tracker(runs, "another") as other:
        assert outbox.exists()  # Its process, this one, still lives.
    header, *rest = outbox.read_text().splitlines(keepends=True)
    plain = json.loads(header)
    plain["process"][START_TAG] = "12345.00"
    outbox.write_text("".join([json.dumps(plain) + "\n", *rest]))
    with tracker(runs, "a-third") as other:
        pass
    assert any("sent" in line for line in other.notices)
    assert not outbox.exists()
    check_complete(runs)


def test_a_store_that_comes_back_gets_everything_at_the_end(runs: Path) -> None:
    made = tracker(runs)
    with made:
        for record in one_job(Job("online", 0)):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(made._store.client, "log_artifact", fail)
                made.handle(record)
        for record in one_job(Job("online", 1)):
            made.handle(record)
    check_complete(runs)
    assert not list((runs / "outbox").iterdir())


def test_a_full_disk_is_said_once_and_does_not_stop_the_run(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (runs / "outbox").write_text("a file where the folder should be")
    made = tracker(runs)
    with made:
        monkeypatch.setattr(made._store.client, "log_batch", fail)
        for record in one_job(Job("online", 0)):
            made.handle(record)
    assert len([line for line in made.notices if "being lost" in line]) == 1


def test_operations_survive_being_written_as_json() -> None:
    operations = [
        Begin("a", 1, {"k": "v"}),
        Log("a", (Point("m", float("nan"), 1, 2),), {"p": "1"}, {"t": "x"}),
        Attach("a", "x/y.npz", "plots"),
        End("a", "KILLED", 5),
    ]
    for operation in operations:
        back = from_plain(json.loads(json.dumps(to_plain(operation))))
        assert repr(back) == repr(operation)


def test_a_missing_or_empty_outbox_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such outbox file"):
        resend(tmp_path / "none.jsonl")
    (tmp_path / "cut.jsonl").write_text('{"uri": "sqli')
    with pytest.raises(UserError, match="no complete line"):
        resend(tmp_path / "cut.jsonl")
