"""Linear and convolution layers: random words for weights, exact sparse masks, fixed feedback.

Sparse weights cost nothing forward: those that do not exist are zero from the start, and their
gradient is set to zero before each step, so every optimizer leaves them at zero.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional, grad

from htmrun.backends import rng
from htmrun.backends.rng import Purpose
from htmrun.components.networks.layers import Place
from htmrun.components.networks.layers.conv import ConvParameters
from htmrun.components.networks.layers.linear import LinearParameters

Part = Literal["weights", "mask", "feedback", "dropout", "patches", "direct", "head"]
_PARTS: dict[Part, int] = {
    "weights": 0, "mask": 1, "feedback": 2, "dropout": 3, "patches": 4, "direct": 5,
    "head": 6,
}  # fmt: skip


def words(seed: int, layer: int, part: Part, rows: int | np.ndarray, columns: int) -> rng.U64:
    """Return random words uint64 (rows, columns) of one part of one layer.

    rows: how many, from 0 on, or their numbers.
    """
    stream = rng.mix(np.uint64(layer * len(_PARTS) + _PARTS[part]))
    key = np.uint64(rng.key(seed, Purpose.NETWORK) ^ stream)
    row = np.arange(rows) if isinstance(rows, int) else rows
    return rng.hash2(key, row.astype(np.uint64)[:, None], np.arange(columns, dtype=np.uint64))


def uniform(seed: int, layer: int, part: Part, rows: int, columns: int, bound: float) -> Tensor:
    """Return float32 (rows, columns), uniform in [-bound, bound)."""
    drawn = rng.uniform(words(seed, layer, part, rows, columns)) * 2 - 1
    return torch.from_numpy((drawn * bound).astype(np.float32))


def sparse_mask(seed: int, layer: int, units: int, inputs: int, density: float) -> Tensor:
    """Return a bool mask (units, inputs) with exactly max(1, half-up(density * inputs)) a row."""
    count = max(1, math.floor(density * inputs + 0.5))
    order = np.argsort(words(seed, layer, "mask", units, inputs), axis=1, kind="stable")
    mask = np.zeros((units, inputs), np.bool_)
    np.put_along_axis(mask, order[:, :count], True, axis=1)
    return torch.from_numpy(mask)


class Weighted(nn.Module):
    """What linear and convolution layers share: weights, bias, mask, feedback weights.

    Weights start uniform within gain * sqrt(3 / existing weights of a unit) (with a gain of 1
    variance 1 / fan-in, LeCun et al. 1998), biases at zero. A sparse layer takes the same words
    as its dense twin.
    """

    mask: Tensor | None
    feedback: Tensor | None

    def __init__(
        self, shape: tuple[int, ...], density: float, seed: int, layer: int, *, feedback: bool,
        gain: float = 1.0,
    ) -> None:  # fmt: skip
        """`shape`: of the weights, units first; `feedback`: errors go back by fixed weights."""
        super().__init__()
        units, inputs = shape[0], math.prod(shape[1:])
        mask = sparse_mask(seed, layer, units, inputs, density) if density < 1 else None
        existing = inputs if mask is None else int(mask[0].sum())
        bound = gain * math.sqrt(3 / existing)
        weight = uniform(seed, layer, "weights", units, inputs, bound)
        back = uniform(seed, layer, "feedback", units, inputs, bound) if feedback else None
        if mask is not None:
            weight, back = weight * mask, None if back is None else back * mask
        self.weight = nn.Parameter(weight.view(shape))
        self.bias = nn.Parameter(torch.zeros(units))
        shaped = None if mask is None else mask.view(shape).to(torch.float32)
        self.register_buffer("mask", shaped, persistent=False)
        self.register_buffer(
            "feedback", None if back is None else back.view(shape), persistent=False
        )

    def mask_gradient(self) -> None:
        """Set the gradient of weights that do not exist to zero."""
        if self.mask is not None and self.weight.grad is not None:
            self.weight.grad.mul_(self.mask)


class Linear(Weighted):
    """Fully connected: (T, inputs) -> (T, units)."""

    def __init__(
        self, inputs: int, units: int, density: float, seed: int, layer: int,
        *, feedback: bool = False, gain: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__((units, inputs), density, seed, layer, feedback=feedback, gain=gain)

    def forward(self, values: Tensor) -> Tensor:
        """Return the weighted sums and the bias."""
        if self.feedback is None:
            return functional.linear(values, self.weight, self.bias)
        made: Tensor = _LinearWithFeedback.apply(values, self.weight, self.bias, self.feedback)
        return made


class Conv(Weighted):
    """Convolution: (T, channels in, H, W) -> (T, channels out, H', W')."""

    def __init__(
        self, shape: tuple[int, ...], density: float, seed: int, layer: int,
        *, stride: int = 1, padding: int = 0, feedback: bool = False, gain: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__(shape, density, seed, layer, feedback=feedback, gain=gain)
        self.stride, self.padding = stride, padding

    def forward(self, values: Tensor) -> Tensor:
        """Return the weighted sums and the bias at each place."""
        if self.feedback is None:
            return functional.conv2d(values, self.weight, self.bias, self.stride, self.padding)
        made: Tensor = _ConvWithFeedback.apply(
            values, self.weight, self.bias, self.feedback, self.stride, self.padding
        )
        return made


def build(
    parameters: ConvParameters | LinearParameters, shape: tuple[int, ...], place: Place
) -> nn.Module:
    """Return the module of a layer with weights."""
    p, own = parameters, (parameters.weight_density, place.seed, place.number)
    back, gain = place.feedback, place.gain
    if isinstance(p, ConvParameters):
        kernel = (p.channels, shape[0], p.kernel, p.kernel)
        return Conv(kernel, *own, stride=p.stride, padding=p.padding, feedback=back, gain=gain)
    linear = Linear(math.prod(shape), p.units, *own, feedback=back, gain=gain)
    return nn.Sequential(nn.Flatten(), linear) if len(shape) > 1 else linear


class _LinearWithFeedback(torch.autograd.Function):
    """Backward, `feedback` takes the weights' place (Lillicrap et al. 2016)."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, bias: Tensor, feedback: Tensor) -> Tensor:
        ctx.save_for_backward(values, feedback)
        return functional.linear(values, weight, bias)

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        values, feedback = ctx.saved_tensors
        (error,) = errors
        return error @ feedback, error.T @ values, error.sum(0), None


class _ConvWithFeedback(torch.autograd.Function):
    """Backward, `feedback` takes the kernel's place (Lillicrap et al. 2016)."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, weight: Tensor, bias: Tensor, feedback: Tensor, stride: int,
        padding: int,
    ) -> Tensor:  # fmt: skip
        ctx.save_for_backward(values, feedback)
        ctx.step = (stride, padding)
        return functional.conv2d(values, weight, bias, stride, padding)

    @staticmethod
    def backward(
        ctx: Any, *errors: Tensor
    ) -> tuple[Tensor | None, Tensor, Tensor, None, None, None]:
        values, feedback = ctx.saved_tensors
        (error,), step = errors, ctx.step
        below = None
        if ctx.needs_input_grad[0]:
            below = grad.conv2d_input(list(values.shape), feedback, error, *step)
        kernel = grad.conv2d_weight(values, list(feedback.shape), error, *step)
        return below, kernel, error.sum((0, 2, 3)), None, None, None
