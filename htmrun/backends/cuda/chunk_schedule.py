"""When each model of a group commits and boosts inside a chunk, on the device and on the host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends.cuda.device import Device
from htmrun.backends.plan import Plan


@dataclass(frozen=True)
class Schedule:
    """What each model does after each of T samples of a chunk.

    On the device, (T, models): window, uint32, samples to commit; boost, uint8;
    learner_count and most, uint32, one slot a sample, zero. On the host, bool (T,): whether
    any model commits or boosts; most_window, the largest window after each sample;
    left, the samples of each model's open window at the end. `lead` rows precede the chunk.
    """

    window: Any
    boost: Any
    learner_count: Any
    most: Any
    commits: npt.NDArray[np.bool_]
    boosts: npt.NDArray[np.bool_]
    most_window: npt.NDArray[np.uint32]
    left: list[int]
    lead: int

    @staticmethod
    def upload(
        device: Device, plans: Sequence[Plan], waiting: Sequence[int], lead: int
    ) -> Schedule:
        """Turn the plans of all models, `waiting` samples already pending in each, into flags."""
        length = len(plans[0])
        window = np.zeros((length, len(plans)), np.uint32)
        left = []
        for m, (plan, pending) in enumerate(zip(plans, waiting, strict=True)):
            ends = np.flatnonzero(plan.commit)
            begins = np.concatenate([[-1 - pending], ends])
            window[ends, m] = np.diff(begins)
            left.append(int(length - 1 - begins[-1]))
        boost = np.stack([p.boost != 0 for p in plans], axis=1)
        xp = device.xp
        return Schedule(
            window=xp.asarray(window),
            boost=xp.asarray(boost.astype(np.uint8)),
            learner_count=xp.zeros(window.shape, np.uint32),
            most=xp.zeros(window.shape, np.uint32),
            commits=np.asarray((window > 0).any(axis=1)),
            boosts=np.asarray(boost.any(axis=1)),
            most_window=window.max(1),
            left=left,
            lead=lead,
        )

    def segments(self, longest: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of samples, ending after each commit or boost, at most `longest` long."""
        start = 0
        for t, ends in enumerate(self.commits | self.boosts):
            if ends or t + 1 - start == longest or t + 1 == len(self.commits):
                yield start, t + 1
                start = t + 1
