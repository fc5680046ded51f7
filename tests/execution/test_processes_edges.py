"""Workers at the edges: too many, none to run, dying while others wait, failing to get ready."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from htmrun.errors import UserError
from htmrun.execution.job_runs import JobPlayer, run_jobs
from htmrun.training.records import Failed, Finished, Job, Record, Started


@dataclass(frozen=True)
class Reporting:
    """Finishes with the id of the process; arms "dies" and "refuses" do not."""

    prepared: bool = True
    loadable: bool = True

    def prepare(self, arm: str | None = None) -> None:
        if not self.prepared:
            raise UserError("sp.columns: found 0, expected more")

    def work(self, job: Job) -> Callable[[Callable[[], bool]], Iterator[Record]]:
        def records(stop: Callable[[], bool]) -> Iterator[Record]:
            yield Started(job, 1)
            if job.arm == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            if job.arm == "refuses":
                raise UserError("my.csv:7: found 'x', expected a number\nand more")
            yield Finished(job, {"process": float(os.getpid())}, "", 0.0)

        return records

    def __setstate__(self, state: dict[str, bool]) -> None:
        if not state["loadable"]:
            raise ValueError("cannot be loaded")
        self.__dict__.update(state)


def jobs(*arms: str, seeds: int = 1) -> list[Job]:
    return [Job(arm, seed) for seed in range(seeds) for arm in arms]


def processes(records: list[Record]) -> set[float]:
    return {r.metrics["process"] for r in records if isinstance(r, Finished)}


def failures(records: list[Record]) -> dict[Job, str]:
    return {r.job: r.error for r in records if isinstance(r, Failed)}


@pytest.mark.parametrize("workers", [1, 2, None])
def test_no_jobs_no_records(workers: int | None) -> None:
    assert list(run_jobs(Reporting(), [], workers)) == []


def test_one_job_runs_here_however_many_workers_there_are() -> None:
    assert processes(list(run_jobs(Reporting(), jobs("a"), 8))) == {os.getpid()}


def test_no_more_workers_than_jobs() -> None:
    stream = run_jobs(Reporting(), jobs("a", "b"), 8)
    first = next(stream)
    assert len(multiprocessing.active_children()) == 2
    records = [first, *stream]
    assert os.getpid() not in processes(records)
    assert len(processes(records)) == 2
    assert multiprocessing.active_children() == []


def test_workers_that_die_while_several_wait_cost_their_own_jobs() -> None:
    todo = [*jobs("dies", seeds=3), *jobs("a", seeds=3)]
    records = list(run_jobs(Reporting(), todo, 2))
    died = "its worker process died (signal 9)"
    assert failures(records) == {Job("dies", seed): died for seed in range(3)}
    assert len(processes(records)) >= 1
    assert sum(isinstance(r, Finished) for r in records) == 3


def test_it_ends_when_every_worker_dies() -> None:
    records = list(run_jobs(Reporting(), jobs("dies", seeds=3), 2))
    assert len(failures(records)) == 3
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [1, 2])
def test_what_the_user_can_mend_is_said_in_its_own_words(workers: int) -> None:
    records = list(run_jobs(Reporting(), jobs("refuses", "a"), workers))
    line = "my.csv:7: found 'x', expected a number"
    assert failures(records) == {Job("refuses", 0): line}
    assert sum(isinstance(r, Finished) for r in records) == 1


def test_a_worker_that_cannot_get_ready_says_why() -> None:
    records = list(run_jobs(Reporting(prepared=False), jobs("a", "b"), 2))
    line = "sp.columns: found 0, expected more"
    assert failures(records) == {Job("a", 0): line, Job("b", 0): line}


def test_a_worker_that_cannot_even_begin_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    records = list(run_jobs(Reporting(loadable=False), jobs("a", "b", "c"), 2))
    assert set(failures(records).values()) == {"its worker process died (exit status 1)"}
    assert len(failures(records)) == 3
    assert "cannot be loaded" in capfd.readouterr().err


TRAIN = """
import sys
from htmrun.cli import main
def start():
    sys.exit(main(["train", "experiment=digits", "seeds=[0,1]", "arms=[online]", "workers=2"]))
"""
CHECK = "from htmrun.execution.processes import must_be_guarded\n"


def test_a_script_that_would_start_itself_again_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "mine.py"
    script.write_text(f"{TRAIN}start()\n")
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"error: workers: {script}:6 starts processes without a guard, expected it below "
        '`if __name__ == "__main__":`, or workers=1\n'
    )
    assert list(tmp_path.iterdir()) == [script]


@pytest.mark.parametrize(
    "text",
    [
        f"{CHECK}if __name__ == '__main__':\n    must_be_guarded()\n",
        f"{CHECK}if __name__ != '__main__':\n    raise SystemExit\nmust_be_guarded()\n",
    ],
)
def test_a_script_with_its_guard_starts_processes(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    runpy.run_path(str(tmp_path / "mine.py"), run_name="__main__")


def test_a_guard_that_comes_too_late_is_none(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"{CHECK}must_be_guarded()\nif __name__ == 'x':\n    pass\n")
    with pytest.raises(UserError, match=r"mine\.py:2 starts processes"):
        runpy.run_path(str(tmp_path / "mine.py"), run_name="__main__")


def test_a_worker_gets_ready_for_what_it_runs_and_nothing_else() -> None:
    ready: list[str | None] = []

    class Noting(Reporting):
        def prepare(self, arm: str | None = None) -> None:
            ready.append(arm)

    player = JobPlayer(Noting())
    for job in jobs("online", "minibatch", seeds=2)[:3]:
        list(player.play(job, lambda: False))
    assert ready == ["online", "minibatch"]
