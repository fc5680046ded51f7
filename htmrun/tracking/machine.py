"""What the machine does while jobs run: MLflow's system metrics, as points of the curves.

MLflow's own monitor takes a thread for each run and writes past the outbox. Here one reading serves
all open jobs, and goes the way of every other point.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from htmrun._imports import mlflow
from htmrun.tracking.operations import Point
from htmrun.training.records import Job

_EVERY_S = 2.0
_PREFIX = "system/"


class MachineMonitor:
    """Reads processor, memory and GPU with MLflow's collectors, at most every two seconds."""

    def __init__(self) -> None:
        self._monitors: list[Any] | None = None
        self._next = 0.0
        self._last: dict[str, float] = {}
        self._given: dict[Job, tuple[int, int]] = {}
        self._readings = 0
        self.seconds = 0.0

    def points(self, job: Job, time_ms: int, *, last: bool = False) -> list[Point]:
        """Return points of the latest reading if the job does not have them yet.

        At its `last` only a job without any gets them: what lasts less than two seconds has one
        reading. A step is one reading, as in MLflow's own monitor.
        """
        self.read()
        known = self._given.get(job, (-1, 0))
        if not self._last or self._readings == known[1] or (last and known[1]):
            return []
        step = known[0] + 1
        self._given[job] = (step, self._readings)
        return [Point(name, value, time_ms, step) for name, value in self._last.items()]

    def read(self) -> dict[str, float]:
        """Return the readings by MLflow's names; those of before while they are fresh."""
        now = time.monotonic()
        if now < self._next:
            return self._last
        begun = time.perf_counter()
        if self._monitors is None:
            self._monitors = _monitors()
        found: dict[str, float] = {}
        for monitor in self._monitors:
            monitor.collect_metrics()
            found |= {f"{_PREFIX}{n}": float(v) for n, v in monitor.aggregate_metrics().items()}
            monitor.clear_metrics()
        self._next = now + _EVERY_S
        self._last = found
        self._readings += 1
        self.seconds += time.perf_counter() - begun
        return found


def _monitors() -> list[Any]:
    found: list[Any] = [mlflow.system_metrics.metrics.cpu_monitor.CPUMonitor()]
    found[0].collect_metrics()  # psutil measures from one call to the next: the first says nothing.
    found[0].clear_metrics()
    # Without NVIDIA's library, or without a card, there is nothing to read, and nothing is made up.
    with suppress(ImportError, RuntimeError):
        found.append(mlflow.system_metrics.metrics.gpu_monitor.GPUMonitor())
    return found
