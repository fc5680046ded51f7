"""Parameters to torch's optimizers."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from htmrun.components.networks.parameters import OptimizerParameters

REMEMBERED = {
    "sgd": frozenset[str](), "momentum": frozenset({"momentum_buffer"}),
    "rmsprop": frozenset({"step", "square_avg"}),
    "adam": frozenset({"step", "exp_avg", "exp_avg_sq"}),
}  # fmt: skip
"""What torch keeps of each parameter that has made a step, by method."""


def make_optimizer(p: OptimizerParameters, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Return torch's optimizer over `parameters`; the learning rate is set at each commit."""
    # An optimizer refuses an empty list; a network may have nothing that gradients teach.
    given: list[Any] = parameters or [nn.Parameter(torch.zeros(0))]
    if p.method == "rmsprop":
        return torch.optim.RMSprop(
            given, p.learning_rate, alpha=p.decay, weight_decay=p.weight_decay
        )
    if p.method == "adam":
        return torch.optim.Adam(
            given, p.learning_rate, betas=(0.9, p.decay), weight_decay=p.weight_decay
        )
    momentum = p.momentum if p.method == "momentum" else 0.0
    return torch.optim.SGD(given, p.learning_rate, momentum=momentum, weight_decay=p.weight_decay)


def advance(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Make the step that `optimizer.step()` makes at this learning rate, bit for bit.

    On a processor the plain ways and momentum are written out, in torch's own order of operations:
    for a small network what surrounds them in `step()` costs more than they do.
    """
    (group,) = optimizer.param_groups
    group["lr"] = rate
    if not _is_plain(optimizer, group):
        optimizer.step()
        return
    momentum, state = group["momentum"], optimizer.state
    with torch.no_grad():
        for parameter in group["params"]:
            change = parameter.grad
            if change is None:
                continue
            if momentum != 0:
                change = state[parameter]["momentum_buffer"].mul_(momentum).add_(change)
            parameter.add_(change, alpha=-rate)


def _is_plain(optimizer: torch.optim.Optimizer, group: dict[str, Any]) -> bool:
    """Say whether it is SGD on a processor whose every parameter has made a step."""
    return (
        type(optimizer) is torch.optim.SGD
        and group["weight_decay"] == 0
        and all(
            p.device.type == "cpu"
            and (p.grad is None or group["momentum"] == 0 or _has_buffer(optimizer, p))
            for p in group["params"]
        )
    )


def _has_buffer(optimizer: torch.optim.Optimizer, parameter: Any) -> bool:
    return optimizer.state.get(parameter, {}).get("momentum_buffer") is not None
