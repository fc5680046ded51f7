"""Runs jobs side by side and merges their records into one stream.

Each job has its own models and its own counter-based random numbers, and shares only data
that nothing writes to, so what a job gives does not depend on how many run beside it. One
worker runs in this process; several are processes of their own, so that neither the
interpreter lock nor a crash of one reaches the others.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from htmrun.records import Failed, Finished, Job, Record
from htmrun.trainer import StopRequestedError

PATIENCE_S = 10.0
"""How long stopping workers may take before they are ended."""


class Maker(Protocol):
    """Makes jobs' record generators; it must survive pickling."""

    def work(self, job: Job) -> Callable[[Callable[[], bool]], Iterator[Record]]:
        """Return a function of `stop` that runs `job` and yields its records."""
        ...


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_jobs(
    maker: Maker, jobs: Sequence[Job], workers: int | None
) -> Generator[Record, None, None]:
    """Run all jobs, at most `workers` at once (None: one per core), and yield their records.

    A job that fails, or whose worker dies, yields Failed and the others go on. When the
    consumer stops (an exception, Ctrl-C, or closing the generator), running jobs are asked to
    stop and waited for; the consumer knows which did not finish.
    """
    count = max(1, min(workers or cores(), len(jobs)))
    if count == 1:
        for job in jobs:
            yield from _guarded(maker, job, lambda: False)
    else:
        yield from _Pool(maker, jobs, count).records()


def _guarded(maker: Maker, job: Job, stop: Callable[[], bool]) -> Iterator[Record]:
    """Yield a job's records; an exception becomes Failed."""
    try:
        yield from maker.work(job)(stop)
    except (StopRequestedError, GeneratorExit):
        raise
    except Exception as error:
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        yield Failed(job, message, traceback.format_exc())


@dataclass
class _Worker:
    """One process, the pipe on which it takes jobs, and the job that it has in hand."""

    process: Any
    jobs: Any
    job: Job | None = None


@dataclass
class _Pool:
    """Several worker processes; each asks for its next job when it is done with one."""

    maker: Maker
    waiting: Sequence[Job]
    count: int
    _workers: list[_Worker] = field(default_factory=list)

    def records(self) -> Generator[Record, None, None]:
        # Spawned, not forked: the parent has threads (MLflow, numba), which do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self._records, self._stop = context.Queue(), context.Event()
        self._context, todo = context, list(self.waiting)
        try:
            for _ in range(self.count):
                self._give(self._new_worker(), todo)
            while any(w.job is not None for w in self._workers):
                yield from self._next(todo)
        finally:
            self._end()

    def _new_worker(self) -> _Worker:
        receiving, sending = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_work,
            args=(self.maker, receiving, self._records, self._stop, os.getpid()),
            daemon=True,
        )
        process.start()
        receiving.close()
        worker = _Worker(process, sending)
        self._workers.append(worker)
        return worker

    def _give(self, worker: _Worker, todo: list[Job]) -> None:
        worker.job = todo.pop(0) if todo else None
        try:
            worker.jobs.send(worker.job)
        except BrokenPipeError:
            pass  # It has died; `_bury` reports the job and replaces the worker.

    def _next(self, todo: list[Job]) -> Iterator[Record]:
        """Yield the next record, or Failed for the jobs of workers that have died."""
        try:
            record = self._records.get(timeout=0.5)
        except queue.Empty:
            yield from self._bury(todo)
            return
        worker = next((w for w in self._workers if w.job == record.job), None)
        yield record
        if worker is not None and isinstance(record, Finished | Failed):
            self._give(worker, todo)

    def _bury(self, todo: list[Job]) -> Iterator[Record]:
        for worker in [w for w in self._workers if w.process.exitcode is not None]:
            self._workers.remove(worker)
            if worker.job is None:
                continue
            code = worker.process.exitcode
            cause = f"signal {-code}" if code < 0 else f"exit status {code}"
            yield Failed(worker.job, f"its worker process died ({cause})")
            if todo:
                self._give(self._new_worker(), todo)

    def _end(self) -> None:
        self._stop.set()
        deadline = time.monotonic() + PATIENCE_S
        for worker in self._workers:
            worker.jobs.close()
        for worker in self._workers:
            worker.process.join(max(0.1, deadline - time.monotonic()))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()
        self._records.cancel_join_thread()


def _work(maker: Maker, jobs: Any, records: Any, stop: Any, parent: int) -> None:
    """Run jobs until there are none, the parent asks to stop, or the parent is gone."""
    # Ctrl-C reaches the whole terminal group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def stopped() -> bool:
        return stop.is_set() or os.getppid() != parent

    while not stopped():
        try:
            job = jobs.recv()
        except EOFError:
            break
        if job is None:
            break
        try:
            for record in _guarded(maker, job, stopped):
                records.put(record)
        except StopRequestedError:
            break
    if stop.is_set():
        records.cancel_join_thread()
