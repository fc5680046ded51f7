"""The package in `examples/`: built, installed, used through the command line, and missed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("hatchling")
ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "examples" / "htmrun-example"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed wheel, made without a network."""
    folder = tmp_path_factory.mktemp("example")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "-q")
    offline = ("--no-deps", "--no-index", "--no-build-isolation")
    for command in (
        ("wheel", *offline, "--wheel-dir", str(folder), str(SOURCE)),
        ("install", *offline, "--target", str(folder / "site"), str(folder / WHEEL)),
    ):
        subprocess.run([*pip, *command], check=True, cwd=folder)
    return folder / "site"


WHEEL = "htmrun_example-0.1.0-py3-none-any.whl"


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Run `htmrun` in an empty folder, where the package is `there` or not."""

    def htmrun(*arguments: str, there: bool = True) -> subprocess.CompletedProcess[str]:
        path = [str(ROOT), str(installed)] if there else [str(ROOT)]
        return subprocess.run(
            [sys.executable, "-m", "htmrun", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "COLUMNS": "100"},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return htmrun


def test_every_kind_is_used_and_missed_where_it_is_not(run: Run) -> None:
    doctor = run("doctor").stdout
    assert re.search(r"own kinds\s+htmrun-example 0\.1\.0: ", doctor)
    for kind in ("encoder position", "source places", "readout prototypes", "layer softsign",
                 "measure Undecided"):  # fmt: skip
        assert kind in " ".join(doctor.split())
    shown = " ".join(run("show", "places").stdout.split())
    for meaning in ("Side of a cell", "Power to which overlaps", "Standard deviation around"):
        assert meaning in shown

    trained = run("train", "experiment=places", "workers=2", "--json")
    assert trained.returncode == 0, trained.stderr
    found = json.loads(trained.stdout.splitlines()[-1])
    assert found["status"] == "finished"
    text = json.dumps(found)
    assert "example/undecided" in text
    for arm in ("online", "network"):
        assert min(found["arms"][arm]["accuracy"]["values"]) > 0.7, "six places, far apart"

    again = run("rerun", "seeds=[0]", "workers=1")
    assert again.stdout.splitlines()[-1] == "2 of 2 jobs are the same"
    gone = run("rerun", there=False)
    assert (gone.returncode, gone.stdout) == (2, "")
    assert re.fullmatch(
        r"error: kinds: htmrun-example is not installed, expected 0\.1\.0 as when \S+ was recorded",
        gone.stderr.strip(),
    )
    assert "position" not in run("show", there=False).stdout


def test_its_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(installed)))}
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(SOURCE / "tests")],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert " passed" in done.stdout
