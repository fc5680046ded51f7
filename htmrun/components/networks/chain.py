"""Parameters to torch modules: a chain of layers, cut into blocks, with a readout on top."""

from __future__ import annotations

import math
from collections.abc import Collection

from torch import Tensor, nn

from htmrun.backends import Backend
from htmrun.components.layout import Shape
from htmrun.components.networks.layers import Place
from htmrun.components.networks.parameters import NetworkParameters
from htmrun.components.networks.sp_layer import SPLayer
from htmrun.components.networks.weights import Linear
from htmrun.components.networks.winners import KWinners
from htmrun.components.registry import component_of
from htmrun.errors import UserError


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
        now: Shape = shape
        for number, (name, layer) in enumerate(parameters.layers.items()):
            if name in bypassed:
                continue
            kind = component_of(layer)
            out = kind.after(layer, now, f"{path}.layers.{name}")
            learns = name not in frozen
            there = Place(seed, number, backend, feedback, learns, parameters.gain)
            try:
                module: nn.Module = kind.build(layer, now, there)
            except (UserError, ValueError) as error:
                raise UserError(f"{path}.layers.{name}.{error}") from None
            for p in module.parameters():
                p.requires_grad_(learns)
            self.layers[name], self.shapes[name], now = module, out, out
            if kind.ends_block:
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
        return all(getattr(m, "steady", True) for m in self.layers.values())

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
            told = getattr(m, "prepare", None)
            if told is not None:
                told(first, commit, boost)
