"""Layers that torch has, or nearly: normalisation, pooling, rectifier, dropout."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from htmrun.backends.parameters import Parameters
from htmrun.components.networks import weights
from htmrun.components.networks.layers import Place
from htmrun.components.networks.layers.dropout import DropoutParameters
from htmrun.components.networks.layers.flatten import FlattenParameters
from htmrun.components.networks.layers.norm import NormParameters
from htmrun.components.networks.layers.pool import PoolParameters


def build(parameters: Parameters, shape: tuple[int, ...], place: Place) -> nn.Module:
    """Return the module of one of these layers."""
    if isinstance(parameters, NormParameters):
        return _norm(parameters, shape)
    if isinstance(parameters, PoolParameters):
        pool = nn.MaxPool2d if parameters.take == "max" else nn.AvgPool2d
        return pool(parameters.size)
    if isinstance(parameters, DropoutParameters):
        return Dropout(parameters.rate, place.seed, place.number)
    return nn.Flatten() if isinstance(parameters, FlattenParameters) else nn.ReLU()


def _norm(layer: NormParameters, shape: tuple[int, ...]) -> nn.Module:
    channels = shape[0]
    if layer.over == "batch":
        if len(shape) == 3:
            return MapBatchNorm(channels, momentum=layer.momentum)
        return VectorBatchNorm(channels, momentum=layer.momentum)
    if layer.over == "layer":
        return nn.GroupNorm(1, channels)
    if layer.over == "group":
        return nn.GroupNorm(layer.groups, channels)
    return nn.Identity()


class Dropout(nn.Module):
    """Dropout whose masks are a function of seed, layer and first sample of the pass."""

    def __init__(self, rate: float, seed: int, layer: int) -> None:
        super().__init__()
        self.rate, self.seed, self.layer, self._first = rate, seed, layer, 0

    @property
    def steady(self) -> bool:
        """Whether nothing is dropped."""
        return self.rate == 0

    def prepare(self, first: int, commit: bool, boost: bool) -> None:
        """Say which sample the next forward pass while learning begins with."""
        self._first = first

    def forward(self, values: Tensor) -> Tensor:
        """Return `values` with a share dropped and the rest scaled up, while learning."""
        if not self.training or self.rate == 0:
            return values
        word = weights.words(self.seed, self.layer, "dropout", np.array([self._first]), 1)
        generator = torch.Generator().manual_seed(int(word[0, 0] >> np.uint64(1)))
        kept = torch.rand(values.shape, generator=generator) >= self.rate
        return values * kept.to(values.device) / (1 - self.rate)


class MapBatchNorm(nn.BatchNorm2d):
    """Batch norm of maps, (T, channels, height, width); see `_normalised`."""

    steady = False

    def forward(self, values: Tensor) -> Tensor:
        """Return normalised maps like `values`."""
        return super().forward(values) if _varies(self, values) else _normalised(self, values)


class VectorBatchNorm(nn.BatchNorm1d):
    """Batch norm of vectors, (T, units); see `_normalised`."""

    steady = False

    def forward(self, values: Tensor) -> Tensor:
        """Return normalised vectors like `values`."""
        return super().forward(values) if _varies(self, values) else _normalised(self, values)


def _varies(norm: nn.BatchNorm1d | nn.BatchNorm2d, values: Tensor) -> bool:
    """Say whether each channel has two values or more, or its variance is not asked for."""
    return not norm.training or values.numel() > norm.num_features


def _normalised(norm: nn.BatchNorm1d | nn.BatchNorm2d, values: Tensor) -> Tensor:
    """Return one sample normalised by the running statistics, which stay as they are.

    A last window of one sample has no variance. Where all windows are like that it is refused.
    """
    return nn.functional.batch_norm(
        values, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
    )
