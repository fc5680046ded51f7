"""How far each arm is, over all its seeds: arithmetic only, no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from htmrun.training.records import Failed, Finished, Job, Progress, Record, Started


@dataclass
class ArmProgress:
    """State of one arm; samples are training samples, rates are samples per second."""

    arm: str
    control: bool
    jobs: int
    samples: dict[Job, int] = field(default_factory=dict)
    done: dict[Job, int] = field(default_factory=dict)
    rates: dict[Job, float] = field(default_factory=dict)
    ended: set[Job] = field(default_factory=set)
    failed: set[Job] = field(default_factory=set)
    metrics: dict[str, float] = field(default_factory=dict)
    started: float | None = None

    @property
    def total(self) -> int:
        """Samples of all seeds; 0 if unknown. Seeds that wait count as much as those known."""
        known = [n for n in self.samples.values() if n > 0]
        return round(sum(known) / len(known) * self.jobs) if known else 0

    @property
    def completed(self) -> int:
        """Samples seen so far by all seeds; a job that ended counts in full."""
        return sum(
            self.samples[job] if job in self.ended and self.samples.get(job) else count
            for job, count in self.done.items()
        )

    @property
    def rate(self) -> float:
        """Samples per second of the seeds that run now, together; of the last when none runs."""
        running = [rate for job, rate in self.rates.items() if job not in self.ended]
        return sum(running) if running else next(reversed(self.rates.values()), 0.0)

    def eta(self, now: float) -> float | None:
        """Seconds left at the pace since this arm began, None while unknown."""
        if self.started is None or not self.completed or not self.total:
            return None
        pace = self.completed / max(now - self.started, 1e-9)
        return max(self.total - self.completed, 0) / pace


class Overview:
    """Every arm's progress, brought up to date by records."""

    def __init__(self, jobs: Iterable[Job], clock: Callable[[], float] = time.monotonic) -> None:
        """`jobs` are all jobs of the run, so that seeds which wait are counted."""
        self.clock = clock
        self.arms: dict[str, ArmProgress] = {}
        for job in jobs:
            self._arm(job).jobs += 1
        self._known = bool(self.arms)

    def _arm(self, job: Job) -> ArmProgress:
        return self.arms.setdefault(job.arm, ArmProgress(job.arm, job.control, 0))

    def update(self, record: Record) -> ArmProgress:
        """Take in `record` and return its arm's progress."""
        job = record.job
        arm = self._arm(job)
        if job not in arm.done:
            arm.done[job] = 0
            arm.jobs = max(arm.jobs, len(arm.done))
            if arm.started is None:
                arm.started = self.clock()
        match record:
            case Started():
                arm.samples[job] = record.samples
            case Progress():
                arm.done[job] = record.sample
                arm.rates[job] = record.rate
                arm.metrics |= record.metrics
            case Finished():
                arm.ended.add(job)
                arm.metrics |= record.metrics
            case Failed():
                arm.ended.add(job)
                arm.failed.add(job)
        return arm
