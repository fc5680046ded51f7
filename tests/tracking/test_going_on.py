"""A run that was cut short goes on in the middle of its jobs, and is the same in the end."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from htmrun.cli import main
from htmrun.training.checkpoints import SUFFIX
from tests.helpers.experiments import DIGITS, results, started, train
from tests.helpers.ray_cluster import Command
from tests.tracking.test_reproduce import Capsys, recorded

JOBS = (*DIGITS, "arms=[online]", "seeds=[0,1]")


def kept(folder: Path) -> list[Path]:
    return list((folder / "runs" / "checkpoints").rglob(f"*{SUFFIX}"))


@contextmanager
def running(*arguments: str, cwd: Path) -> Iterator[Command]:
    process = started(*arguments, cwd=cwd)
    try:
        yield Command(process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)


def went_on(lines: str) -> dict[str, int]:
    found = re.findall(r"^(online-s00\d) goes on after ([\d,]+) samples$", lines, re.M)
    return {name: int(count.replace(",", "")) for name, count in found}


@pytest.mark.slow
def test_a_killed_run_goes_on_in_the_middle_and_ends_the_same(here: Path, capsys: Capsys) -> None:
    with running("train", *JOBS, "epochs=400", "checkpoint_every=0.002", cwd=here) as run:
        run.until(lambda: any((here / "runs").rglob("resolved.yaml")), "the run is recorded")
        run.until(lambda: kept(here), "a job has kept how far it is")
        os.killpg(run.process.pid, signal.SIGKILL)
        run.ended()
    names = [path.name.removesuffix(SUFFIX) for path in kept(here)]
    assert names
    capsys.readouterr()
    assert main(["resume", "--json"]) == 0
    captured = capsys.readouterr()
    assert sorted(went_on(captured.err)) == sorted(names)
    assert all(0 < count < 400 * 1438 for count in went_on(captured.err).values())
    assert {run.info.status for run in recorded(here)} == {"FINISHED"}
    assert not (here / "runs" / "checkpoints" / recorded(here)[0].data.tags["htmrun.run"]).exists()
    whole, _ = train(capsys, *JOBS, "epochs=400", "tracking=none")
    assert results(json.loads(captured.out.splitlines()[-1])) == results(whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "workers", "code"), [(signal.SIGTERM, 2, 143), (signal.SIGINT, 1, 130)]
)
def test_what_is_asked_to_end_keeps_how_far_it_is(
    number: signal.Signals, workers: int, code: int, here: Path
) -> None:
    """Long before it would be time to."""
    endless = ("epochs=20000", "checkpoint_every=600", f"workers={workers}")
    with running("train", *JOBS, *endless, cwd=here) as run:
        run.until(lambda: curves(here) == workers, "all workers train")
        os.killpg(run.process.pid, number)
        assert run.ended() == code, (run.out, run.err)
    assert "Traceback" not in "".join([*run.out, *run.err])
    assert len(kept(here)) == workers
    with running("resume", cwd=here) as again:
        again.until(lambda: len(went_on("\n".join(again.out))) == workers, "it goes on")
    assert all(count > 0 for count in went_on("\n".join(again.out)).values())


def curves(folder: Path) -> int:
    """Return how many running jobs have a point of a curve."""
    found = [r for r in recorded(folder) if r.info.status == "RUNNING"]
    return sum("accuracy" in run.data.metrics for run in found)


def test_short_jobs_leave_nothing(here: Path, capsys: Capsys) -> None:
    train(capsys, *JOBS, "workers=1")
    assert not (here / "runs" / "checkpoints").exists()
