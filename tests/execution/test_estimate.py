"""What is told before a run without making anything as long as the data."""

from __future__ import annotations

import random

import numpy as np
import pytest

from htmrun.execution.estimate import commits_in, commits_of
from htmrun.training.schedule import Cursor, Growth, Schedule


@pytest.mark.parametrize("every", [1, 2, 7, 100, Growth(1, 2.0, 50), Growth(3, 1.1, 9)])
def test_commits_are_those_of_the_plan(every: int | Growth) -> None:
    chosen = random.Random(5)
    for _ in range(60):
        samples, passes = chosen.randint(1, 120), chosen.randint(1, 4)
        epoch = chosen.choice([None, chosen.randint(1, 130)])
        none, ends = np.zeros(samples, np.uint8), np.zeros(samples, np.uint8)
        ends[-1] = 1
        if epoch is not None:
            ends[epoch - 1 :: epoch] = 1
        schedule, cursor, expected = Schedule(every), Cursor(), 0
        for _ in range(passes):
            plan, cursor = schedule.plan(cursor, none, ends)
            expected += int(plan.commit.sum())
        found = commits_of(schedule, passes, samples, epoch)
        assert found == expected, (samples, passes, epoch)


@pytest.mark.parametrize("every", [1, 7, 100, Growth(1, 1.3, 50)])
def test_commits_of_tasks_are_those_of_the_plan(every: int | Growth) -> None:
    chosen = random.Random(6)
    for _ in range(30):
        ends = np.cumsum([chosen.randint(1, 90) for _ in range(chosen.randint(1, 6))])
        none, flags = np.zeros(ends[-1], np.uint8), np.zeros(ends[-1], np.uint8)
        flags[ends - 1] = 1
        plan, _ = Schedule(every).plan(Cursor(), none, flags)
        assert commits_in(Schedule(every), ends.tolist()) == plan.commit.sum()


def test_a_stream_of_any_length_is_planned_at_once() -> None:
    growing = 6 + 2 * (1 << 26)  # Of 1, 2, ... 32 first, 63 samples; then of 64.
    for every, commits in ((1, 1 << 33), (10, 2 * 429_496_730), (Growth(1, 2.0, 64), growing)):
        assert commits_of(Schedule(every), 2, 1 << 32) == commits
