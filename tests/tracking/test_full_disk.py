"""A disk that is full, read-only or broken: one line, what is safe stays, and room mends it."""

from __future__ import annotations

import errno
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from htmrun.cli import main
from htmrun.errors import of_the_disk
from htmrun.sweep.storage import open_storage
from htmrun.tracking.database import fold_log
from htmrun.tracking.lines import append_whole
from htmrun.tracking.outbox import Outbox, waiting
from htmrun.training.measures.registry import timed
from htmrun.training.records import Job
from tests.helpers.experiments import DIGITS
from tests.helpers.synthetic import one_job, tracker
from tests.tracking.test_outbox import fail, stored
from tests.tracking.test_reproduce import Capsys, complaint, recorded

JOBS = (*DIGITS, "data.test_fraction=0.9", "arms=[online]", "workers=1")


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def full_after(calls: int) -> Iterator[None]:
    """Let everything that a run writes meet a full disk after so many operations on the store."""
    from htmrun.tracking.store import Store

    before, done = Store.apply, [0]
    with pytest.MonkeyPatch.context() as patch:

        def apply(store: Store, operation: Any) -> None:
            done[0] += 1
            if done[0] > calls:
                patch.setattr("htmrun.tracking.outbox.append_whole", full)
                full()
            before(store, operation)

        patch.setattr(Store, "apply", apply)
        yield


def points(folder: Path, which: str) -> Counter[tuple[str, str, int]]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/runs/mlflow.db")
    found: Counter[tuple[str, str, int]] = Counter()
    for run in recorded(folder):
        for name in run.data.metrics if run.data.tags["htmrun.run"] == which else ():
            if not (name.startswith("system/") or timed(name)):
                history = client.get_metric_history(run.info.run_id, name)
                found.update((run.info.run_name, name, point.step) for point in history)
    return found


def test_a_run_whose_disk_fills_up_says_so_and_is_whole_once_there_is_room(
    here: Path, capsys: Capsys
) -> None:
    # The first job is recorded; of the second, only its beginning.
    with full_after(10):
        assert main(["train", *JOBS]) == 1
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    assert (said.out + said.err).count(
        "records are being lost: [Errno 28] No space left on device"
    ) == 1
    last = said.out.splitlines()[-1]
    assert last.startswith("NOT ALL IS RECORDED")
    (run,) = {run.data.tags["htmrun.run"] for run in recorded(here)}
    assert f"htmrun resume {run} runs those jobs again" in last
    assert not list((here / "runs" / "outbox").iterdir())
    for command in (["runs"], ["compare", "--force"], ["doctor"], ["resume"], ["compare"]):
        assert main(command) == 0, (command, capsys.readouterr())
    assert {run.info.status for run in recorded(here)} == {"FINISHED"}
    assert main(["train", *JOBS]) == 0
    (whole,) = {run.data.tags["htmrun.run"] for run in recorded(here)} - {run}
    assert points(here, run) == points(here, whole)
    assert set(points(here, run).values()) == {1}


def test_a_job_of_which_something_is_lost_is_not_taken_for_finished(runs: Path) -> None:
    """The disk is full for a moment only; what comes after it would make the job look whole."""
    (runs / "outbox").write_text("a file where the folder should be")
    with tracker(runs) as made:
        for job in (Job("online", 0), Job("online", 1)):
            for place, record in enumerate(one_job(job)):
                with pytest.MonkeyPatch.context() as patch:
                    if job.seed == 0 and place == 0:
                        patch.setattr(made._store.client, "log_batch", fail)
                    made.handle(record)
    assert made.lost
    states = {name: run.info.status for name, run in stored(runs).items()}
    assert states == {"online-s000": "FAILED", "online-s001": "FINISHED"}


def test_a_run_that_has_no_room_to_begin_leaves_nothing(
    here: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("htmrun.tracking.holding.Path.write_text", full)
        line = complaint(capsys, "train", *JOBS)
    assert "No space left on device), expected a folder with room for a run" in line
    assert [path.name for path in (here / "runs").iterdir()] == ["mlflow.db"]


def test_an_outbox_that_cannot_begin_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(path: Path, data: bytes) -> None:
        path.write_bytes(b"")
        full()

    monkeypatch.setattr("htmrun.tracking.outbox.append_whole", half)
    with pytest.raises(OSError, match="No space left"):
        Outbox(tmp_path, "r", uri="u", experiment="e", attempt="1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("before", "kept"),
    [(b"", b""), (b"one\n", b"one\n"), (b"one\nhal", b"one\n"), (b"hal", b""),
     (b"one\n" + b"x" * 200_000, b"one\n")],
)  # fmt: skip
def test_only_whole_lines_stand_in_a_file(tmp_path: Path, before: bytes, kept: bytes) -> None:
    path = tmp_path / "lines"
    path.write_bytes(before)
    append_whole(path, b"two\n")
    assert path.read_bytes() == kept + b"two\n"


def test_a_study_goes_on_behind_a_record_that_was_cut_off(tmp_path: Path) -> None:
    import optuna

    journal = tmp_path / "study.journal"
    study = optuna.create_study(study_name="s", storage=open_storage(str(journal)))
    study.tell(study.ask(), 1.0)
    with journal.open("ab") as file:
        file.write(b'{"op_code": 4, "worker_')
    again = optuna.load_study(study_name="s", storage=open_storage(str(journal)))
    again.tell(again.ask(), 2.0)
    last = optuna.load_study(study_name="s", storage=open_storage(str(journal)))
    assert [trial.value for trial in last.trials] == [1.0, 2.0]


def test_an_export_without_room_leaves_its_folder_as_it_was(
    here: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["train", *JOBS, "seeds=[3]", "--quiet"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr("htmrun.tracking.export.write_results", full)
        line = complaint(capsys, "export", "20", "out")
    assert line == "error: No space left on device, expected room on the disk"
    assert list((here / "out").iterdir()) == []
    assert main(["export", "20", "out"]) == 0


def test_a_log_that_cannot_be_folded_stays(tmp_path: Path) -> None:
    fold_log(tmp_path / "no" / "mlflow.db")


def chained(inner: BaseException) -> BaseException:
    try:
        try:
            raise inner
        except BaseException as error:
            raise RuntimeError("and so it failed") from error
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b"),
         "a/b: No space left on device, expected room on the disk"),
        (chained(OSError(errno.EROFS, "Read-only file system")),
         "Read-only file system, expected a folder that can be written"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"),
         "/x: Permission denied, expected a file or folder that this user may use"),
        (RuntimeError("(sqlite3.OperationalError) database or disk is full\n[SQL: x]"),
         "the runs' database: database or disk is full, expected one that can be used"),
        (OSError(errno.ENOENT, "No such file", "/x"), None),
        (ValueError("a mistake of ours"), None),
    ],
)  # fmt: skip
def test_what_a_disk_refuses_is_a_line(error: BaseException, line: str | None) -> None:
    assert of_the_disk(error) == line


def test_the_command_line_says_it(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htmrun.cli.app", full)
    assert complaint(capsys, "runs").startswith("error: No space left on device")


def test_an_outbox_is_there_with_its_header_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies in the middle of the first line leaves nothing that waits."""

    def dies(path: Path, data: bytes) -> None:
        path.write_bytes(data[:9])
        raise SystemExit

    folder = tmp_path / "outbox"
    monkeypatch.setattr("htmrun.tracking.outbox.append_whole", dies)
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: None)  # It died.
    with pytest.raises(SystemExit):
        Outbox(folder, "r", uri="u", experiment="e", attempt="1")
    assert not list(folder.glob("*.jsonl"))
    monkeypatch.undo()
    assert waiting(tmp_path) == []
    Outbox(folder, "r", uri="u", experiment="e", attempt="2")
    assert [path.name for path in folder.iterdir()] == ["r.jsonl"]
    assert json.loads((folder / "r.jsonl").read_text())["attempt"] == "2"
