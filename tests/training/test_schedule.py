"""Schedules: windows, epoch ends, boosts; wherever the stream is cut."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from htmrun.training.schedule import Cursor, Growth, Schedule


def flags(samples: int, *at: int) -> np.ndarray:
    out = np.zeros(samples, np.uint8)
    out[list(at)] = 1
    return out


def commits(schedule: Schedule, samples: int, *ends: int) -> list[int]:
    plan, _ = schedule.plan(Cursor(), flags(samples), flags(samples, *ends))
    return np.flatnonzero(plan.commit).tolist()


def test_windows_of_fixed_size():
    assert commits(Schedule(1), 4) == [0, 1, 2, 3]
    assert commits(Schedule(3), 10) == [2, 5, 8]
    assert commits(Schedule(30), 10) == []


def test_a_partial_window_commits_at_the_end_of_an_epoch():
    assert commits(Schedule(4), 12, 5, 11) == [3, 5, 9, 11]
    assert commits(Schedule(4), 12, 3, 7, 11) == [3, 7, 11]


def test_growing_windows():
    assert [Growth(2, 1.5, 9).size(k) for k in range(6)] == [2, 3, 4, 6, 9, 9]
    assert commits(Schedule(Growth(2, 1.5, 9)), 30) == [1, 4, 8, 14, 23]
    assert Growth(1, 1.0001, 50).size(10**9) == 50


@pytest.mark.parametrize("boost_at", ["commit", "epoch", "never"])
def test_boosts_follow_their_dial(boost_at):
    plan, _ = Schedule(2, boost_at).plan(Cursor(), flags(7), flags(7, 6))
    want = {"commit": [1, 3, 5, 6], "epoch": [6], "never": []}[boost_at]
    assert np.flatnonzero(plan.boost).tolist() == want


@pytest.mark.parametrize("every", [1, 2, 5, 13, Growth(1, 1.3, 11)])
def test_cutting_the_stream_changes_nothing(every):
    rng = np.random.default_rng(3)
    ends = (rng.random(200) < 0.03).astype(np.uint8)
    whole, last = Schedule(every).plan(Cursor(), flags(200), ends)
    cuts = [0, *sorted(rng.choice(np.arange(1, 200), 12, replace=False)), 200]
    cursor, parts = Cursor(), []
    for a, b in itertools.pairwise(cuts):
        plan, cursor = Schedule(every).plan(cursor, flags(200)[a:b], ends[a:b])
        parts.append(plan.commit)
    assert np.concatenate(parts).tolist() == whole.commit.tolist()
    assert cursor == last
