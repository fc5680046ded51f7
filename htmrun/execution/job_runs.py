"""Runs jobs side by side and merges their records into one stream.

Each job has its own models and its own counter-based random numbers, and shares only data
that nothing writes to, so what a job gives does not depend on how many run beside it. One
worker runs in this process; several are processes of their own, or actors on a cluster.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

from htmrun.errors import StopRequestedError
from htmrun.execution.processes import ProcessWorkers, workers_for
from htmrun.execution.signals import PATIENCE_S, deferred
from htmrun.execution.workers import Died, News, Raised, Workers, in_words
from htmrun.training.records import Failed, Finished, Job, Progress, Record, Started


class Maker(Protocol):
    """Makes jobs' record generators; it must survive pickling."""

    def prepare(self, arm: str | None = None) -> None:
        """Compile or load what jobs of an arm need (None: of all), before any of them is timed."""
        ...

    def work(self, job: Job) -> Callable[[Callable[[], bool]], Iterator[Record]]:
        """Return a function of `stop` that runs `job` and yields its records."""
        ...


def guarded(job: Job, records: Callable[[], Iterator[Record]]) -> Generator[Record, None, None]:
    """Yield a job's records; an exception becomes Failed."""
    try:
        yield from records()
    except StopRequestedError:
        raise
    except Exception as error:
        yield Failed(job, *in_words(error))


@dataclass
class JobPlayer:
    """Runs jobs of one maker, which is prepared for the first of each arm; see `Player`.

    prepared: it is for all of them.
    """

    maker: Maker
    prepared: bool = False
    ready: set[str] = field(default_factory=set)

    def play(self, job: Job, stop: Callable[[], bool]) -> Generator[Record, None, None]:
        """Run a job and yield its records; what goes wrong is a Failed."""

        def records() -> Iterator[Record]:
            if not self.prepared and job.arm not in self.ready:
                self.maker.prepare(job.arm)
                self.ready.add(job.arm)
            yield from self.maker.work(job)(stop)

        return guarded(job, records)


def run_jobs(
    maker: Maker, jobs: Sequence[Job], workers: int | None, keeps: bool = False
) -> Generator[Record, None, None]:
    """Run all jobs, at most `workers` at once (None: one per core), and yield their records.

    `keeps`: jobs that are to end have something to write down, and get PATIENCE_S for it.

    A job that fails, or whose worker dies, yields Failed and the others go on. When the
    consumer stops (an exception, Ctrl-C, or closing the generator), running jobs are ended;
    the consumer knows which did not finish.
    """
    count = workers_for(len(jobs), workers)
    if count > 1:
        pool = ProcessWorkers(JobPlayer(maker), count, ahead=True, keeps=keeps)
        with closing(pool):
            yield from JobRuns(pool).records(jobs)
    elif keeps:
        yield from deferred(lambda stop: _one_by_one(maker, jobs, stop), PATIENCE_S)
    else:
        yield from _one_by_one(maker, jobs, lambda: False)


def _one_by_one(
    maker: Maker, jobs: Sequence[Job], stop: Callable[[], bool]
) -> Generator[Record, None, None]:
    for job in jobs:
        yield from JobPlayer(maker, prepared=True).play(job, stop)


@dataclass
class _Heard:
    """What has been heard of a job: its attempts, and how far its records came."""

    attempts: int = 0
    started: bool = False
    sample: int = -1

    def new(self, record: Record) -> bool:
        """Say whether a record is none that an earlier attempt has brought; take it down."""
        if isinstance(record, Started):
            fresh, self.started = not self.started, True
            return fresh
        if isinstance(record, Progress):
            fresh = record.sample > self.sample
            self.sample = max(self.sample, record.sample)
            return fresh
        return True


@dataclass
class JobRuns:
    """Runs jobs on `workers`; one whose worker dies is run again, `retries` times.

    It gives the same once more, so what has been heard of it already is left out.
    """

    workers: Workers
    retries: int = 0
    notice: Callable[[str], None] = print
    _heard: dict[Job, _Heard] = field(default_factory=dict)

    def records(self, jobs: Sequence[Job]) -> Generator[Record, None, None]:
        """Run all jobs and yield their records as they come."""
        todo, running = deque(jobs), set[tuple[Job, int]]()
        while todo or running:
            while todo and self.workers.free() > 0:
                job = todo.popleft()
                heard = self._heard.setdefault(job, _Heard())
                heard.attempts += 1
                self.workers.start((job, heard.attempts), job)
                running.add((job, heard.attempts))
            for key, news in self.workers.wait(1.0):
                # What an actor was asked ahead it answers after the end, with nothing.
                if key in running and (yield from self._records_in(key, news, todo)):
                    running.discard(key)

    def _records_in(
        self, key: tuple[Job, int], news: News, todo: deque[Job]
    ) -> Generator[Record, None, bool]:
        """Yield what is new in news of a job; return whether its attempt is over."""
        job, heard = key[0], self._heard[key[0]]
        if isinstance(news, Raised):
            yield Failed(job, *in_words(news.error))
            return True
        if isinstance(news, Died):
            if heard.attempts > self.retries:
                times = f", {heard.attempts} times" if heard.attempts > 1 else ""
                yield Failed(job, news.reason + times)
            else:
                self.notice(f"{job.name} lost: {news.reason}; it is run again")
                todo.appendleft(job)
            return True
        for record in news.messages:
            if heard.new(record):
                yield record
        if any(isinstance(record, Finished | Failed) for record in news.messages):
            self.workers.end(key)
            return True
        self.workers.go_on(key)
        return False
