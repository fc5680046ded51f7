"""What a running experiment says: records, which know neither terminal nor MLflow."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, order=True)
class Job:
    """One arm with one seed; `control` marks baselines that give the figures meaning."""

    arm: str
    seed: int
    control: bool = False

    @property
    def name(self) -> str:
        """The run's name: sorts by arm, then seed."""
        return f"{self.arm}-s{self.seed:03d}"


@dataclass(frozen=True)
class Started:
    """A job begins; `samples` is how many training samples it will see in all (0: unknown).

    `earlier` of them it has seen before it was cut short; the records of these come once more.
    """

    job: Job
    samples: int
    earlier: int = 0


@dataclass(frozen=True)
class Progress:
    """A point of the learning curves, after `sample` training samples in all.

    `metrics` are aggregates since the previous point (e.g. "recent/accuracy") or the result
    of an evaluation (e.g. "accuracy"). `rate` is training samples per second since the start.
    """

    job: Job
    sample: int
    epoch: int
    metrics: dict[str, float]
    rate: float


@dataclass(frozen=True)
class Finished:
    """A job ended well. `metrics` are final; `series` holds full-resolution arrays by name.

    `state`: what was learned, where jobs are asked to hand it over; else empty; `after`: what else
    one needs who goes on from there, by what keeps it. `notes`: what to know beside the figures, a
    line each. `forecasts`: what was said of each row of a series, by column (see
    `measures.forecasts`); empty where it is not kept.
    """

    job: Job
    metrics: dict[str, float]
    state_hash: str
    seconds: float
    series: dict[str, np.ndarray] = field(default_factory=dict)
    state: dict[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    after: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    forecasts: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Failed:
    """A job ended badly: `error` is one line, `trace` the traceback; `interrupted` by the user."""

    job: Job
    error: str
    trace: str = ""
    interrupted: bool = False


Record = Started | Progress | Finished | Failed
