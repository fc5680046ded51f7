"""Jobs side by side: the same records whatever the number of workers; failures stay single."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from htmrun.execution.job_runs import run_jobs
from htmrun.training.records import Failed, Finished, Job, Progress, Record, Started


@dataclass(frozen=True)
class Counting:
    """Yields a few records; arms named "breaks" and "dies" do that."""

    def prepare(self, arm: str | None = None) -> None:
        pass

    def work(self, job: Job) -> Callable[[Callable[[], bool]], Iterator[Record]]:
        def records(stop: Callable[[], bool]) -> Iterator[Record]:
            yield Started(job, 3)
            if job.arm == "breaks":
                raise RuntimeError("broken on purpose\nsecond line")
            if job.arm == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            for sample in range(1, 4):
                yield Progress(job, sample, 0, {"x": float(sample * job.seed)}, 1.0)
            yield Finished(job, {"x": float(job.seed)}, f"hash{job.seed}", 0.0)

        return records


def jobs(*arms: str, seeds: int = 2) -> list[Job]:
    return [Job(arm, seed) for seed in range(seeds) for arm in arms]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_records_do_not_depend_on_the_number_of_workers(workers):
    todo = jobs("a", "b")
    got: dict[Job, list[Record]] = {job: [] for job in todo}
    for record in run_jobs(Counting(), todo, workers):
        got[record.job].append(record)
    alone = {job: list(Counting().work(job)(lambda: False)) for job in todo}
    assert got.keys() == alone.keys()
    for job in todo:
        assert [(type(r), getattr(r, "metrics", None)) for r in got[job]] == [
            (type(r), getattr(r, "metrics", None)) for r in alone[job]
        ]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_that_fails_says_why_and_the_others_go_on(workers):
    records = list(run_jobs(Counting(), jobs("a", "breaks", "b"), workers))
    failed = [r for r in records if isinstance(r, Failed)]
    assert {r.error for r in failed} == {"RuntimeError: broken on purpose"}
    assert len(failed) == 2
    assert "Traceback" in failed[0].trace
    assert sum(isinstance(r, Finished) for r in records) == 4


def test_a_worker_that_dies_costs_one_job():
    todo = [*jobs("a", seeds=3), Job("dies", 0), *jobs("b", seeds=3)]
    records = list(run_jobs(Counting(), todo, 2))
    failed = [r for r in records if isinstance(r, Failed)]
    assert [(r.job.arm, r.error) for r in failed] == [
        ("dies", "its worker process died (signal 9)")
    ]
    assert len({r.job for r in records if isinstance(r, Finished)}) == 6


def test_closing_the_stream_ends_the_workers():
    stream = run_jobs(Counting(), jobs("a", "b", seeds=50), 2)
    next(stream)
    import multiprocessing

    children = multiprocessing.active_children()
    assert len(children) == 2
    stream.close()
    assert not any(child.is_alive() for child in children)
