"""Environments: gymnasium's own pole, slot machines and a grid, from the same beginnings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from htmrun.components.registry import kinds

BY_NAME = ("bandit", "cartpole", "grid_world")


def made(kind: str, **settings: Any) -> Any:
    found = kinds("source")[kind]
    return found.component(found.parameters.model_validate(settings), Path())


def test_the_pole_is_that_of_gymnasium() -> None:
    source, theirs = made("cartpole"), gymnasium.make("CartPole-v1")
    world = source.make(3)
    mine, there = world.reset(seed=11)[0], theirs.reset(seed=11)[0]
    for turn in range(300):
        assert (mine == there).all()
        action = turn % 2
        mine, *ours, _ = world.step(action)
        there, *others, _ = theirs.step(action)
        assert ours == others
        if ours[1] or ours[2]:
            mine, there = world.reset(seed=turn)[0], theirs.reset(seed=turn)[0]


@pytest.mark.parametrize("kind", BY_NAME)
def test_what_happens_follows_from_seed_episode_and_actions(kind: str) -> None:
    source = made(kind, episode_steps=9)
    runs = [[_episode(source, seed, number) for number in (0, 1)] for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert runs[0][0] != runs[0][1]
    other = made(kind, episode_steps=9, held_out="validation")
    assert _episode(other, 1, 0) != runs[0][0]
    assert other.fingerprint != source.fingerprint


def _episode(source: Any, seed: int, number: int) -> list[Any]:
    world = source.make(source.world_seed(seed))
    found = [world.reset(seed=source.beginning(seed, number))[0].tolist()]
    for turn in range(9):
        seen, reward, over, cut, _ = world.step(turn % source.classes)
        found.append([seen.tolist(), float(reward), over, cut])
        if over or cut:
            assert cut is not over
            break
    return found


@pytest.mark.parametrize("kind", BY_NAME)
def test_what_is_seen_lies_in_the_ranges_and_can_be_drawn(kind: str) -> None:
    source = made(kind)
    world = source.make(1)
    seen = np.asarray(world.reset(seed=4)[0], float)
    assert seen.shape == source.shapes["observation"] == (len(source.names),)
    for value, name in zip(seen, source.names, strict=True):
        low, high = source.ranges[name]
        assert low <= value <= high
    frame = source.frame(seen)
    assert frame.shape == (80, 120, 3)
    assert frame.dtype == np.uint8
    assert (frame != source.frame(np.asarray(world.step(0)[0], float))).any()
    assert source.wanted(seen).shape == (len(source.goals),)


def test_the_best_lever_pays_as_often_as_it_says() -> None:
    source = made("bandit", best=0.8, others=0.1, contexts=3, episode_steps=4000)
    world = source.make(2)
    seen, paid = world.reset(seed=1)[0], {True: [], False: []}
    for turn in range(4000):
        action = int(world.best[int(seen[0])]) if turn % 2 else 3 - int(world.best[int(seen[0])])
        best = action == world.best[int(seen[0])]
        seen, reward, *_ = world.step(action)
        paid[bool(best)].append(reward)
        assert seen[1] == reward
    assert np.mean(paid[True]) == pytest.approx(0.8, abs=0.03)
    assert np.mean(paid[False]) == pytest.approx(0.1, abs=0.03)


def test_a_straight_walk_through_the_grid_earns_what_it_should() -> None:
    world = made("grid_world", goal=[4, 4], walls=[[1, 0]], cost=0.02).make(1)
    seen = world.reset(seed=2)[0]
    total, steps = 0.0, int(8 - seen[0] - seen[1])
    for action in [2] * int(4 - seen[1]) + [1] * int(4 - seen[0]):
        seen, reward, over, cut, _ = world.step(action)
        total += reward
    assert over
    assert not cut
    assert total == pytest.approx(1 - 0.02 * steps)
    world._place = (0, 0)
    assert world.step(1)[0].tolist() == [0, 0, 4, 4]  # The wall.
    assert world.step(0)[0].tolist() == [0, 0, 4, 4]  # The edge.
