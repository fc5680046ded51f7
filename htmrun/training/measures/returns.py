"""What an agent earned: the return of each episode, and when it had learned its task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from htmrun.components.registry import register
from htmrun.training.measures.measure import Measure, Metric, Metrics, Saved

LAST = 100
"""Episodes over which a mean return is judged, as usual for CartPole."""

METRICS = (
    Metric("return", "task", "up", "mean return (sum of an episode's rewards) of the last 100 "
           "whole episodes", curve=True, main=("control",)),
    Metric("return_all", "task", "up", "mean return of all whole episodes, those of learning "
           "included", main=("control",)),
    Metric("samples_to_solve", "learning", "down", "actions until the mean return of 100 episodes "
           "first reached data.solved; left out if never", "samples", main=("control",)),
    Metric("episodes_to_solve", "learning", "down", "episodes until the mean return of 100 "
           "episodes first reached data.solved; left out if never", "episodes"),
    Metric("episodes", "cost", "none", "whole episodes in the run", "episodes"),
)  # fmt: skip


@register("measure")
class Returns(Measure):
    """Its rows alone: an agent's loop counts its own episodes."""

    metrics: ClassVar = METRICS


@dataclass
class Episodes:
    """What is kept of the episodes: all returns and ends, and what the best and the worst saw.

    ends: actions of the run when each was over. best, worst: observations (steps + 1, names); of
    equal ones the first.
    """

    returns: list[float] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    best: np.ndarray | None = None
    worst: np.ndarray | None = None

    def add(self, total: float, end: int, seen: np.ndarray, actions: np.ndarray) -> None:
        """Take in a whole episode."""
        if self.best is None or total > max(self.returns):
            self.best = seen
        if self.worst is None or total < min(self.returns):
            self.worst = seen
        self.returns.append(total)
        self.ends.append(end)

    def ended_by(self, sample: int) -> int:
        """Return how many episodes were over after so many actions."""
        return int(np.searchsorted(self.ends, sample, "right"))

    def series(self) -> dict[str, np.ndarray]:
        """Return the arrays that are recorded."""
        found: dict[str, np.ndarray] = {
            "episode/return": np.array(self.returns, np.float32),
            "episode/end": np.array(self.ends, np.int64),
        }
        for name, seen in (("best", self.best), ("worst", self.worst)):
            if seen is not None:
                found[f"episode/{name}"] = seen
        return found

    def state(self) -> Saved:
        """Return everything, for a checkpoint."""
        return {
            "returns": np.array(self.returns), "ends": np.array(self.ends, np.int64),
            "best": self.best, "worst": self.worst,
        }  # fmt: skip

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.returns, self.ends = saved["returns"].tolist(), saved["ends"].tolist()
        self.best, self.worst = saved["best"], saved["worst"]


def returns_of(episodes: Episodes, solved: float | None) -> tuple[Metrics, tuple[str, ...]]:
    """Return the figures of a run's episodes, and what to know beside them."""
    returns = np.array(episodes.returns)
    count = len(returns)
    if not count:
        return {"episodes": 0.0}, ("no episode came to its end: data.steps is too few",)
    found = {
        "return": float(returns[-LAST:].mean()), "return_all": float(returns.mean()),
        "episodes": float(count),
    }  # fmt: skip
    notes = (f"return is over {count} episodes, fewer than {LAST}",) if count < LAST else ()
    if solved is not None and count >= LAST:
        sums = np.cumsum(np.concatenate([[0.0], returns]))
        reached = np.flatnonzero((sums[LAST:] - sums[:-LAST]) / LAST >= solved)
        if len(reached):
            place = int(reached[0]) + LAST
            found |= {
                "episodes_to_solve": float(place),
                "samples_to_solve": float(episodes.ends[place - 1]),
            }
    return found, notes
