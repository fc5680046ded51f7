"""What the machine does while jobs run: MLflow's system metrics, as points of the curves.

MLflow's own monitor takes a thread for each run and writes past the outbox. Here one reading serves
all open jobs, and goes the way of every other point.
"""

from __future__ import annotations

import time
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

import psutil

from htmrun._imports import mlflow
from htmrun.tracking.operations import Point
from htmrun.training.records import Job

_EVERY_S = 2.0
_PREFIX = "system/"


class MachineMonitor:
    """Reads processor, memory and GPU as MLflow's collectors do, at most every two seconds."""

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


class _Machine:
    """Processor and memory: MLflow's `CPUMonitor`, without the seconds that its import takes."""

    def __init__(self) -> None:
        psutil.cpu_percent()  # It measures from one call to the next: the first says nothing.
        self._read: dict[str, float] = {}

    def collect_metrics(self) -> None:
        """Read both."""
        memory = psutil.virtual_memory()
        self._read = {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / 1e6,
            "system_memory_usage_percentage": memory.used / memory.total * 100,
        }

    def aggregate_metrics(self) -> dict[str, float]:
        """Return what was read."""
        return {name: round(value, 1) for name, value in self._read.items()}

    def clear_metrics(self) -> None:
        """Forget it."""
        self._read = {}


def _monitors() -> list[Any]:
    found: list[Any] = [_Machine()]
    # Without NVIDIA's library, or without a card, there is nothing to read, and nothing is made up.
    if find_spec("pynvml") is not None:
        with suppress(ImportError, RuntimeError):
            found.append(mlflow.system_metrics.metrics.gpu_monitor.GPUMonitor())
    return found
