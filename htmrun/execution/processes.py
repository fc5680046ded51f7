"""Runs jobs side by side and merges their records into one stream.

Each job has its own models and its own counter-based random numbers, and shares only data
that nothing writes to, so what a job gives does not depend on how many run beside it. One
worker runs in this process; several are processes of their own, so that neither the
interpreter lock nor a crash of one reaches the others.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from htmrun.errors import StopRequestedError, UserError
from htmrun.execution.lockstep import Meeting, Work
from htmrun.execution.signals import PATIENCE_S, WorkerSignals, deferred, interrupts_held
from htmrun.training.records import Failed, Finished, Job, Record


class Maker(Protocol):
    """Makes jobs' record generators; it must survive pickling."""

    def prepare(self) -> None:
        """Compile or load what jobs need, before any of them is timed."""
        ...

    def work(self, job: Job) -> Callable[[Callable[[], bool]], Iterator[Record]]:
        """Return a function of `stop` that runs `job` and yields its records."""
        ...


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def workers_for(jobs: int, workers: int | None) -> int:
    """Return how many of `jobs` jobs run at once: at most `workers`, None: one per core."""
    return max(1, min(workers or cores(), jobs))


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
        yield from _Pool(maker, jobs, count, keeps).records()
    elif keeps:
        yield from deferred(lambda stop: _one_by_one(maker, jobs, stop), PATIENCE_S)
    else:
        yield from _one_by_one(maker, jobs, lambda: False)


def _one_by_one(
    maker: Maker, jobs: Sequence[Job], stop: Callable[[], bool]
) -> Generator[Record, None, None]:
    for job in jobs:
        yield from _guarded(maker, job, stop)


def run_in_step(works: Mapping[Job, Work], meeting: Meeting) -> Generator[Record, None, None]:
    """Run jobs side by side in this process; their models share launches through `meeting`.

    A job that fails yields Failed and the others go on.
    """

    def guarded(job: Job, work: Work) -> Iterator[Record]:
        try:
            yield from work(meeting.stopped)
        except (StopRequestedError, GeneratorExit):
            raise
        except Exception as error:
            yield failure(job, error)

    yield from meeting.records(works, guarded)


def _guarded(maker: Maker, job: Job, stop: Callable[[], bool]) -> Iterator[Record]:
    """Yield a job's records; an exception becomes Failed."""
    try:
        yield from maker.work(job)(stop)
    except (StopRequestedError, GeneratorExit):
        raise
    except Exception as error:
        yield failure(job, error)


def failure(job: Job, error: Exception) -> Failed:
    """Return Failed for what was raised; what the user can mend is said in its own words."""
    text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    return Failed(job, (text.splitlines() or [""])[0], traceback.format_exc())


@dataclass
class _Worker:
    """One process, the pipe over which jobs go to it and records come back, its job."""

    process: Any
    pipe: Connection
    job: Job | None = None


@dataclass
class _Pool:
    """Several worker processes; each gets its next job when it is done with one.

    Every worker has a pipe of its own: a queue shared by all has a lock that a dying worker
    may take with it.
    """

    maker: Maker
    waiting: Sequence[Job]
    count: int
    keeps: bool = False
    _workers: list[_Worker] = field(default_factory=list)

    def records(self) -> Generator[Record, None, None]:
        # Spawned, not forked: the parent has threads (MLflow, numba), which do not survive a fork.
        self._context = multiprocessing.get_context("spawn")
        self._todo = list(self.waiting)
        # Started by the first worker otherwise, it would undo what `interrupts_held` does.
        resource_tracker.ensure_running()
        try:
            for _ in range(self.count):
                self._give(self._new_worker())
            while busy := [w for w in self._workers if w.job is not None]:
                ready = wait([w.pipe for w in busy])
                for worker in [w for w in busy if w.pipe in ready]:
                    yield self._receive(worker)
        finally:
            self._end()

    def _receive(self, worker: _Worker) -> Record:
        """Return the worker's next record, or Failed for its job if it has died."""
        assert worker.job is not None
        try:
            record: Record = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(PATIENCE_S)
            code, job = worker.process.exitcode, worker.job
            worker.job = None
            if self._todo:
                self._give(self._new_worker())
            cause = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
            return Failed(job, f"its worker process died ({cause})")
        if isinstance(record, Finished | Failed):
            self._give(worker)
        return record

    def _new_worker(self) -> _Worker:
        here, there = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(self.maker, there, os.getpid(), self.keeps), daemon=True
        )
        with interrupts_held():
            process.start()
        # Only the worker holds the other end: when it dies, the pipe says so.
        there.close()
        worker = _Worker(process, here)
        self._workers.append(worker)
        return worker

    def _give(self, worker: _Worker) -> None:
        """Hand over the next job, or None: there is none left."""
        worker.job = self._todo.pop(0) if self._todo else None
        # A broken pipe means it has died, which the next `_receive` reports.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            worker.pipe.send(worker.job)

    def _end(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        for worker in self._workers:
            worker.pipe.close()
            # One that trains writes down what it has, if it keeps anything; others end on the spot.
            if worker.job is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(max(0.1, deadline - time.monotonic()))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()


def _work(maker: Maker, pipe: Connection, parent: int, keeps: bool) -> None:
    """Run jobs until there are none or the parent is gone."""
    signals = WorkerSignals(parent, keeps)
    prepared = False
    with contextlib.suppress(StopRequestedError, EOFError, BrokenPipeError, ConnectionResetError):
        while (job := pipe.recv()) is not None:
            try:
                if not prepared:
                    maker.prepare()
                    prepared = True
            except Exception as error:
                pipe.send(failure(job, error))
                continue
            for record in _guarded(maker, job, signals.stopped):
                signals.training = not isinstance(record, Finished | Failed)
                pipe.send(record)
