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
