"""Layers against plain NumPy: exact winners, masks, gradients, credit rules."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.autograd.gradcheck import GradcheckError

from htmrun.backends import load_backend
from htmrun.components.networks.binary import Binary
from htmrun.components.networks.layers.binary import BinaryParameters
from htmrun.components.networks.layers.kwinner import KWinnerParameters
from htmrun.components.networks.network import Network
from htmrun.components.networks.optimizer import make_optimizer
from htmrun.components.networks.parameters import NetworkParameters, OptimizerParameters
from htmrun.components.networks.weights import Conv, Linear, sparse_mask
from htmrun.components.networks.winners import KWinners, choose


def plain_winners(scores: np.ndarray, k: int) -> np.ndarray:
    """The k highest of each row, one after the other, ties to the lowest index."""
    mask = np.zeros(scores.shape, bool)
    for row in range(len(scores)):
        order = sorted(range(scores.shape[1]), key=lambda i: (-scores[row, i], i))
        mask[row, order[:k]] = True
    return mask


def kwinners(shape: tuple[int, ...], **fields: object) -> KWinners:
    return KWinners(KWinnerParameters.model_validate(fields), shape)


@pytest.mark.parametrize("kind", ["ties", "equal", "zeros", "distinct", "infinite"])
def test_exactly_k_win_and_ties_go_to_the_lowest_index(kind: str) -> None:
    random = np.random.default_rng(0)
    values = {
        "ties": random.integers(0, 4, (50, 23)),
        "equal": np.full((5, 23), -0.75),
        "zeros": np.where(random.random((5, 23)) < 0.5, 0.0, -0.0),
        "distinct": random.normal(size=(50, 23)),
        "infinite": np.where(random.random((20, 23)) < 0.3, np.inf, random.normal(size=(20, 23))),
    }[kind].astype(np.float32)
    for k in (1, 7, 22, 23):
        found = choose(torch.from_numpy(values), k).numpy()
        assert (found.sum(1) == k).all()
        np.testing.assert_array_equal(found, plain_winners(values, k))


def test_local_winners_compete_at_each_place() -> None:
    values = np.random.default_rng(1).integers(-3, 4, (6, 10, 3, 4)).astype(np.float32)
    layer = kwinners((10, 3, 4), density=0.3, inhibition="local", boost_strength=0.0)
    found = layer(torch.from_numpy(values)).numpy()
    for y in range(3):
        for x in range(4):
            mask = plain_winners(values[:, :, y, x], 3)
            np.testing.assert_array_equal(found[:, :, y, x], values[:, :, y, x] * mask)


def test_duty_cycles_boost_and_decay_follow_the_formula() -> None:
    random = np.random.default_rng(2)
    layer = kwinners((6, 2, 2), density=0.25, boost_strength=1.7, boost_decay=0.5, duty_period=50)
    layer.train()
    duty, boost = np.zeros(6), np.ones(6)
    for window, epoch in ((3, 0), (8, 0), (5, 2)):
        values = random.normal(size=(window, 6, 2, 2)).astype(np.float32)
        out = layer(torch.from_numpy(values)).numpy()
        scores = values * boost[:, None, None].astype(np.float32)
        mask = plain_winners(scores.reshape(window, -1), 6).reshape(values.shape)
        np.testing.assert_array_equal(out, values * mask)
        layer.commit(window)
        layer.update_boost(epoch)
        duty = duty * (1 - window / 50) + mask.sum((0, 2, 3)) / 4 / 50
        boost = np.exp(1.7 * 0.5**epoch * (6 / 24 - duty))
        np.testing.assert_allclose(layer.duty.numpy(), duty, rtol=1e-12)
        np.testing.assert_allclose(layer.boost.numpy(), boost, rtol=1e-6)


def test_inference_counts_nothing_and_may_have_more_winners() -> None:
    layer = kwinners((20,), density=0.2, inference_factor=1.5).eval()
    values = torch.from_numpy(np.random.default_rng(3).normal(size=(4, 20)).astype(np.float32))
    assert ((layer(values) != 0).sum(1) == 6).all()
    layer.commit(4)
    assert layer.duty.abs().sum() == 0
    assert ((layer.train()(values) != 0).sum(1) == 4).all()
    layer.commit(4)
    assert layer.duty.sum().item() == pytest.approx(4 * 4 / 1000)


@pytest.mark.parametrize(
    ("target", "time", "shown", "reached"),
    [
        ("active", "forward", "winners", "winners"),
        ("inactive", "forward", "winners", "losers"),
        ("all", "forward", "winners", "all"),
        ("active", "learning", "all", "winners"),
    ],
)
def test_where_values_and_errors_go(target: str, time: str, shown: str, reached: str) -> None:
    layer = kwinners((12,), density=0.25, error_target=target, winner_time=time).train()
    values = torch.randn(5, 12, generator=torch.Generator().manual_seed(0), requires_grad=True)
    error = torch.randn(5, 12, generator=torch.Generator().manual_seed(1))
    out = layer(values)
    out.backward(error)
    mask = plain_winners(values.detach().numpy(), 3)
    parts = {"winners": mask, "losers": ~mask, "all": np.ones_like(mask)}
    np.testing.assert_array_equal(out.detach().numpy(), values.detach().numpy() * parts[shown])
    assert values.grad is not None
    np.testing.assert_array_equal(values.grad.numpy(), error.numpy() * parts[reached])


def test_gradients_of_every_differentiable_layer() -> None:
    """Numerical check in double precision (torch.autograd.gradcheck)."""
    generator = torch.Generator().manual_seed(4)

    def made(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)

    linear = Linear(7, 5, 0.5, 0, 0).double()
    conv = Conv((4, 2, 3, 3), 0.4, 0, 1, stride=2, padding=1).double()
    flat = kwinners((12,), density=0.3).double()
    rectified = kwinners((12,), density=0.5, activation="relu").double()
    local = kwinners((6, 3, 3), density=0.3, inhibition="local").double()
    cases = ((linear, (3, 7)), (conv, (2, 2, 5, 5)), (flat, (3, 12)), (rectified, (3, 12)),
             (local, (2, 6, 3, 3)))  # fmt: skip
    for layer, shape in cases:
        assert torch.autograd.gradcheck(layer.train(), (made(*shape),))
    weight, bias = linear.weight.detach().clone(), linear.bias.detach().clone()
    values = made(3, 7).detach()
    assert torch.autograd.gradcheck(
        lambda w, b: torch.nn.functional.linear(values, w, b),
        (weight.requires_grad_(), bias.requires_grad_()),
    )


def test_the_error_of_a_wrong_target_is_no_gradient() -> None:
    """The check above can fail: errors to losers are not the derivative."""
    layer = kwinners((12,), density=0.3, error_target="inactive").double().train()
    values = torch.randn(3, 12, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    with pytest.raises(GradcheckError):
        torch.autograd.gradcheck(layer, (values.requires_grad_(),))


def test_binary_steps_at_the_inflection_and_passes_errors_near_it() -> None:
    layer = Binary(BinaryParameters(inflection=0.4, width=0.5))
    values = torch.tensor([-0.2, -0.1, 0.39, 0.4, 0.9, 0.91], requires_grad=True)
    out = layer(values)
    assert out.tolist() == [0, 0, 0, 1, 1, 1]
    out.backward(torch.arange(1.0, 7.0))
    assert values.grad is not None
    assert values.grad.tolist() == [0, 2, 3, 4, 5, 0]


@pytest.mark.parametrize("density", [0.001, 0.25, 0.5, 0.77])
def test_every_unit_has_exactly_its_share_of_weights(density: float) -> None:
    mask = sparse_mask(3, 1, 40, 30, density)
    assert (mask.sum(1) == max(1, int(density * 30 + 0.5))).all()
    assert len({tuple(row.tolist()) for row in mask}) > 15, "units do not share their inputs"
    assert not torch.equal(mask, sparse_mask(4, 1, 40, 30, density))
    assert not torch.equal(mask, sparse_mask(3, 2, 40, 30, density))


@pytest.mark.parametrize("method", ["sgd", "momentum", "rmsprop", "adam"])
def test_weights_that_do_not_exist_stay_zero(method: str) -> None:
    layer = Linear(30, 8, 0.3, 0, 0)
    assert layer.mask is not None
    rules = OptimizerParameters.model_validate({"method": method, "weight_decay": 0.1})
    optimizer = make_optimizer(rules, list(layer.parameters()))
    before = layer.weight.detach().clone()
    for step in range(5):
        optimizer.zero_grad()
        layer(torch.randn(4, 30, generator=torch.Generator().manual_seed(step))).pow(
            2
        ).sum().backward()
        layer.mask_gradient()
        optimizer.step()
    exists = layer.mask.bool()
    assert (layer.weight[~exists] == 0).all()
    assert (layer.weight[exists] != before[exists]).all()


def test_a_sparse_layer_starts_from_the_words_of_its_dense_twin() -> None:
    dense, sparse = Linear(30, 8, 1.0, 5, 2), Linear(30, 8, 0.3, 5, 2)
    assert sparse.mask is not None
    exists = sparse.mask.bool()
    ratio = sparse.weight[exists] / dense.weight[exists]
    torch.testing.assert_close(ratio, torch.full_like(ratio, (30 / 9) ** 0.5))
    assert dense.weight.std().item() == pytest.approx(30**-0.5, rel=0.1)


def test_feedback_alignment_sends_errors_through_its_own_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    layer = Linear(6, 4, 1.0, 0, 0, feedback=True)
    assert layer.feedback is not None
    values = torch.randn(3, 6, generator=generator, requires_grad=True)
    error = torch.randn(3, 4, generator=generator)
    layer(values).backward(error)
    assert values.grad is not None
    assert layer.weight.grad is not None
    np.testing.assert_allclose(
        values.grad.numpy(), error.numpy() @ layer.feedback.numpy(), rtol=1e-5
    )
    own = error.numpy().T @ values.detach().numpy()
    np.testing.assert_allclose(layer.weight.grad.numpy(), own, rtol=1e-5)
    assert not torch.equal(layer.feedback, layer.weight.detach())


def test_a_convolution_with_feedback_equal_to_its_weights_is_backprop() -> None:
    generator = torch.Generator().manual_seed(0)
    plain = Conv((5, 2, 3, 3), 1.0, 0, 0, stride=2, padding=1)
    other = Conv((5, 2, 3, 3), 1.0, 0, 0, stride=2, padding=1, feedback=True)
    other.feedback = other.weight.detach().clone()
    values = torch.randn(3, 2, 7, 7, generator=generator)
    gradients = []
    for layer in (plain, other):
        given = values.clone().requires_grad_()
        layer(given).square().sum().backward()
        assert given.grad is not None
        gradients.append([given.grad, layer.weight.grad, layer.bias.grad])
    for first, second in zip(*gradients, strict=True):
        torch.testing.assert_close(first, second)


def test_norm_over_a_layer_is_the_same_for_a_brighter_image_of_less_contrast() -> None:
    rules = {"layers": {"contrast": {"kind": "norm", "over": "layer"}}}
    images = np.random.default_rng(6).integers(0, 80, (5, 6, 6)).astype(np.uint8)
    network = Network(
        NetworkParameters.model_validate(rules), (6, 6), 3, 0, load_backend("cpu"), samples=1,
        per_epoch=1,
    )  # fmt: skip
    pixels = (images / 255 - 0.1307) / 0.3081
    spread = np.sqrt(pixels.var((1, 2), keepdims=True) + 1e-5)
    plain = (pixels - pixels.mean((1, 2), keepdims=True)) / spread
    found = network.outputs(images)["contrast"][:, 0].numpy()
    np.testing.assert_allclose(found, plain, rtol=1e-4, atol=1e-5)
    brighter = network.outputs(images * 2 + 50)["contrast"][:, 0].numpy()
    np.testing.assert_allclose(brighter, plain, rtol=1e-3, atol=1e-3)
