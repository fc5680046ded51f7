"""Cutting a run short: marked in MLflow, nothing left behind, no traceback."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.helpers.experiments import SEQUENCES, started

# The plain reference: nothing to compile or load before the run begins.
LONG = ("train", *SEQUENCES, "data.steps=100_000_000", "arms=[online,no_tm]", "seeds=[0]",
        "device=reference")  # fmt: skip


@pytest.fixture
def begin(prepared: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """A function that starts a long run and returns once `jobs` of its jobs are running."""
    begun: list[subprocess.Popen[str]] = []
    (tmp_path / "runs").mkdir()
    shutil.copy(prepared, tmp_path / "runs")

    def start(*overrides: str, jobs: int) -> subprocess.Popen[str]:
        process = started(*LONG, *overrides, cwd=tmp_path)
        begun.append(process)
        until(lambda: statuses(tmp_path) == ["RUNNING"] * jobs or process.poll() is not None, 120)
        time.sleep(0.5)
        assert process.poll() is None, process.communicate()
        return process

    yield start
    for process in begun:
        if lives(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


def until(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


def lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def statuses(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "runs" / "mlflow.db")) as database:
        return [status for (status,) in database.execute("SELECT status FROM runs")]


@pytest.mark.parametrize(
    ("number", "everyone", "workers", "code"),
    [
        # Ctrl-C reaches the whole group, and so does what `timeout` sends.
        (signal.SIGINT, True, 2, 130),
        (signal.SIGINT, False, 1, 130),
        (signal.SIGTERM, True, 2, 143),
    ],
)
def test_an_interrupted_run_is_marked_and_leaves_nothing(
    number: signal.Signals, everyone: bool, workers: int, code: int,
    begin: Callable[..., subprocess.Popen[str]], tmp_path: Path,
) -> None:  # fmt: skip
    process = begin(f"workers={workers}", jobs=workers)
    (os.killpg if everyone else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code
    assert "Traceback" not in out + err
    assert statuses(tmp_path) == ["KILLED"] * workers
    until(lambda: not lives(process.pid), 120)
    (line,) = [line for line in err.splitlines() if line.startswith("interrupted")]
    assert re.fullmatch(
        r"interrupted: 0 of 2 jobs finished; "
        r"continue with htmrun resume \d{8}-\d{6}-sequences-\w{4}",
        line,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_without_tracking_it_ends_the_same_way(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    process = started(*LONG, "tracking=none", "workers=2", cwd=tmp_path)
    try:
        time.sleep(1)
        # Both workers run once their processes are there and have imported what they need.
        until(lambda: workers_of(process.pid) == 2 or process.poll() is not None, 120)
        time.sleep(3)
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code
        assert err.splitlines()[-1:] == ["interrupted: 0 of 2 jobs finished; nothing was recorded"]
        assert "Traceback" not in out + err
        until(lambda: not lives(process.pid), 120)
    finally:
        if lives(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


def workers_of(pid: int) -> int:
    import psutil

    children = psutil.Process(pid).children()
    return sum("spawn_main" in " ".join(child.cmdline()) for child in children)


def test_workers_end_when_their_parent_is_killed(
    begin: Callable[..., subprocess.Popen[str]],
) -> None:
    process = begin("workers=2", jobs=2)
    process.kill()
    process.wait(120)
    until(lambda: not lives(process.pid), 120)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in out + err
