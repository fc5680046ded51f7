"""k-winners: exactly k units keep their values (Ahmad, Scheinkman 2019, "How Can We Be So Dense?").

Duty cycles and boosting follow the regimes: a forward pass while learning only counts winners;
`commit` advances duty cycles, `update_boost` turns them into boost factors
exp(strength * (density - duty)), with which a unit's value is multiplied before the competition.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from htmrun.backends.parameters import round_half_up
from htmrun.components.networks.layers import Place
from htmrun.components.networks.layers.kwinner import KWinnerParameters


def choose(scores: Tensor, k: int) -> Tensor:
    """Return a bool mask like `scores` with exactly k True along dimension 1; lowest index first.

    scores: (T, n, ...), any float type, without NaN; 1 <= k <= n.
    """
    if k >= scores.shape[1]:
        return torch.ones_like(scores, dtype=torch.bool)
    least = scores.kthvalue(scores.shape[1] - k + 1, 1, keepdim=True).values
    mask = scores >= least
    if int(mask.count_nonzero()) == k * (scores.numel() // scores.shape[1]):
        return mask
    # Of those at the limit, the first ones win.
    tied = scores == least
    room = k - (scores > least).sum(1, keepdim=True)
    return (mask & ~tied) | (tied & (tied.cumsum(1) <= room))


class _Competition(torch.autograd.Function):
    """Winners keep their values; the error reaches the units that `reached` marks."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, shown: Tensor | None, reached: Tensor | None) -> Tensor:
        ctx.save_for_backward(reached)
        return values.clone() if shown is None else values * shown

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor, None, None]:
        (reached,) = ctx.saved_tensors
        return (errors[0] if reached is None else errors[0] * reached), None, None


def build(parameters: KWinnerParameters, shape: tuple[int, ...], place: Place) -> KWinners:
    """Return the layer's module."""
    return KWinners(parameters, shape)


class KWinners(nn.Module):
    """k-winner layer over `shape`: (units,) or (channels, height, width); duty cycles per channel.

    Raises nothing; how large a window may be is checked where the regime is known.
    """

    duty: Tensor
    boost: Tensor

    def __init__(self, parameters: KWinnerParameters, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.rules = p = parameters
        self.shape = shape
        self.local = p.inhibition == "local" and len(shape) == 3
        self.places = shape[1] * shape[2] if len(shape) == 3 else 1
        self.competitors = shape[0] if self.local else shape[0] * self.places
        self.k = max(1, round_half_up(p.density * self.competitors))
        self.k_inference = min(self.competitors, max(1, round_half_up(self.k * p.inference_factor)))
        self.register_buffer("duty", torch.zeros(shape[0], dtype=torch.float64))
        self.register_buffer("boost", torch.ones(shape[0], dtype=torch.float32))
        self._across = (-1, 1, 1) if len(shape) == 3 else (-1,)
        self._counts: Tensor | None = None

    def forward(self, values: Tensor) -> Tensor:
        """Return the winners' values, zero elsewhere; like `values`, (T, *shape)."""
        p = self.rules
        if p.activation == "relu":
            values = torch.relu(values)
        if not self.training and p.winner_time == "learning":
            return values
        mask = self.winners(values.detach())
        if self.training:
            won = mask.sum(0) if mask.dim() == 2 else mask.sum((0, 2, 3))
            self._counts = won if self._counts is None else self._counts + won
        as_values = mask.to(values.dtype)
        if p.winner_time == "forward" and p.error_target == "active":
            return values * as_values
        shown = None if p.winner_time == "learning" else as_values
        reached = {"active": as_values, "inactive": 1 - as_values, "all": None}[p.error_target]
        result: Tensor = _Competition.apply(values, shown, reached)
        return result

    def winners(self, values: Tensor) -> Tensor:
        """Return the mask of the winners of `values` (T, *shape), under the present boost."""
        boosted = values
        if self.rules.boost_strength > 0:
            boosted = values * self.boost.view(self._across).to(values.dtype)
        k = self.k if self.training else self.k_inference
        if self.local:
            return choose(boosted, k)
        return choose(boosted.flatten(1), k).view_as(values)

    @property
    def steady(self) -> bool:
        """Whether as many win while learning as at inference."""
        return self.k == self.k_inference

    def commit(self, samples: int) -> None:
        """Advance duty cycles by a window of `samples`: d (1 - n/P) + wins / (P places)."""
        if self._counts is None:
            return
        period = self.rules.duty_period
        gained = self._counts.to(torch.float64) / (period * self.places)
        self.duty.mul_(1 - samples / period).add_(gained)
        self._counts = None

    def update_boost(self, epoch: int) -> None:
        """Turn duty cycles into boost factors; `epoch`: epochs completed, for the decay."""
        p = self.rules
        if p.boost_strength > 0:
            strength = p.boost_strength * p.boost_decay**epoch
            target = self.k / self.competitors
            self.boost.copy_(torch.exp(strength * (target - self.duty)))

    def forget_window(self) -> None:
        """Drop counts of a forward pass that no commit follows."""
        self._counts = None
