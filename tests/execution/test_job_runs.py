"""Jobs on a cluster whose workers die: run again, heard once, given up after so many times."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from htmrun.components.foreign import Code
from htmrun.execution.job_runs import JobRuns
from htmrun.execution.ray_actors import DIED, Packed, TaskRunner
from htmrun.execution.workers import Died, News, Raised, Said, Workers
from htmrun.training.records import Failed, Finished, Job, Progress, Record, Started

A, B = Job("online", 0), Job("online", 1)


def told(job: Job, *samples: int, rate: float = 1.0) -> list[Record]:
    return [Progress(job, sample, 0, {"accuracy": sample / 10}, rate) for sample in samples]


def whole(job: Job, rate: float = 1.0) -> list[Record]:
    end = Finished(job, {"accuracy": 1.0}, f"hash {job.name}", 1.0)
    return [Started(job, 3), *told(job, 1, 2, 3, rate=rate), end]


class Scripted:
    """Actors that say, for each attempt of a job, what a test lists; two calls ahead."""

    def __init__(self, room: int, script: dict[tuple[Job, int], Sequence[News]]) -> None:
        self.room, self.script = room, {key: list(news) for key, news in script.items()}
        self.busy: list[tuple[Job, int]] = []
        self.most = 0

    def free(self) -> int:
        return self.room - len(self.busy)

    def start(self, key: tuple[Job, int], task: Job) -> None:
        assert task == key[0]
        self.busy.append(key)
        self.most = max(self.most, len(self.busy))

    def wait(self, _seconds: float) -> list[tuple[Any, News]]:
        found: list[tuple[Any, News]] = []
        for key in list(self.busy):
            news = self.script[key].pop(0)
            found.append((key, news))
            if not isinstance(news, Said):
                self.busy.remove(key)
            elif isinstance(news.messages[-1], Finished | Failed):
                # The call that was made ahead is answered with nothing, at the same moment.
                found.append((key, Said([])))
        return found

    def go_on(self, key: tuple[Job, int]) -> None:
        assert key in self.busy

    def end(self, key: tuple[Job, int]) -> None:
        self.busy.remove(key)


@pytest.fixture
def run() -> Callable[..., tuple[list[Record], list[str], Scripted]]:
    def records(
        jobs: list[Job], room: int, retries: int, script: dict[tuple[Job, int], Sequence[News]]
    ) -> tuple[list[Record], list[str], Scripted]:
        actors, lines = Scripted(room, script), list[str]()
        found = [*JobRuns(cast(Workers, actors), retries, lines.append).records(jobs)]
        assert not actors.busy
        return found, lines, actors

    return records


def test_all_jobs_are_run_as_far_as_there_is_room(run: Callable[..., Any]) -> None:
    script = {(job, 1): [Said(whole(job)[:1]), Said(whole(job)[1:])] for job in (A, B)}
    one, lines, actors = run([A, B], 1, 2, script)
    assert one == whole(A) + whole(B)
    assert (lines, actors.most) == ([], 1)
    both, _, actors = run([A, B], 5, 2, script)
    assert sorted(map(repr, both)) == sorted(map(repr, one))
    assert actors.most == 2


def test_a_job_whose_worker_dies_is_heard_once(run: Callable[..., Any]) -> None:
    """The second attempt says the same again, at another pace; only what is new is passed on."""
    first, second = whole(A), whole(A, rate=2.0)
    script = {
        (A, 1): [Said(first[:1]), Said(first[1:3]), Died(DIED)],
        (A, 2): [Said(second[:1]), Said(second[1:2]), Said(second[2:])],
    }
    found, lines, _ = run([A], 1, 2, script)
    assert found == [*first[:3], *second[3:]]
    assert lines == ["online-s000 lost: its worker on the cluster died; it is run again"]


def test_a_job_is_given_up_after_so_many_deaths(run: Callable[..., Any]) -> None:
    script = {(A, n): [Said(whole(A)[:1]), Died(DIED)] for n in (1, 2, 3)}
    script |= {(B, 1): [Said(whole(B))]}
    found, lines, _ = run([A, B], 1, 2, script)
    failed = Failed(A, "its worker on the cluster died, 3 times")
    assert found == [Started(A, 3), failed, *whole(B)]
    assert len(lines) == 2
    found, lines, _ = run([A], 1, 0, {(A, 1): [Died(DIED)]})
    assert found == [Failed(A, DIED)]
    assert lines == []


def test_what_a_worker_raises_ends_its_job_alone(run: Callable[..., Any]) -> None:
    script = {(A, 1): [Raised(ValueError("no such thing"))], (B, 1): [Said(whole(B))]}
    (failed, *others), _, _ = run([A, B], 1, 2, script)
    assert isinstance(failed, Failed)
    assert (failed.job, failed.error) == (A, "ValueError: no such thing")
    assert others == whole(B)


class Counting:
    """A player whose tasks are numbers."""

    def play(self, task: int, _stop: Callable[[], bool]) -> Any:
        yield from range(task)


@pytest.mark.parametrize("batch_s", [0.0, 1000.0])
def test_a_runner_says_everything_in_order_and_then_nothing(batch_s: float) -> None:
    runner = TaskRunner(Packed(pickle.dumps(Counting()), Code.here()), batch_s)
    assert runner.go_on() == []
    assert runner.begin(pickle.dumps(4)) == [0], "the first comes at once"
    rest = [runner.go_on() for _ in range(4)]
    assert rest == ([[1], [2], [3], []] if batch_s == 0 else [[1, 2, 3], [], [], []])
    assert runner.begin(pickle.dumps(2)) == [0]
    runner.stop()
    assert runner.go_on() == []
    assert runner.begin(pickle.dumps(1)) == [0]
    assert runner.go_on() == []
