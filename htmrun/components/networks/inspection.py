"""What a network's layers do: activity, linear probes, cosines of updates, what units see.

Nothing here changes the network: passes that learn are made by a twin.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from htmrun.components.networks.network import Network
from htmrun.components.networks.sp_layer import SPLayer
from htmrun.components.networks.weights import Conv, Weighted
from htmrun.components.networks.winners import KWinners

Targets = npt.NDArray[np.int64]
Double = npt.NDArray[np.float64]


def activity(network: Network, images: np.ndarray, targets: Targets) -> dict[str, Double]:
    """Return the mean share of samples in which each unit was active, by block and class.

    Shapes: (classes, units); a map's channel is one unit, active in a share of its places. A
    unit is active where its value is not zero; where winners only decide what learns, all values
    pass, and active is who wins. Classes without samples are NaN.
    """
    sums: dict[str, Double] = {}
    counts = np.bincount(targets, minlength=network.classes).astype(np.float64)
    for start in range(0, len(images), 256):
        outputs = network.outputs(images[start : start + 256])
        labels = targets[start : start + 256]
        for name in network.chain.blocks:
            on = _active(network, name, outputs[name])
            places = on.flatten(2) if on.dim() > 2 else on[..., None]
            share = places.to(torch.float64).mean(2).cpu().numpy()
            total = sums.setdefault(name, np.zeros((network.classes, share.shape[1])))
            np.add.at(total, labels, share)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {name: total / counts[:, None] for name, total in sums.items()}


def _active(network: Network, name: str, output: Tensor) -> Tensor:
    """Return which units of a block are active, bool like `output`."""
    layer = network.chain.layers[name]
    if isinstance(layer, KWinners) and layer.rules.winner_time == "learning":
        return layer.winners(output)
    return output != 0


def probe_accuracy(network: Network, images: np.ndarray, targets: Targets) -> dict[str, float]:
    """Return the accuracy of each block's own linear classifier, by block; empty without them."""
    right: dict[str, float] = dict.fromkeys(network.chain.heads, 0.0)
    for start in range(0, len(images) if right else 0, 256):
        outputs = network.outputs(images[start : start + 256])
        labels = torch.from_numpy(targets[start : start + 256])
        for name, head in network.chain.heads.items():
            with torch.no_grad():
                guess = head(outputs[name].flatten(1)).argmax(1).cpu()
            right[name] += float((guess == labels).sum())
    return {name: n / len(images) for name, n in right.items()}


def gradient_cosines(network: Network, images: np.ndarray, targets: Targets) -> dict[str, float]:
    """Return by layer the cosine between what it would learn from `images` and backprop's gradient.

    Weights: the credit rule's gradient against the exact one. Spatial poolers: the change of their
    permanences against the downhill direction of the loss, as if a synapse's permanence were
    a weight of its winner's output. Layers without any change are left out.
    """
    own, changes = _learned(network, images, targets)
    exact, slopes = _exact(network, images, targets)
    pairs = {name: (own[name], exact[name]) for name in own if name in exact}
    pairs |= {name: (changes[name], slopes[name]) for name in changes if name in slopes}
    found = {}
    for name, (first, second) in pairs.items():
        size = float(np.linalg.norm(first) * np.linalg.norm(second))
        if size > 0:
            found[name] = float((first * second).sum() / size)
    return found


def fields(network: Network) -> dict[str, Double]:
    """Return what units of the first layer see, (units, height, width), at most 32 of them.

    Convolution: weights, mean over channels. Spatial pooler on the image or its patches: 1 where a
    synapse is connected, mean over planes and channels. Empty where another layer stands first,
    or the input is no grid.
    """
    name, layer = next(iter(network.chain.layers.items()), ("", None))
    if len(network.given) != 3:
        return {}
    _, height, width = network.given
    if isinstance(layer, Conv):
        return {name: layer.weight[:32].detach().mean(1).cpu().numpy().astype(np.float64)}
    if isinstance(layer, SPLayer):
        side = layer.rules.patch
        if side is not None:
            height = width = side
        seen = layer.connected()[:32].numpy().astype(np.float64)
        return {name: seen.reshape(len(seen), -1, height, width).mean(1)}
    return {}


def _learned(
    network: Network, images: np.ndarray, targets: Targets
) -> tuple[dict[str, Double], dict[str, Double]]:
    twin = network.twin(network.parameters)
    before = {n: _permanences(p) for n, p in twin.chain.poolers.items()}
    _pass(twin, images, targets)
    changes = {n: _permanences(p) - before[n] for n, p in twin.chain.poolers.items()}
    return _gradients(twin), changes


def _exact(
    network: Network, images: np.ndarray, targets: Targets
) -> tuple[dict[str, Double], dict[str, Double]]:
    credit = network.parameters.credit.model_copy(update={"method": "backprop"})
    twin = network.twin(network.parameters.model_copy(update={"credit": credit}))
    for pooler in twin.chain.poolers.values():
        pooler.learns, pooler.watch = False, True
    _pass(twin, images, targets)
    slopes = {}
    for name, pooler in twin.chain.poolers.items():
        if pooler.seen is None or pooler.seen[2].grad is None:
            continue
        bits, winners, output = pooler.seen
        assert output.grad is not None
        rows = _rows(output.grad, pooler)
        won = np.concatenate([w.dense() for w in winners], 1)
        potential = _permanences(pooler) >= 0
        slopes[name] = -((rows * won).T @ bits.dense().astype(np.float64)) * potential
    return _gradients(twin), slopes


def _pass(twin: Network, images: np.ndarray, targets: Targets) -> None:
    """Let a twin learn from all of `images` at once, without a step of its optimizer."""
    twin.chain.train()
    twin.chain.prepare(0, True, False)
    labels = torch.from_numpy(targets).to(twin.device)
    outcome = twin.credit.add_gradients(twin.normalised(images), labels, len(images))
    right = (outcome.logits.argmax(1) == labels).cpu().numpy()
    for pooler in twin.chain.poolers.values():
        if pooler.learns:
            pooler.commit_reward(right, outcome.error.cpu().numpy().astype(np.float64))
    for layer in twin.chain.modules():
        if isinstance(layer, Weighted):
            layer.mask_gradient()


def _gradients(network: Network) -> dict[str, Double]:
    found = {}
    for name, layer in network.chain.layers.items():
        for part in layer.modules():
            if isinstance(part, Weighted) and part.weight.grad is not None:
                found[name] = part.weight.grad.cpu().numpy().astype(np.float64)
    return found


def _permanences(pooler: SPLayer) -> Double:
    parts = [model.state()["permanences"] for model in pooler.models]
    return np.concatenate(parts).astype(np.float64)


def _rows(gradient: Tensor, pooler: SPLayer) -> Double:
    """Return the gradient of the output as (samples or patches, units)."""
    values = gradient.permute(0, 2, 3, 1) if pooler.places else gradient
    return values.reshape(-1, pooler.units).cpu().numpy().astype(np.float64)
