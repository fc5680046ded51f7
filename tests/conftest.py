"""What many tests share: a prepared database, compiled kernels; what is skipped, and why."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from htmrun.backends.cuda import cards
from htmrun.tracking.database import prepare_database
from tests.helpers import host_card
from tests.helpers.kernels import host
from tests.helpers.ray_cluster import RayCluster

ON_HOST = os.environ.get("HTMRUN_TEST_CARD") == "host"
"""Tests that need a card run their kernels on the host: `HTMRUN_TEST_CARD=host pytest -m gpu`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a card where there is none, and say what is missing."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    lack = cards.lacking() if marked and not ON_HOST else None
    for item in marked:
        if lack is not None:
            item.add_marker(pytest.mark.skip(reason=f"needs a card; found none: without {lack}"))


@pytest.fixture(autouse=True)
def _host_for_a_card(request: pytest.FixtureRequest) -> None:
    """Let the host run what needs a card, if that is asked for: slow, but the same tests."""
    if ON_HOST and request.node.get_closest_marker("gpu"):
        patch = request.getfixturevalue("monkeypatch")
        host_card.put_in(patch, request.getfixturevalue("build_folder"))


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    """A Ray cluster of two nodes with one core each, started once for all tests that use it.

    They belong to the group "ray", so that only one process of a parallel session starts one.
    """
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    made = RayCluster(tmp_path_factory.mktemp("ray"))
    try:
        for _ in range(2):
            made.join()
        made.await_nodes(2)
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def build_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for compiled kernels, shared by the workers of one session."""
    if sys.platform != "linux":
        pytest.skip("the host runner keeps shared memory in a section of its own: ELF only")
    if host.compiler() is None:
        pytest.skip("no C++ compiler found: the kernels cannot run on the host")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "kernels"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated database: building one takes seconds, copying it does not."""
    path = tmp_path_factory.mktemp("prepared") / "mlflow.db"
    prepare_database(f"sqlite:///{path}", lambda _: None)
    return path


@pytest.fixture
def runs(prepared: Path, tmp_path: Path) -> Path:
    """A directory with a database ready to use."""
    shutil.copy(prepared, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def here(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a database ready to use in `runs`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    shutil.copy(prepared, tmp_path / "runs")
    return tmp_path


@pytest.fixture
def lines() -> tuple[list[str], Callable[[str], None]]:
    """A list, and a function that appends to it."""
    collected: list[str] = []
    return collected, collected.append
