"""Tasks on worker processes: they wait to be told, are dropped, and leave others alone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from htmrun.execution.processes import ProcessWorkers
from htmrun.execution.workers import Died, News, Said

PATIENCE_S = 120.0


class Letters:
    """Says the letters of a word, and writes down when it is dropped; "!" kills its process."""

    def __init__(self, dropped: Path) -> None:
        self.dropped = dropped

    def play(self, task: str, stop: Callable[[], bool]) -> Any:
        try:
            for letter in task:
                if letter == "!":
                    os.kill(os.getpid(), signal.SIGKILL)
                yield letter, os.getpid()
        except GeneratorExit:
            self.dropped.write_text(task)
            raise


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Callable[..., ProcessWorkers]]:
    made: list[ProcessWorkers] = []

    def make(count: int, **options: bool) -> ProcessWorkers:
        made.append(ProcessWorkers(Letters(tmp_path / "dropped"), count, **options))
        return made[-1]

    yield make
    for pool in made:
        pool.close()
    assert multiprocessing.active_children() == []


def heard(pool: ProcessWorkers, count: int) -> list[tuple[Any, News]]:
    """Return the next `count` news."""
    found: list[tuple[Any, News]] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count:
        assert time.monotonic() < deadline, found
        found += pool.wait(1.0)
    return found


def letters(news: list[tuple[Any, News]]) -> list[tuple[Any, str]]:
    return [(k, m[0]) for k, said in news if isinstance(said, Said) for m in said.messages]


def test_a_task_goes_on_only_when_told_to(workers: Any, tmp_path: Path) -> None:
    pool = workers(2)
    pool.start("first", "abc")
    assert pool.free() == 1
    (said,) = heard(pool, 1)
    assert letters([said]) == [("first", "a")]
    assert pool.wait(0.5) == []
    pool.go_on("first")
    assert letters(heard(pool, 1)) == [("first", "b")]
    pool.end("first")
    assert pool.free() == 2
    pool.start("second", "xyz")
    (after,) = heard(pool, 1)
    assert (tmp_path / "dropped").read_text() == "abc", "it was dropped before the next began"
    pids = {m[1] for _, news in (said, after) for m in getattr(news, "messages", [])}
    assert len(pids) == 1, "an idle worker is used again"


def test_tasks_that_run_ahead_say_everything(workers: Any) -> None:
    pool = workers(1, ahead=True)
    for key in (1, 2):
        pool.start(key, "abc")
        assert letters(heard(pool, 3)) == [(key, "a"), (key, "b"), (key, "c")]
        pool.end(key)


def test_a_worker_that_dies_leaves_its_place_to_another(workers: Any) -> None:
    pool = workers(1)
    pool.start("dies", "a!")
    heard(pool, 1)
    pool.go_on("dies")
    assert heard(pool, 1) == [("dies", Died("its worker process died (signal 9)"))]
    assert pool.free() == 1
    pool.start("lives", "b")
    assert letters(heard(pool, 1)) == [("lives", "b")]


def test_closing_ends_those_that_wait_to_be_told(tmp_path: Path) -> None:
    with closing(ProcessWorkers(Letters(tmp_path / "dropped"), 2)) as pool:
        pool.start("a", "abc")
        heard(pool, 1)
        assert len(multiprocessing.active_children()) == 1
    assert multiprocessing.active_children() == []
