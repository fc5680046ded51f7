"""Worker processes of this machine: neither the interpreter lock nor a crash reaches others."""

from __future__ import annotations

import ast
import contextlib
import inspect
import linecache
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from htmrun.components import registry
from htmrun.errors import StopRequestedError, UserError
from htmrun.execution.signals import PATIENCE_S, WorkerSignals, interrupts_held
from htmrun.execution.workers import Died, News, Player, Said


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def workers_for(jobs: int, workers: int | None) -> int:
    """Return how many of `jobs` jobs run at once: at most `workers`, None: one per core."""
    return max(1, min(workers or cores(), jobs))


def must_be_guarded() -> None:
    """Raise UserError where worker processes would run the script that starts them once more.

    A worker begins with the program's own file; what is not below `if __name__ == "__main__":`
    there would start workers again.
    """
    main = sys.modules["__main__"]
    frame = inspect.currentframe()
    while frame and (frame.f_globals is not main.__dict__ or frame.f_code.co_name != "<module>"):
        frame = frame.f_back
    source = "".join(linecache.getlines(getattr(main, "__file__", None) or ""))
    if frame is None or not source:  # Nothing that a worker would begin with, or it has its guard.
        return
    above = [node for node in ast.parse(source).body if node.lineno <= frame.f_lineno]
    if not any(isinstance(node, ast.If) and "__name__" in ast.dump(node.test) for node in above):
        raise UserError(
            f"workers: {main.__file__}:{frame.f_lineno} starts processes without a guard, expected "
            'it below `if __name__ == "__main__":`, or workers=1'
        )


@dataclass(eq=False)
class _Worker:
    """One process, the pipe over which tasks go to it and messages come back, its task's key."""

    process: Any
    pipe: Connection
    key: Any = None


class ProcessWorkers:
    """At most `count` processes, each with a copy of the player.

    Every worker has a pipe of its own: a queue shared by all has a lock that a dying worker may
    take with it.
    """

    def __init__(
        self, player: Player, count: int, *, ahead: bool = False, keeps: bool = False
    ) -> None:
        """`ahead`: tasks do not wait until they are told to go on, and are played to their end.

        `keeps`: tasks that are to end have something to write down, and get PATIENCE_S for it.
        """
        self._player, self._count, self._ahead, self._keeps = player, count, ahead, keeps
        self._workers: list[_Worker] = []
        # Spawned, not forked: the parent has threads (MLflow, numba), which do not survive a fork.
        self._context = multiprocessing.get_context("spawn")
        # Started by the first worker otherwise, it would undo what `interrupts_held` does.
        resource_tracker.ensure_running()

    def free(self) -> int:
        """Return how many more tasks can be started now."""
        return self._count - sum(worker.key is not None for worker in self._workers)

    def start(self, key: Any, task: Any) -> None:
        """Begin a task in a worker that is idle, or in a new one."""
        worker = next((w for w in self._workers if w.key is None), None) or self._new_worker()
        worker.key = key
        _send(worker, task)

    def go_on(self, key: Any) -> None:
        """Ask a task for more."""
        if not self._ahead:
            _send(self._of(key), True)

    def end(self, key: Any) -> None:
        """Drop a task that still runs, or let go of one that has ended."""
        worker = self._of(key)
        worker.key = None
        if not self._ahead:
            _send(worker, False)

    def wait(self, seconds: float) -> list[tuple[Any, News]]:
        """Return news of tasks by their keys, after at most so many seconds."""
        busy = [worker for worker in self._workers if worker.key is not None]
        ready = wait([worker.pipe for worker in busy], seconds)
        return [(w.key, self._receive(w)) for w in busy if w.pipe in ready]

    def close(self) -> None:
        """End all workers; one that keeps what it trains writes it down, others end at once."""
        deadline = time.monotonic() + PATIENCE_S
        for worker in self._workers:
            worker.pipe.close()
            if worker.key is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(max(0.1, deadline - time.monotonic()))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()

    def _of(self, key: Any) -> _Worker:
        return next(worker for worker in self._workers if worker.key == key)

    def _receive(self, worker: _Worker) -> News:
        try:
            return Said([worker.pipe.recv()])
        except (EOFError, OSError):
            self._workers.remove(worker)
            worker.process.join(PATIENCE_S)
            code = worker.process.exitcode
            cause = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
            return Died(f"its worker process died ({cause})")

    def _new_worker(self) -> _Worker:
        here, there = self._context.Pipe()
        process = self._context.Process(
            target=_serve,
            args=(registry.asked(), self._player, there, os.getpid(), self._ahead, self._keeps),
            daemon=True,
        )
        with interrupts_held():
            process.start()
        # Only the worker holds the other end: when it dies, the pipe says so.
        there.close()
        worker = _Worker(process, here)
        self._workers.append(worker)
        return worker


def _send(worker: _Worker, message: Any) -> None:
    # A broken pipe means it has died, which the next `wait` reports.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        worker.pipe.send(message)


def _serve(
    modules: Sequence[str], player: Player, pipe: Connection, parent: int, ahead: bool, keeps: bool
) -> None:
    """Run tasks until the pipe is closed or the parent is gone, with all kinds that it had."""
    signals = WorkerSignals(parent, keeps)
    registry.load(modules)
    with contextlib.suppress(StopRequestedError, EOFError, BrokenPipeError, ConnectionResetError):
        while not signals.stopped():
            with contextlib.closing(player.play(pipe.recv(), signals.stopped)) as said:
                for message in said:
                    signals.training = True
                    pipe.send(message)
                    if not (ahead or pipe.recv()):
                        break
            signals.training = False
