"""Spatial poolers inside networks: the same ones as everywhere, and what passes through them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from htmrun.backends import load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.backends.state import state_hash
from htmrun.components.networks.layers.sp import SPLayerParameters
from htmrun.components.networks.reward import Reward, reward_commit
from htmrun.components.networks.sp_layer import SPLayer

BACKEND = load_backend("reference")
SMALL = {"columns": 30, "density": 0.1, "boost_strength": 2.0, "duty_period": 200}


def layer(shape: tuple[int, ...] = (12,), **fields: Any) -> SPLayer:
    return SPLayer(SPLayerParameters.model_validate({**SMALL, **fields}), shape, 3, 0, BACKEND)


def values(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_it_is_the_spatial_pooler_of_the_pipelines() -> None:
    """Same winners and same state as the backend's own, fed with the same bits and plan."""
    inside = layer(on_above=[-0.3, 0.4])
    pooler = BACKEND.SpatialPooler(SpatialPoolerParameters.model_validate(SMALL), (24,), 3)
    inside.train()
    for window in range(4):
        x = values(5, 12, seed=window)
        bits = Bits.from_dense(np.concatenate([x.numpy() > -0.3, x.numpy() > 0.4], 1))
        inside.prepare(5 * window, True, window % 2 == 0)
        out = inside(x)
        commit = np.array([0, 0, 0, 0, 1], np.uint8)
        boost = commit if window % 2 == 0 else np.zeros_like(commit)
        want = pooler.run(bits, Plan(np.zeros_like(commit), commit, boost))
        np.testing.assert_array_equal(out.numpy(), want.dense())
    assert state_hash(inside.models[0].state()) == state_hash(pooler.state())


def test_patches_are_samples_place_by_place() -> None:
    inside = layer((2, 5, 6), patch=3, stride=2, potential_fraction=1.0)
    assert inside.output_shape == (30, 2, 2)
    x = values(3, 2, 5, 6)
    out = inside.eval()(x)
    for sample in range(3):
        for i, y in enumerate((0, 2)):
            for j, z in enumerate((0, 2)):
                patch = x[sample, :, y : y + 3, z : z + 3].flatten().numpy() > 0
                want = inside.models[0].compute(Bits.from_dense(patch[None]))
                np.testing.assert_array_equal(out[sample, :, i, j].numpy(), want.dense()[0])


def test_it_learns_only_from_so_many_patches_of_a_sample() -> None:
    inside = layer((1, 6, 6), patch=3, learn_patches=2, potential_fraction=1.0, boost_strength=0.0)
    assert inside.window_of_sample == 2
    inside.train()
    inside.prepare(0, True, True)
    inside(values(4, 1, 6, 6))
    duty = inside.models[0].state()["active_duty"].astype(np.float64) / 2**30
    assert duty.sum() == pytest.approx(4 * 2 * 3 / 200, rel=1e-3)


@pytest.mark.parametrize("planes", [[0.0], [-0.5, 0.5]])
def test_float_output_is_the_mean_of_connected_inputs(planes: list[float]) -> None:
    inside = layer(output="float", gradient="kwinner", on_above=planes).eval()
    x = values(4, 12)
    connected = inside.connected().numpy().reshape(30, len(planes), 12).mean(1)
    means = x.numpy() @ (connected / np.maximum(connected.sum(1, keepdims=True), 1)).T
    out = inside(x).numpy()
    won = out != 0
    assert (won.sum(1) == 3).all()
    np.testing.assert_allclose(out[won], means[won], rtol=1e-5)


@pytest.mark.parametrize("fields", [{"output": "float"}, {"output": "weights"}])
def test_gradients_through_winners(fields: dict[str, str]) -> None:
    """Numerical check: with fixed winners the output is linear in its inputs and weights."""
    inside = layer(gradient="kwinner", **fields).double().eval()
    x = values(3, 12).double().requires_grad_()
    assert torch.autograd.gradcheck(inside, (x,))


@pytest.mark.parametrize("gradient", ["none", "straight_through", "kwinner"])
def test_what_passes_back_through_ones(gradient: str) -> None:
    inside = layer(gradient=gradient).eval()
    x = values(3, 12).requires_grad_()
    out = inside(x)
    error = values(3, 30, seed=1)
    if gradient == "none":
        assert not out.requires_grad
        return
    out.backward(error)
    connected = inside.connected().numpy()
    share = connected / np.maximum(connected.sum(1, keepdims=True), 1)
    sent = error.numpy() * (out.detach().numpy() if gradient == "kwinner" else 1)
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), sent @ share, rtol=1e-4, atol=1e-6)


def window(seed: int = 0) -> tuple[SPLayerParameters, Any, Bits, Bits]:
    parameters = SPLayerParameters.model_validate(SMALL)
    model = BACKEND.SpatialPooler(parameters, (12,), 3)
    bits = Bits.from_dense(np.random.default_rng(seed).random((8, 12)) < 0.5)
    return parameters, model, bits, model.compute(bits)


def test_a_reward_of_one_for_all_is_the_poolers_own_commit() -> None:
    parameters, model, bits, winners = window()
    _, other, _, _ = window()
    reward_commit(model, parameters, bits, winners, np.ones(8), boost=True)
    other.run(bits, Plan.every(8, 8))
    assert state_hash(model.state()) == state_hash(other.state())


@pytest.mark.parametrize("reward", [0.0, -1.0, 0.5])
def test_permanences_follow_the_reward(reward: float) -> None:
    parameters, model, bits, winners = window(1)
    before = model.state()["permanences"].astype(np.int64)
    reward_commit(model, parameters, bits, winners, np.full(8, reward), boost=False)
    after = model.state()["permanences"].astype(np.int64)
    change = np.zeros(before.shape)
    for t in range(8):
        step = np.where(bits.dense()[t] > 0, 500, -80)
        change[winners.row(t)] += reward * step
    want = np.where(before < 0, before, np.clip(before + np.rint(change), 0, 10_000))
    np.testing.assert_array_equal(after, want)
    assert (after != before).any() == (reward != 0)


def test_only_participants_beyond_sigma_learn() -> None:
    fields = {**SMALL, "reward": {"levels": "good_bad", "vote_sigma": 1.5}}
    parameters = SPLayerParameters.model_validate(fields)
    _, model, bits, winners = window(2)
    overlap = model.overlaps(bits).astype(float)
    least = overlap.mean(1) + 1.5 * overlap.std(1)
    part = {
        int(c) for t in range(8) for c in winners.row(t) if overlap[t, c] >= least[t]
    }  # fmt: skip
    before = model.state()["permanences"].copy()
    reward_commit(model, parameters, bits, winners, np.ones(8), boost=False)
    changed = np.flatnonzero((model.state()["permanences"] != before).any(1))
    assert set(changed.tolist()) == part
    assert 0 < len(part) < len(set(winners.indices.tolist()))


def test_what_is_heard_of_answers() -> None:
    right = np.array([True, True, False, False])
    error = np.array([0.1, 0.6, 0.4, 0.9])

    def heard(levels: str, on_wrong: str = "weaken") -> list[float]:
        fields = {**SMALL, "reward": {"levels": levels, "on_wrong": on_wrong, "threshold": 0.5}}
        found = Reward(SPLayerParameters.model_validate(fields).reward).hear(right, error)
        return [round(float(value), 9) for value in found]

    assert heard("good_bad") == [1, 1, -1, -1]
    assert heard("good_neutral_bad") == [1, 1, 0, -1]
    assert heard("scalar") == [0.8, -0.2, 0.2, -0.8]
    assert heard("error_gate") == [1, -1, 1, -1]
    assert heard("scalar", "none") == [0.8, 0, 0.2, 0]
