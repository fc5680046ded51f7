"""Spatial poolers of the tool inside a network: they learn by their own rule, torch does not.

A layer turns floats into bits (planes of thresholds), asks its poolers for winners and puts out
ones, means of inputs, or weighted sums. The window of the regime is the poolers' window too: with
patches a sample counts as many times as it has patches that are learned from.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from htmrun.backends import Backend, SpatialPoolerBackend, State
from htmrun.backends.bits import Bits
from htmrun.backends.fixed_point import permanence
from htmrun.backends.plan import Plan
from htmrun.components.networks import weights
from htmrun.components.networks.layers import Place
from htmrun.components.networks.layers.sp import SPLayerParameters
from htmrun.components.networks.reward import Reward, reward_commit


class _Winners(torch.autograd.Function):
    """Winners' outputs forward; errors back through connected synapses, scaled as means."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, output: Tensor, passing: Tensor | None, connected: Tensor
    ) -> Tensor:
        ctx.save_for_backward(passing, connected)
        return output.clone()

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor, None, None, None]:
        passing, connected = ctx.saved_tensors
        error = errors[0] if passing is None else errors[0] * passing
        return error @ connected, None, None, None


def build(parameters: SPLayerParameters, shape: tuple[int, ...], place: Place) -> SPLayer:
    """Return the layer's module."""
    return SPLayer(parameters, shape, place.seed, place.number, place.backend, learn=place.learns)


class SPLayer(nn.Module):
    """Spatial poolers over inputs of `shape`; `copies` of them side by side.

    Output: (T, copies * columns), with patches (T, copies * columns, H', W'). Raises `UserError`
    where a potential pool would be empty. Rules: docs/math.md, "Spatial pooler", "Networks".
    """

    def __init__(
        self, parameters: SPLayerParameters, shape: tuple[int, ...], seed: int, layer: int,
        backend: Backend, *, learn: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.rules = p = parameters
        self.shape, self.seed, self.layer = shape, seed, layer
        self.learns = learn and p.learn
        planes = len(p.on_above)
        if p.patch is None:
            inside = shape if planes == 1 else (planes, *shape)
            self.places: tuple[int, ...] = ()
        else:
            inside = (shape[0] * planes * p.patch * p.patch,)
            self.places = tuple((side - p.patch) // p.stride + 1 for side in shape[1:])
        self.inputs = math.prod(inside)
        # Copies, and other layers, have other pools and permanences.
        seeds = [seed + 1_000_003 * (copy + 64 * layer) for copy in range(p.copies)]
        self.models: list[SpatialPoolerBackend] = [
            backend.SpatialPooler(p, inside, own) for own in seeds
        ]
        self.units = p.columns * p.copies
        self.output_shape = (self.units, *self.places)
        self.reward = Reward(p.reward) if p.reward.levels != "none" else None
        self._floats = p.output != "binary" or p.gradient != "none"
        self._connected: Tensor | None = None
        self._window: list[tuple[Bits, list[Bits]]] = []
        self._commit, self._boost, self._first = True, False, 0
        # For measures: with `watch` on, what came in and went out of the last pass.
        self.watch = False
        self.seen: tuple[Bits, list[Bits], Tensor] | None = None
        if p.output == "weights":
            bound = math.sqrt(3 / max(1.0, float(self.connected().sum(1).mean())))
            drawn = weights.uniform(seed, layer, "weights", self.units, self.inputs, bound)
            self.weight = nn.Parameter(drawn * self.connected())

    @property
    def steady(self) -> bool:
        """Whether the same columns win while learning as at inference."""
        return self.rules.boost_strength == 0 or self.rules.infer_boost

    @property
    def window_of_sample(self) -> int:
        """How many of its own samples a sample of the network is, while learning."""
        return min(math.prod(self.places), self.rules.learn_patches or 1 << 30)

    def prepare(self, first: int, commit: bool, boost: bool) -> None:
        """Say what the next forward pass while learning belongs to.

        first: number of its first sample, counted over the whole run. commit: the window ends
        with its last sample. boost: a boosting point follows.
        """
        self._first, self._commit, self._boost = first, commit, boost

    def forward(self, values: Tensor) -> Tensor:
        """Return what the winners put out; while learning, learn (without a reward) and commit."""
        bits = self._encode(values)
        # Connections that errors go back through are those of the forward pass.
        connected = self.connected().to(values.device) if self._floats else None
        if self.training and self.learns and self.reward is None:
            winners = self._learn(bits)
        else:
            winners = [model.compute(bits) for model in self.models]
            if self.training and self.learns:
                self._window.append((bits, winners))
        output = self._put_out(values, winners, connected)
        if self.watch:
            watched = output if output.requires_grad else output.requires_grad_()
            watched.retain_grad()
            self.seen = (bits, winners, watched)
        return output

    def commit_reward(self, right: np.ndarray, error: np.ndarray) -> None:
        """Learn from the last window: `right` bool (T,), `error` float64 (T,) in 0 to 1."""
        if self.reward is None or not self._window:
            return
        bits = Bits.concatenate([b for b, _ in self._window])
        heard = self.reward.hear(right, error)
        for place, model in enumerate(self.models):
            won = Bits.concatenate([winners[place] for _, winners in self._window])
            reward_commit(model, self.rules, bits, won, heard, self._boost)
        self._window, self._connected = [], None

    def connected(self) -> Tensor:
        """Return which synapses are connected, float32 (units, inputs) of zeros and ones."""
        if self._connected is None:
            least = permanence(self.rules.connected)
            parts = [model.state()["permanences"] >= least for model in self.models]
            self._connected = torch.from_numpy(np.concatenate(parts).astype(np.float32))
        return self._connected

    def model_state(self) -> State:
        """Return the canonical states of its poolers."""
        return {f"{i}.{n}": a for i, m in enumerate(self.models) for n, a in m.state().items()}

    def load_model_state(self, state: State) -> None:
        """Take over what `model_state` returned; ValueError if a name or shape differs."""
        for i, model in enumerate(self.models):
            own = {n: a for n, a in state.items() if n.startswith(f"{i}.")}
            model.load({n.removeprefix(f"{i}."): a for n, a in own.items()})
        self._connected = None

    def _patches(self, values: Tensor) -> Tensor:
        """Return (T * places, channels * patch * patch), place by place within a sample."""
        p = self.rules
        if p.patch is None:
            return values.flatten(1)
        columns = functional.unfold(values, p.patch, stride=p.stride)
        return columns.transpose(1, 2).reshape(-1, columns.shape[1])

    def _encode(self, values: Tensor) -> Bits:
        flat = self._patches(values.detach()).cpu().numpy()
        planes = [flat > threshold for threshold in self.rules.on_above]
        return Bits.from_dense(planes[0] if len(planes) == 1 else np.concatenate(planes, 1))

    def _learn(self, bits: Bits) -> list[Bits]:
        """Return winners of the window under frozen permanences, then commit it."""
        places = math.prod(self.places)
        samples = len(bits) // places
        count = self.window_of_sample
        if count < places:
            winners = [model.compute(bits) for model in self.models]
            bits = _rows(bits, self._chosen(samples, places, count))
        commit, boost = (np.zeros(len(bits), np.uint8) for _ in range(2))
        commit[-1], boost[-1] = self._commit, self._commit and self._boost
        plan = Plan(np.zeros_like(commit), commit, boost)
        made = [model.run(bits, plan) for model in self.models]
        if self._commit:
            self._connected = None
        return made if count == places else winners

    def _chosen(self, samples: int, places: int, count: int) -> np.ndarray:
        """Return the rows (patches) to learn from: `count` random ones of each sample."""
        numbers = np.arange(self._first, self._first + samples)
        word = weights.words(self.seed, self.layer, "patches", numbers, places)
        picked = np.sort(np.argsort(word, axis=1, kind="stable")[:, :count], axis=1)
        return (picked + np.arange(samples)[:, None] * places).ravel()

    def _put_out(self, values: Tensor, winners: list[Bits], connected: Tensor | None) -> Tensor:
        p = self.rules
        dense = np.concatenate([w.dense() for w in winners], 1).astype(np.float32)
        won = torch.from_numpy(dense).to(values.device, values.dtype)
        if connected is None:
            return self._shaped(won, len(values))
        inputs, connected = self._patches(values), connected.to(values.dtype)
        planes = len(p.on_above)
        if p.output == "weights":
            seen = inputs if p.gradient == "kwinner" else inputs.detach()
            seen = seen if planes == 1 else seen.repeat(1, planes)
            return self._shaped(won * (seen @ (self.weight * connected).T), len(values))
        if planes > 1:
            connected = connected.view(len(connected), planes, -1).mean(1)
        share = connected / connected.sum(1, keepdim=True).clamp(min=1)
        output = won if p.output == "binary" else won * (inputs.detach() @ share.T)
        if p.gradient != "none":
            passing = won if p.gradient == "kwinner" else None
            output = _Winners.apply(inputs, output, passing, share)
        return self._shaped(output, len(values))

    def _shaped(self, output: Tensor, samples: int) -> Tensor:
        if not self.places:
            return output
        return output.view(samples, *self.places, self.units).permute(0, 3, 1, 2).contiguous()


def _rows(bits: Bits, rows: np.ndarray) -> Bits:
    """Return the samples of `bits` that `rows` names, in that order."""
    counts = bits.counts()[rows]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    start = np.repeat(bits.offsets[rows] - offsets[:-1], counts)
    return Bits(bits.size, bits.indices[start + np.arange(offsets[-1])], offsets)
