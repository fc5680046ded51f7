"""A step with a usable gradient (Bengio et al. 2013, the straight-through estimator)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from htmrun.components.networks.layers import Place
from htmrun.components.networks.layers.binary import BinaryParameters


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, inflection: float, width: float) -> Tensor:
        ctx.save_for_backward((values - inflection).abs() <= width)
        return (values >= inflection).to(values.dtype)

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor, None, None]:
        (near,) = ctx.saved_tensors
        return errors[0] * near, None, None


def build(parameters: BinaryParameters, shape: tuple[int, ...], place: Place) -> Binary:
    """Return the layer's module."""
    return Binary(parameters)


class Binary(nn.Module):
    """1 where a value reaches the inflection, else 0; errors pass within `width` of it."""

    def __init__(self, parameters: BinaryParameters) -> None:
        super().__init__()
        self.rules = parameters

    def forward(self, values: Tensor) -> Tensor:
        """Return zeros and ones like `values`."""
        p = self.rules
        result: Tensor = _Step.apply(values, p.inflection, p.width)
        return result
