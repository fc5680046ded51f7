"""A pooler's commit that is told how good each sample was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from htmrun.backends import load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.fixed_point import permanence
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.components.networks.layers.sp import SPLayerParameters
from htmrun.components.networks.reward import reward_commit
from htmrun.testing.streams import assert_same


def _pooler(backend: str, columns: int = 70, inputs: int = 90, **more: Any) -> Any:
    settings = {"columns": columns, "density": 0.1, "boost_strength": 2.0, **more}
    return load_backend(backend).SpatialPooler(
        SpatialPoolerParameters.model_validate(settings), (inputs,), 3
    )


def _samples(count: int, seed: int, inputs: int = 90) -> Bits:
    return Bits.from_dense(np.random.RandomState(seed).rand(count, inputs) < 0.2)


@pytest.mark.parametrize("window", [1, 2, 7, 40])
def test_backends_are_equal_and_the_rule_of_networks_gives_the_same(window: int) -> None:
    models = [_pooler("reference"), _pooler("cpu"), _pooler("cpu")]
    rules = SPLayerParameters.model_validate(
        {"columns": 70, "density": 0.1, "boost_strength": 2.0, "kind": "sp"}
    )
    random = np.random.RandomState(window)
    for turn in range(12):
        bits = _samples(window, 100 * window + turn)
        won = models[0].compute(bits)
        reward = random.randint(-1, 2, window)
        for model in models[:2]:
            model.modulate(bits, won, reward, turn % 2 == 0)
        reward_commit(models[2], rules, bits, won, reward.astype(float), turn % 2 == 0)
        assert_same(models[1].state(), models[0].state())
        assert_same(models[2].state(), models[0].state())
        assert_same(
            {"won": models[1].compute(bits).indices}, {"won": models[0].compute(bits).indices}
        )


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_good_is_a_commit_neutral_changes_no_synapse_and_bad_takes_good_back(backend: str) -> None:
    bits, plan = _samples(5, 1), Plan.every(5, 5)
    mine, usual = _pooler(backend), _pooler(backend)
    before = mine.state()["permanences"]
    won = usual.run(bits, plan)
    mine.modulate(bits, won, np.ones(5, np.int64), True)
    assert_same(mine.state(), usual.state())
    after = mine.state()["permanences"]
    mine.modulate(bits, won, np.zeros(5, np.int64), True)
    assert (mine.state()["permanences"] == after).all()
    assert (mine.state()["active_duty"] != usual.state()["active_duty"]).any()
    mine.modulate(bits, won, -np.ones(5, np.int64), True)
    back = mine.state()["permanences"]
    free = (after > 0) & (after < 10_000)  # What met a bound on the way cannot come back.
    assert (back[free] == before[free]).all()
    assert (after != before).any()


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_a_synapse_by_hand(backend: str) -> None:
    model = _pooler(backend, columns=2, inputs=2, potential_fraction=1.0, increment=0.03,
                    decrement=0.01, density=0.5)  # fmt: skip
    start = model.state()["permanences"].astype(int)
    bits = Bits.from_dense([[1, 0], [0, 1], [1, 0]])
    won = Bits.from_rows(2, [[0], [0], [1]])
    model.modulate(bits, won, np.array([1, -1, -1]), False)
    up, down = permanence(0.03), permanence(0.01)
    # Column 0: good with input 0 on, bad with input 1 on. Column 1: bad with input 0 on.
    change = [[up + down, -down - up], [-up, down]]
    assert (model.state()["permanences"] == np.clip(start + change, 0, 10_000)).all()


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize(("reward", "more"), [([2], {}), ([1, 1], {}), ([1], {"weak_bump": 0.1})])
def test_what_is_no_reward_is_refused(
    backend: str, reward: list[int], more: dict[str, Any]
) -> None:
    model, bits = _pooler(backend, **more), _samples(1, 5)
    with pytest.raises(ValueError, match=r"reward|weak_bump"):
        model.modulate(bits, model.compute(bits), np.array(reward), False)
