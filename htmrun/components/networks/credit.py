"""How the error of a window reaches the weights.

backprop: exact gradients. feedback_alignment: the same, but weighted layers send errors back
through fixed random weights (Lillicrap et al. 2016; the layers do that themselves).
direct_feedback: each block hears the output error through a fixed random matrix of its own
(Nokland 2016). local: each block learns from a linear classifier of its own, and hears later
blocks' errors multiplied by `downstream`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from htmrun.components.networks.chain import Chain
from htmrun.components.networks.parameters import CreditParameters
from htmrun.components.networks.weights import uniform


@dataclass(frozen=True)
class Outcome:
    """Logits and probabilities (T, classes) of a pass while learning, and its targets (T,)."""

    logits: Tensor
    probability: Tensor
    targets: Tensor

    @property
    def error(self) -> Tensor:
        """Return 1 - probability of the right class (T,)."""
        return 1 - self.probability.gather(1, self.targets[:, None])[:, 0]


class _Scale(torch.autograd.Function):
    """Identity forward; errors times a factor backward."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return values.clone()

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor, None]:
        return errors[0] * ctx.factor, None


class Credit:
    """Adds the gradients of a piece of a window to the chain's parameters."""

    def __init__(self, parameters: CreditParameters, chain: Chain, seed: int) -> None:
        self.parameters, self.chain = parameters, chain
        self.direct: dict[str, Tensor] = {}
        if parameters.method == "direct_feedback":
            for place, name in enumerate(chain.blocks):
                units = math.prod(chain.shapes[name])
                bound = math.sqrt(3 / units)
                layer = 1000 + place
                drawn = uniform(seed, layer, "direct", chain.classes, units, bound)
                self.direct[name] = drawn.to(chain.readout.weight.device)

    def add_gradients(self, values: Tensor, targets: Tensor, window: int) -> Outcome:
        """Add the gradients of the mean loss over a window of `window` samples.

        values: normalised images (T, C, H, W); targets: int64 (T,).
        """
        p, chain = self.parameters, self.chain
        between = p.method in ("local", "direct_feedback")
        outputs: dict[str, Tensor] = {}
        for name, layer in chain.layers.items():
            values = layer(values)
            if name in chain.blocks:
                outputs[name] = values
                if between:
                    values = self._passed_on(values)
        logits: Tensor = chain.readout(values.flatten(1))
        seen = logits.detach()
        outcome = Outcome(seen, seen.softmax(1), targets)
        weight = None if p.gate is None else (outcome.error > p.gate).to(seen.dtype) / window
        total = self._loss(logits, targets, weight, window)
        for name, head in chain.heads.items():
            local = p.method == "local"
            below = outputs[name] if local else outputs[name].detach()
            factor = p.local if local else 1.0
            total = total + factor * self._loss(head(below.flatten(1)), targets, weight, window)
        if self.direct:
            self._send_directly(logits, total, outputs)
        elif total.requires_grad:
            total.backward()
        return outcome

    def _passed_on(self, values: Tensor) -> Tensor:
        if self.parameters.method == "direct_feedback" or self.parameters.downstream == 0:
            return values.detach()
        scaled: Tensor = _Scale.apply(values, self.parameters.downstream)
        return scaled

    def _loss(self, logits: Tensor, targets: Tensor, weight: Tensor | None, window: int) -> Tensor:
        smoothing = self.parameters.label_smoothing
        if weight is None:  # All weigh 1 / window.
            total = functional.cross_entropy(
                logits, targets, reduction="sum", label_smoothing=smoothing
            )
            return total if window == 1 else total / window
        losses = functional.cross_entropy(
            logits, targets, reduction="none", label_smoothing=smoothing
        )
        return (losses * weight).sum()

    def _send_directly(self, logits: Tensor, total: Tensor, outputs: dict[str, Tensor]) -> None:
        if not total.requires_grad:
            return
        (output_error,) = torch.autograd.grad(total, logits, retain_graph=True)
        total.backward()
        for name, output in outputs.items():
            if output.requires_grad:
                sent = output_error @ self.direct[name]
                output.backward(sent.view_as(output))
