"""A folder of runs that was moved or copied: all is found and written inside it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import pytest

from htmrun.cli import main
from htmrun.tracking import moved
from htmrun.tracking.dashboard import newest
from htmrun.tracking.outbox import Outbox, waiting
from htmrun.tracking.sqlite_reader import SqliteReader
from htmrun.tracking.store import open_existing
from tests.helpers.experiments import DIGITS, train

Capsys = pytest.CaptureFixture[str]
JOBS = (*DIGITS, "data.test_fraction=0.9", "arms=[online,minibatch]", "workers=1")


@pytest.fixture(scope="module")
def made(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs whose last job was cut short; its name needs quoting in an address."""
    place = tmp_path_factory.mktemp("first") / "my runs"
    place.mkdir()
    shutil.copy(prepared, place / "mlflow.db")
    assert main(["train", *JOBS, f"tracking.dir={place}", "--quiet"]) == 0
    client = mlflow.MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
    last = next(run for run in runs if run.info.run_name == "minibatch-s005")
    client.set_terminated(last.info.run_id, "KILLED")
    return place


def files(folder: Path) -> dict[str, bytes]:
    """Return every file with its content, but for what SQLite keeps beside a database."""
    every = (path for path in folder.rglob("*") if path.is_file())
    return {str(p): p.read_bytes() for p in every if not p.name.startswith("mlflow.db-")}


def use(folder: Path, data: Path, capsys: Capsys) -> None:
    """Run every command on a folder of runs."""
    place = ("--dir", str(folder))
    assert main(["runs", *place, "--format", "json"]) == 0
    assert main(["compare", *place, "--force", "--report", str(data / "page")]) == 0
    assert main(["resume", *place, "--quiet"]) == 0
    assert "online" in capsys.readouterr().out
    assert main(["rerun", *place, "arms=[minibatch]", "seeds=[5]"]) == 0
    assert main(["export", "20", str(data / "export"), *place]) == 0
    _, client = open_existing(None, folder)
    found = [client.get_run(run) for run in newest(client).runs]
    assert len(found) == 4
    assert {run.info.status for run in found} == {"FINISHED"}
    for run in found:
        inside = folder / "artifacts" / "digits" / run.info.run_id / "artifacts"
        assert run.info.artifact_uri == inside.as_uri()
        assert (inside / "series.npz").is_file()
    assert list((folder / "artifacts").rglob("report.html"))
    train(capsys, *JOBS, f"tracking.dir={folder}", "seeds=[7]", "arms=[online]")
    assert len(list((folder / "artifacts" / "digits").iterdir())) == 6  # one is in the trash


def test_a_folder_that_was_moved_works_and_the_old_place_stays_empty(
    made: Path, tmp_path: Path, capsys: Capsys
) -> None:
    first, second = tmp_path / "first" / "my runs", tmp_path / "second place" / "old runs"
    shutil.copytree(made, first)
    _, client = open_existing(None, first)
    assert client.get_experiment_by_name("digits").artifact_location.startswith(
        (first / "artifacts").as_uri()
    )
    second.parent.mkdir()
    shutil.move(first, second)
    use(second, tmp_path, capsys)
    assert not first.exists()


def test_a_copy_leaves_the_folder_that_it_was_made_of(
    made: Path, tmp_path: Path, capsys: Capsys
) -> None:
    before = files(made)
    shutil.copytree(made, tmp_path / "copy")
    use(tmp_path / "copy", tmp_path, capsys)
    assert files(made) == before


def test_a_folder_on_read_only_media_can_be_read(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    folder = tmp_path / "disc"
    shutil.copytree(made, folder)
    before = files(folder)
    monkeypatch.setattr(moved, "writable", lambda path: not path.is_relative_to(folder))
    report = ("--report", str(tmp_path / "page"))

    def refused(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(SqliteReader, "log_artifact", refused)
    assert main(["compare", "--dir", str(folder), "--force", *report]) == 0
    assert "not logged (Read-only file system)" in capsys.readouterr().err
    assert main(["rerun", "--dir", str(folder), "arms=[online]", "seeds=[3]"]) == 0
    assert main(["export", "20", str(tmp_path / "export"), "--dir", str(folder)]) == 0
    uri, client = open_existing(None, folder)
    assert str(folder) not in uri
    for run in newest(client).runs:
        assert client.get_run(run).info.artifact_uri.startswith(folder.as_uri())
    assert files(folder) == before


def read(folder: Path, data: Path, capsys: Capsys) -> None:
    """Run every command on a folder of runs that cannot be written."""
    place = ("--dir", str(folder))
    assert main(["runs", *place]) == 0
    assert main(["compare", *place, "--force", "--report", str(data / "page")]) == 0
    assert "not logged (" in capsys.readouterr().err
    assert main(["export", "20", str(data / "export"), *place]) == 0
    assert main(["doctor", *place]) == 0
    for command in (["resume"], ["clean", "--status", "killed", "--delete"]):
        capsys.readouterr()
        assert main([*command, *place]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert re.search(r"cannot be written.*, expected a folder", line), line


@contextmanager
def mounted_read_only(folder: Path) -> Iterator[None]:
    mount = ["mount", "--bind", str(folder), str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def another_user(number: int = 65534) -> Iterator[None]:
    """Be nobody for a while."""
    if os.getuid() != 0:
        pytest.skip("only root can be somebody else")
    os.setresgid(number, number, 0)
    os.setresuid(number, number, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)


@pytest.fixture
def for_all() -> Iterator[Path]:
    """A folder that every user may use."""
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


def test_a_disk_that_is_mounted_read_only_is_read_and_stays_as_it_is(
    made: Path, tmp_path: Path, capsys: Capsys
) -> None:
    folder = tmp_path / "disc"
    shutil.copytree(made, folder)
    before = files(folder)
    with mounted_read_only(folder):
        read(folder, tmp_path, capsys)
    assert files(folder) == before


def test_another_user_reads_what_is_there_and_is_told_what_cannot_be(
    made: Path, for_all: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, own = for_all / "theirs", for_all / "mine"
    shutil.copytree(made, folder)
    own.mkdir(mode=0o777)
    own.chmod(0o777)
    monkeypatch.chdir(own)
    # What is imported late may lie where nobody else can read.
    compare = ["compare", "--dir", str(folder), "--force", "--report", str(for_all / "warm")]
    assert main(compare) == 0
    before = files(folder)
    with another_user():
        read(folder, own, capsys)
    folder.chmod(0o700)
    for command in ("runs", "compare", "resume", "sync"):
        capsys.readouterr()
        with another_user():
            assert main([command, "--dir", str(folder)]) in (1, 2)
        said = capsys.readouterr()
        assert len((said.err or said.out).splitlines()) == 1, said
        assert "Permission denied" in said.err + said.out
    folder.chmod(0o755)
    assert files(folder) == before


def test_artifacts_that_are_kept_elsewhere_stay_there(made: Path, tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    shutil.copyfile(made / "mlflow.db", tmp_path / "alone" / "mlflow.db")
    assert moved.bring_home(tmp_path / "alone" / "mlflow.db") == 0
    assert moved.bring_home(made / "mlflow.db") == 0, "it is at home"
    (tmp_path / "text.db").write_text("no database")
    assert moved.bring_home(tmp_path / "text.db") == 0


def test_records_that_wait_go_to_the_database_beside_them(tmp_path: Path) -> None:
    inside = f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}"
    elsewhere = f"sqlite:///{tmp_path / 'other.db'}"
    for run, uri in (("a", inside), ("b", elsewhere)):
        Outbox(tmp_path / "runs" / "outbox", run, uri=uri, experiment="digits", attempt="1")
    shutil.move(tmp_path / "runs", tmp_path / "moved")
    for path in (tmp_path / "moved" / "outbox").iterdir():  # its process is still going: ours
        path.write_text(path.read_text().replace('"htmrun.pid": "', '"htmrun.pid": "99999999'))
    found = {one.run: one.uri for one in waiting(tmp_path / "moved")}
    assert found == {"a": f"sqlite:///{tmp_path / 'moved' / 'mlflow.db'}", "b": elsewhere}
