"""Temporary folders go with their process, or with the next one that needs one."""

from __future__ import annotations

from pathlib import Path

from htmrun.tracking.database import prepare_database
from htmrun.tracking.scratch import scratch
from tests.helpers.dying import within


def test_what_a_killed_process_left_goes_with_the_next_and_no_sooner(tmp_path: Path) -> None:
    (tmp_path / "htmrun-of-somebody-else").mkdir()
    with scratch(tmp_path) as own, within(lambda: scratch(tmp_path)) as kill:
        (other,) = set(tmp_path.glob("htmrun-*/.lock")) - {own / ".lock"}
        with scratch(tmp_path):
            assert other.exists(), "it lives"
        kill()
        assert other.exists()
        with scratch(tmp_path):
            assert not other.parent.exists()
            assert own.exists(), "a process does not take its own"
    assert [path.name for path in tmp_path.iterdir()] == ["htmrun-of-somebody-else"]


def test_a_database_that_was_half_built_goes(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.touch()
    with within(lambda: scratch(tmp_path, ".mlflow.db-")) as kill:
        kill()
    assert len(list(tmp_path.iterdir())) == 2
    prepare_database(f"sqlite:///{path}", print)
    assert list(tmp_path.iterdir()) == [path]
