"""One prepared database for all tests: building it takes seconds, copying it does not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from htmrun.tracking.database import prepare_database


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated database."""
    path = tmp_path_factory.mktemp("prepared") / "mlflow.db"
    prepare_database(f"sqlite:///{path}", lambda _: None)
    return path


@pytest.fixture
def runs(prepared: Path, tmp_path: Path) -> Path:
    """A directory with a database ready to use."""
    shutil.copy(prepared, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def lines() -> tuple[list[str], Callable[[str], None]]:
    """A list, and a function that appends to it."""
    collected: list[str] = []
    return collected, collected.append
