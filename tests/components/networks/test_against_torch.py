"""Networks against the loop that everybody writes in torch: the same weights, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from htmrun.components.networks.optimizer import advance, make_optimizer
from htmrun.components.networks.parameters import OptimizerParameters
from htmrun.errors import UserError
from htmrun.training.schedule import Schedule
from tests.components.networks.test_regimes import CLASSES, SIDE, images, network, train

LAYERS: dict[str, Any] = {
    "conv": {"kind": "conv", "channels": 6, "kernel": 3}, "pool": {"kind": "pool"},
    "act": {"kind": "relu"}, "hidden": {"kind": "linear", "units": 12}, "top": {"kind": "relu"},
}  # fmt: skip
OPTIMIZERS: list[dict[str, Any]] = [
    {"method": "sgd"}, {"method": "momentum"}, {"method": "momentum", "weight_decay": 0.01},
    {"method": "rmsprop", "learning_rate": 0.001}, {"method": "adam", "learning_rate": 0.001},
]  # fmt: skip


def plain_optimizer(rules: OptimizerParameters, model: nn.Module) -> torch.optim.Optimizer:
    given, decay = list(model.parameters()), rules.weight_decay
    if rules.method == "adam":
        return torch.optim.Adam(given, rules.learning_rate, (0.9, rules.decay))
    if rules.method == "rmsprop":
        return torch.optim.RMSprop(given, rules.learning_rate, rules.decay)
    momentum = rules.momentum if rules.method == "momentum" else 0.0
    return torch.optim.SGD(given, rules.learning_rate, momentum, weight_decay=decay)


@pytest.mark.parametrize(
    ("window", "smoothing"),
    # Windows of smoothed labels: torch divides before it adds up, we after.
    [(1, 0.0), (10, 0.0), (1, 0.1)],
)
@pytest.mark.parametrize("rules", OPTIMIZERS, ids=str)
def test_it_learns_what_the_plain_loop_learns(
    rules: dict[str, Any], smoothing: float, window: int
) -> None:
    ours = network(LAYERS, optimizer=rules, credit={"label_smoothing": smoothing})
    model = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(54, 12), nn.ReLU(),
        nn.Linear(12, CLASSES),
    )  # fmt: skip
    names = [f"{layer}.{own}" for layer in ("conv", "hidden", "readout")
             for own in ("weight", "bias")]  # fmt: skip
    before = ours.state()
    with torch.no_grad():
        for parameter, name in zip(model.parameters(), names, strict=True):
            parameter.copy_(torch.from_numpy(before[name]))
    optimizer = plain_optimizer(ours.parameters.optimizer, model)
    pixels, labels = images()
    values = (torch.from_numpy(pixels.astype(np.float32)) / 255 - 0.5) / 0.3081
    seen = []
    for start in range(0, len(labels), window):
        part = slice(start, start + window)
        optimizer.zero_grad()
        logits = model(values[part].view(-1, 1, SIDE, SIDE))
        targets = torch.from_numpy(labels[part])
        nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing).backward()
        optimizer.step()
        seen.append(logits.detach().softmax(1).numpy())
    made, _ = train(ours, Schedule(window), data=(pixels, labels))
    np.testing.assert_array_equal(made, np.concatenate(seen))
    after = ours.state()
    for parameter, name in zip(model.parameters(), names, strict=True):
        np.testing.assert_array_equal(after[name], parameter.detach().numpy(), name)
        assert (after[name] != before[name]).any()


@pytest.mark.parametrize("rules", OPTIMIZERS, ids=str)
def test_a_step_that_is_written_out_is_torchs_own(rules: dict[str, Any]) -> None:
    """Though a parameter has no gradient for a while, and the rate changes."""
    twins = []
    for step in (advance, own_step):
        random = torch.Generator().manual_seed(0)
        given = [nn.Parameter(torch.randn(7, generator=random)) for _ in range(3)]
        optimizer = make_optimizer(OptimizerParameters.model_validate(rules), given)
        for number in range(6):
            for place, parameter in enumerate(given):
                drawn = torch.randn(7, generator=random)
                parameter.grad = None if place == number % 4 else drawn
            step(optimizer, 0.01 / (1 + number))
        twins.append([p.detach().numpy() for p in given])
    np.testing.assert_array_equal(*twins)


def own_step(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()


def test_images_that_are_no_bytes_are_scaled_alike() -> None:
    model, (pixels, _) = network(LAYERS), images()
    found, wanted = model.normalised(pixels), model.normalised(pixels.astype(np.float64))
    np.testing.assert_array_equal(found.numpy(), wanted.numpy())
    assert found.shape == (len(pixels), 1, SIDE, SIDE)


def test_outputs_that_are_no_numbers_are_one_line_before_anything_is_learned() -> None:
    """Inputs beyond float32, learned or only looked at."""
    model, (pixels, labels) = network({}, std=1e-300), images()
    with pytest.raises(UserError, match=r"optimizer\.learning_rate: .* infinite after 0 samples"):
        model.compute(pixels)
    with pytest.raises(UserError, match="smaller inputs: white, mean, std"):
        train(model, Schedule(10), data=(pixels, labels))
