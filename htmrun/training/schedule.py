"""When to commit and when to boost: the two dials of a learning regime.

A schedule is data. It turns a place in the sample stream (`Cursor`) into the flags that
all stages obey (`Plan`); the cursor is all the state that a regime has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from htmrun.backends.plan import Flags, Plan
from htmrun.components.likelihood import AnomalyParameters


@dataclass(frozen=True)
class Course:
    """How long to train, how often to look, and whether what was learned is handed over.

    forecast_bytes: what the forecasts of every row may take, to be kept; 0: none are.
    """

    epochs: int = 1
    epoch_length: int | None = None
    evaluate_every: int | None = None
    curve_points: int = 100
    measure_latency: bool = True
    noise_images: int | None = 0
    target: float | None = None
    drift_at: int | None = None
    hand_over: bool = False
    forecast_bytes: float = 0.0
    anomaly: AnomalyParameters = field(default_factory=lambda: AnomalyParameters.model_validate({}))


@dataclass(frozen=True)
class Growth:
    """Windows that grow geometrically: window k holds floor(start * factor**k), at most limit."""

    start: int
    factor: float
    limit: int

    def size(self, window: int) -> int:
        """Return how many samples window number `window` (from 0) holds."""
        # Compared in logarithms: the power overflows long after the limit is reached.
        if window * math.log(self.factor) >= math.log(self.limit / self.start):
            return self.limit
        return int(self.start * self.factor**window)


@dataclass(frozen=True)
class Cursor:
    """A place in the stream: samples in the open window, windows committed so far."""

    pending: int = 0
    windows: int = 0


@dataclass(frozen=True)
class Schedule:
    """One regime: how many samples a window holds, and when boost factors are recomputed."""

    learn_every: int | Growth = 1
    boost_at: Literal["commit", "epoch", "never"] = "commit"

    def window(self, number: int) -> int:
        """Return the size of window `number`, counted from 0."""
        every = self.learn_every
        return every.size(number) if isinstance(every, Growth) else every

    @property
    def largest(self) -> int:
        """The largest window that can occur."""
        return self.learn_every.limit if isinstance(self.learn_every, Growth) else self.learn_every

    def plan(self, cursor: Cursor, reset: Flags, epoch_end: Flags) -> tuple[Plan, Cursor]:
        """Return the flags of the next samples, and the cursor after them.

        `reset` and `epoch_end` are uint8 (T,); where `epoch_end` is set a partial window
        commits with its own count, and `boost_at: epoch` boosts.
        """
        samples = len(reset)
        commit = np.zeros(samples, np.uint8)
        if self.learn_every == 1:
            commit[:] = 1
            cursor = Cursor(0, cursor.windows + samples)
        else:
            cursor = self._close_windows(cursor, commit, np.flatnonzero(epoch_end))
        if self.boost_at == "never":
            return Plan(reset, commit, np.zeros_like(commit)), cursor
        return Plan(reset, commit, commit if self.boost_at == "commit" else epoch_end), cursor

    def _close_windows(
        self, cursor: Cursor, commit: Flags, epoch_ends: npt.NDArray[np.int64]
    ) -> Cursor:
        """Set `commit` where a window fills up or an epoch ends; return the cursor after it."""
        start, ends = 0, iter([*epoch_ends.tolist(), len(commit)])
        end = next(ends)
        while start < len(commit):
            full = start + self.window(cursor.windows) - cursor.pending
            stop = min(full, end + 1)
            if stop > len(commit):
                return replace(cursor, pending=cursor.pending + len(commit) - start)
            commit[stop - 1] = 1
            cursor = Cursor(0, cursor.windows + 1)
            if stop == end + 1:
                end = next(ends)
            start = stop
        return cursor


def points(samples: int, most: int, every: int | None = None) -> list[int]:
    """Return 0 and the samples after which a curve has its points, evenly spread.

    every: samples of a pass, at whose end there is a point too.
    """
    places = np.linspace(0, samples, min(most, samples) + 1)
    ends = range(every, samples, every) if every else ()
    return sorted({int(p) for p in places} | {*ends})
