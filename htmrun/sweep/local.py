"""Trials on this machine's cores: worker processes, each with the data and a pipe of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from htmrun.components.sources import Source
from htmrun.execution.signals import PATIENCE_S, WorkerSignals, interrupts_held
from htmrun.sweep.trial import Broken, Ended, Lost, Message, Report, Task, broken, messages


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    number: int | None = None


class LocalEngine:
    """At most `count` worker processes; the data are handed to each of them once."""

    def __init__(self, source: Source, count: int) -> None:
        self._source, self._count = source, count
        self._workers: list[_Worker] = []
        # Spawned, not forked: the parent has threads (MLflow, numba), which do not survive a fork.
        self._context = multiprocessing.get_context("spawn")
        resource_tracker.ensure_running()

    def free(self) -> int:
        """Return how many more trials can be started now."""
        return self._count - sum(w.number is not None for w in self._workers)

    def start(self, task: Task) -> None:
        """Begin a trial in a worker that is idle, or in a new one."""
        worker = next((w for w in self._workers if w.number is None), None) or self._new_worker()
        worker.number = task.number
        # A broken pipe means it has died, which the next `wait` reports.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            worker.pipe.send(task)

    def wait(self, seconds: float) -> list[tuple[int, Message]]:
        """Return what trials have said by their numbers, after at most so many seconds."""
        busy = [w for w in self._workers if w.number is not None]
        ready = wait([w.pipe for w in busy], seconds)
        return [self._receive(worker) for worker in busy if worker.pipe in ready]

    def answer(self, number: int, go_on: bool) -> None:
        """Let a trial go on after its report, or end it."""
        worker = next(w for w in self._workers if w.number == number)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            worker.pipe.send(go_on)
        if not go_on:
            worker.number = None

    def close(self) -> None:
        """End all workers; those that are busy at once, as their work is lost anyway."""
        deadline = time.monotonic() + PATIENCE_S
        for worker in self._workers:
            worker.pipe.close()
            if worker.number is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(max(0.1, deadline - time.monotonic()))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()

    def _receive(self, worker: _Worker) -> tuple[int, Message]:
        assert worker.number is not None
        number = worker.number
        try:
            message: Message = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(PATIENCE_S)
            self._workers.remove(worker)
            code = worker.process.exitcode
            cause = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
            return number, Lost(f"its worker process died ({cause})")
        if isinstance(message, Ended | Broken):
            worker.number = None
        return number, message

    def _new_worker(self) -> _Worker:
        here, there = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(self._source, there, os.getpid()), daemon=True
        )
        with interrupts_held():
            process.start()
        there.close()
        worker = _Worker(process, here)
        self._workers.append(worker)
        return worker


def _serve(source: Source, pipe: Connection, parent: int) -> None:
    """Run trials until the pipe is closed or the parent is gone."""
    WorkerSignals(parent, keeps=False)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while os.getppid() == parent:
            _run(pipe.recv(), source, pipe)


def _run(task: Task, source: Source, pipe: Connection) -> None:
    running = messages(task, source)
    try:
        for message in running:
            pipe.send(message)
            if isinstance(message, Report) and not pipe.recv():
                return
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        pipe.send(broken(error))
    finally:
        running.close()
