"""Parameters to torch modules: a chain of layers, cut into blocks, with a readout on top."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor, nn

from htmrun.backends import Backend
from htmrun.components import registry
from htmrun.components.networks import shapes, weights
from htmrun.components.networks.binary import Binary
from htmrun.components.networks.parameters import (
    ACTIVATIONS,
    BinaryParameters,
    ConvParameters,
    DropoutParameters,
    FlattenParameters,
    KWinnerParameters,
    Layer,
    LinearParameters,
    NetworkParameters,
    NormParameters,
    PoolParameters,
    ReLUParameters,
    SPLayerParameters,
)
from htmrun.components.networks.sp_layer import SPLayer
from htmrun.components.networks.weights import Conv, Linear
from htmrun.components.networks.winners import KWinners
from htmrun.errors import UserError


class Dropout(nn.Module):
    """Dropout whose masks are a function of seed, layer and first sample of the pass."""

    def __init__(self, rate: float, seed: int, layer: int) -> None:
        super().__init__()
        self.rate, self.seed, self.layer, self._first = rate, seed, layer, 0

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


class VectorBatchNorm(nn.BatchNorm1d):
    """Batch norm of vectors; in a window of one sample, which has no variance, the running
    statistics stand in and stay as they are.
    """

    def forward(self, values: Tensor) -> Tensor:
        """Return normalised vectors (T, units)."""
        if self.training and len(values) == 1:
            return nn.functional.batch_norm(
                values, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0,
                self.eps,
            )  # fmt: skip
        return super().forward(values)


class Chain(nn.Module):
    """Layers by name in order, then a linear readout of `classes` logits.

    blocks: for each activation layer the number of layers up to and with it; where local
    losses, direct feedback and probes reach in.
    """

    def __init__(
        self, parameters: NetworkParameters, shape: tuple[int, ...], classes: int, seed: int,
        backend: Backend, *, frozen: Collection[str] = (), bypassed: Collection[str] = (),
        path: str = "network",
    ) -> None:  # fmt: skip
        """`frozen`, `bypassed`: names of layers that do not learn, or are left out.

        Raises `UserError`, beginning with `path`, where shapes do not fit.
        """
        super().__init__()
        self.layers: dict[str, nn.Module] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.blocks: list[str] = []
        feedback = parameters.credit.method == "feedback_alignment"
        now: tuple[int, ...] = shape
        for number, (name, layer) in enumerate(parameters.layers.items()):
            if name in bypassed:
                continue
            out = shapes.after(layer, now, f"{path}.layers.{name}")
            try:
                learns = name not in frozen
                module = _module(
                    layer, now, seed, number, backend, feedback, learns, parameters.gain
                )
            except (UserError, ValueError) as error:
                raise UserError(f"{path}.layers.{name}.{error}") from None
            for p in module.parameters():
                p.requires_grad_(name not in frozen)
            self.layers[name], self.shapes[name], now = module, out, out
            if registry.of(layer).name in ACTIVATIONS:
                self.blocks.append(name)
        self.inputs, self.classes = math.prod(now), classes
        last = len(parameters.layers)
        self.readout = Linear(
            self.inputs, classes, 1.0, seed, last, feedback=feedback, gain=parameters.gain
        )
        self.heads: dict[str, Linear] = {}
        if parameters.probes or parameters.credit.method == "local":
            for name in self.blocks:
                size, place = math.prod(self.shapes[name]), last + 1 + self.blocks.index(name)
                self.heads[name] = Linear(size, classes, 1.0, seed, place)
        # Registered in lists: a layer's name may be one of torch's own attributes.
        self._layers, self._heads = map(nn.ModuleList, (self.layers.values(), self.heads.values()))

    def forward(self, values: Tensor) -> Tensor:
        """Return logits (T, classes) of normalised images (T, C, H, W), or of bits."""
        for layer in self.layers.values():
            values = layer(values)
        result: Tensor = self.readout(values.flatten(1))
        return result

    @property
    def poolers(self) -> dict[str, SPLayer]:
        """Its spatial poolers by name."""
        return {n: m for n, m in self.layers.items() if isinstance(m, SPLayer)}

    @property
    def competitions(self) -> dict[str, KWinners]:
        """Its k-winner layers by name."""
        return {n: m for n, m in self.layers.items() if isinstance(m, KWinners)}

    @property
    def steady(self) -> bool:
        """Whether a forward pass while learning gives what inference gives."""
        for m in self.layers.values():
            if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d):
                return False
            if isinstance(m, Dropout) and m.rate > 0:
                return False
            if isinstance(m, KWinners) and m.k != m.k_inference:
                return False
            if isinstance(m, SPLayer) and m.rules.boost_strength > 0 and not m.rules.infer_boost:
                return False
        return True

    def arrays(self) -> dict[str, Tensor]:
        """Return every parameter and kept buffer by name; writing to them changes the chain."""
        parts = {**self.layers, "readout": self.readout}
        parts |= {f"head.{name}": head for name, head in self.heads.items()}
        found: dict[str, Tensor] = {}
        for name, part in parts.items():
            for own, tensor in part.state_dict(keep_vars=True).items():
                # A linear layer on an image stands in a sequence of its own.
                found[f"{name}.{own.removeprefix('1.')}"] = tensor
        return found

    def prepare(self, first: int, commit: bool, boost: bool) -> None:
        """Tell the layers what the next forward pass while learning belongs to."""
        for m in self.layers.values():
            if isinstance(m, SPLayer | Dropout):
                m.prepare(first, commit, boost)


def _module(
    layer: Layer, shape: tuple[int, ...], seed: int, number: int, backend: Backend,
    feedback: bool, learns: bool, gain: float,
) -> nn.Module:  # fmt: skip
    if isinstance(layer, ConvParameters):
        kernel = (layer.channels, shape[0], layer.kernel, layer.kernel)
        return Conv(
            kernel, layer.weight_density, seed, number, stride=layer.stride,
            padding=layer.padding, feedback=feedback, gain=gain,
        )  # fmt: skip
    if isinstance(layer, LinearParameters):
        size = math.prod(shape)
        linear = Linear(
            size, layer.units, layer.weight_density, seed, number, feedback=feedback, gain=gain
        )
        return nn.Sequential(nn.Flatten(), linear) if len(shape) > 1 else linear
    if isinstance(layer, NormParameters):
        return _norm(layer, shape)
    if isinstance(layer, PoolParameters):
        return nn.MaxPool2d(layer.size) if layer.take == "max" else nn.AvgPool2d(layer.size)
    if isinstance(layer, KWinnerParameters):
        return KWinners(layer, shape)
    if isinstance(layer, BinaryParameters):
        return Binary(layer)
    if isinstance(layer, DropoutParameters):
        return Dropout(layer.rate, seed, number)
    if isinstance(layer, SPLayerParameters):
        return SPLayer(layer, shape, seed, number, backend, learn=learns)
    simple = {ReLUParameters: nn.ReLU, FlattenParameters: nn.Flatten}
    return simple[type(layer)]()


def _norm(layer: NormParameters, shape: tuple[int, ...]) -> nn.Module:
    channels = shape[0]
    if layer.over == "batch":
        if len(shape) == 3:
            return nn.BatchNorm2d(channels, momentum=layer.momentum)
        return VectorBatchNorm(channels, momentum=layer.momentum)
    if layer.over == "layer":
        return nn.GroupNorm(1, channels)
    if layer.over == "group":
        return nn.GroupNorm(layer.groups, channels)
    return nn.Identity()
