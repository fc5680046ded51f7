"""Learning curves as they come in: buffered for MLflow, and kept whole for the plots."""

from __future__ import annotations

from collections.abc import Mapping

from htmrun.tracking.operations import Point
from htmrun.tracking.settings import legal_name
from htmrun.training.measures.measure import RATE
from htmrun.training.records import Job, Progress

# metric -> arm -> seed -> [(sample, value)]
Curves = dict[str, dict[str, dict[int, list[tuple[int, float]]]]]


class CurveBook:
    """Collects progress: `take` hands out what was not yet written, `curves` keeps everything."""

    def __init__(self) -> None:
        self.curves: Curves = {}
        self._waiting: dict[Job, list[Point]] = {}
        self._rates: dict[Job, Point] = {}
        self._last_step: dict[Job, int] = {}

    def add(self, record: Progress, time: int) -> None:
        """Take in one point of the curves, `time` in milliseconds since 1970."""
        waiting = self._waiting.setdefault(record.job, [])
        self._last_step[record.job] = record.sample
        for name, value in {**record.metrics, RATE: record.rate}.items():
            point = Point(legal_name(name), float(value), time, record.sample)
            if name == RATE:  # A mean since the start: one point per batch tells it all.
                self._rates[record.job] = point
            else:
                waiting.append(point)
            arms = self.curves.setdefault(name, {})
            seeds = arms.setdefault(record.job.arm, {})
            seeds.setdefault(record.job.seed, []).append((record.sample, float(value)))

    def finals(self, job: Job, metrics: Mapping[str, float], time: int) -> list[Point]:
        """Return the job's final metrics as points: at its last step, or 0 without a curve.

        MLflow draws a metric that is at step 0 in all runs as bars, side by side.
        """
        # MLflow shows the value with the highest (step, time): a later time makes it the final one.
        latest = max([time, *(p.time + 1 for p in self._waiting.get(job, []))])
        last = self._last_step.get(job, 0)
        for name in [n for n in metrics if n in self.curves and n != RATE]:
            seeds = self.curves[name].setdefault(job.arm, {})
            seeds.setdefault(job.seed, []).append((last, float(metrics[name])))
        return [
            Point(legal_name(name), float(value), latest, last if name in self.curves else 0)
            for name, value in metrics.items()
        ]

    def take(self, job: Job) -> list[Point]:
        """Return and forget the job's points that were not yet written."""
        points = self._waiting.pop(job, [])
        return [*points, self._rates.pop(job)] if job in self._rates else points

    @property
    def waiting(self) -> list[Job]:
        """The jobs that have points to write."""
        return list(self._rates)
