"""Records of a run that never was, for everything that reads the record stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from htmrun.tracking import Tracker
from htmrun.training.records import Finished, Job, Progress, Record, Started

ARMS = ("online", "minibatch", "epoch_boost")
RUN = "20261122-041530-digits-3f2a"
POINTS, STEP = 10, 50


def level(job: Job) -> float:
    """Return the accuracy that `job` ends with: different for every arm and seed."""
    base = {"online": 0.95, "minibatch": 0.93, "epoch_boost": 0.90}.get(job.arm, 0.80)
    return base + 0.001 * job.seed + 0.0003 * ((job.seed * 7 + len(job.arm)) % 5)


def records(
    arms: Sequence[str] = ARMS, seeds: int = 1, controls: Sequence[str] = ("no_sp",)
) -> Iterator[Record]:
    """Yield a whole run: every arm's and control's jobs one after the other."""
    jobs = [Job(arm, seed) for arm in arms for seed in range(seeds)]
    jobs += [Job(arm, seed, True) for arm in controls for seed in range(seeds)]
    for job in jobs:
        yield from one_job(job)


def one_job(job: Job) -> Iterator[Record]:
    """Yield one job's records: ten points, accuracy at every second one."""
    yield Started(job, POINTS * STEP)
    for i in range(1, POINTS + 1):
        accuracy = level(job) * i / POINTS
        metrics = {"train/accuracy": accuracy - 0.05}
        if i % 2 == 0:
            metrics["accuracy"] = accuracy
        yield Progress(job, i * STEP, 0, metrics, 1000.0 + i)
    final = {"accuracy": level(job), "samples_per_s": 1000.0 + job.seed}
    series = {"correct": np.arange(POINTS * STEP) % 2 == 0}
    yield Finished(job, final, f"{job.arm}-{job.seed}", 0.5, series)


def tracker(directory: Path, run: str = RUN, **changes: Any) -> Tracker:
    """Return a tracker on SQLite in `directory` that collects its notices in `.notices`."""
    notices: list[str] = []
    settings: dict[str, Any] = {
        "uri": None,
        "directory": directory,
        "experiment": "digits",
        "run_id": run,
        "parameters": {"data": {"kind": "digits"}, "seeds": (0, 1)},
        "tags": {"htmrun.device": "cpu", "htmrun.data": "digits", "htmrun.data_hash": "abc"},
        "job_parameters": lambda job: {"arm": job.arm, "sp": {"columns": 2048, "shape": None}},
        "notice": notices.append,
    }
    made = Tracker(**{**settings, **changes})
    made.notices = notices  # type: ignore[attr-defined]
    return made
