"""Runs jobs side by side and merges their records into one stream.

Each job has its own models and its own counter-based random numbers, and shares only data
that nothing writes to, so what a job gives does not depend on how many run beside it. The
compiled kernels release the interpreter lock: threads use all cores.
"""

from __future__ import annotations

import os
import queue
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence

from htmrun.records import Failed, Job, Record
from htmrun.trainer import StopRequestedError

Work = Callable[[Callable[[], bool]], Iterator[Record]]
"""A job's generator of records; its argument tells whether to stop."""


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_jobs(
    jobs: Sequence[tuple[Job, Work]], workers: int | None
) -> Generator[Record, None, None]:
    """Run all jobs, at most `workers` at once (None: one per core), and yield their records.

    A job that fails yields Failed and the others go on. When the consumer stops (an
    exception, Ctrl-C, or closing the generator), running jobs are asked to stop, waited for,
    and reported by nobody: the consumer knows which did not finish.
    """
    waiting: queue.SimpleQueue[tuple[Job, Work]] = queue.SimpleQueue()
    for item in jobs:
        waiting.put(item)
    records: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
    stop = threading.Event()
    count = max(1, min(workers or cores(), len(jobs)))
    threads = [
        threading.Thread(target=_worker, args=(waiting, records, stop), daemon=True)
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        running = count
        while running:
            record = records.get()
            if record is None:
                running -= 1
            else:
                yield record
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _worker(
    waiting: queue.SimpleQueue[tuple[Job, Work]],
    records: queue.SimpleQueue[Record | None],
    stop: threading.Event,
) -> None:
    while not stop.is_set():
        try:
            job, work = waiting.get_nowait()
        except queue.Empty:
            break
        try:
            for record in work(stop.is_set):
                records.put(record)
        except StopRequestedError:
            break
        except Exception as error:
            message = f"{type(error).__name__}: {error}".splitlines()[0]
            records.put(Failed(job, message, traceback.format_exc()))
    records.put(None)
