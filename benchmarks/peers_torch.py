"""Work that torch can do: the plain loop over single samples or batches, and a pooler of its parts.

Networks begin with our weights and must end with ours, bit for bit, or it is an error; so must the
pooler that is put together from torch's operations (`htmrun.claims.composed`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from networks import CLASSES, SIDE, Layers, cnn, mlp
from torch import nn

from htmrun.backends import load_backend
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.claims.composed import ComposedPooler
from htmrun.claims.costs import patterns
from htmrun.components.networks.network import Network
from htmrun.components.networks.parameters import NetworkParameters

NAME, SAME = "torch", True
SAMPLES = 64
Turn = Callable[[], int]
Start = Callable[[], tuple[Turn, Turn | None]]


def works(quick: bool) -> Iterator[tuple[str, int, Start]]:
    """Yield name, samples a call of ours, and what starts both."""
    for batch in (1, 16):
        for name, layers, made in (
            ("softmax on pixels", {}, softmax),
            ("784-1024-1024-10", mlp(1.0), wide),
            ("CNN, 32 and 64 channels", cnn(1.0, False), convolutional),
        ):
            what = f"{name}, momentum, batches of {batch}"
            yield what, SAMPLES, partial(networks, layers, made, batch)
    for columns in (2048,) if quick else (2048, 4096):
        for window in (1, 100):
            what = f"SP 1024 -> {columns} of torch's operations, learning, windows of {window}"
            yield what, 100, partial(poolers, columns, window)


def softmax() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, CLASSES))


def wide() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(SIDE * SIDE, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(),
        nn.Linear(1024, CLASSES),
    )  # fmt: skip


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(32, 64, 5), nn.MaxPool2d(2),
        nn.ReLU(), nn.Flatten(), nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, CLASSES),
    )  # fmt: skip


def networks(layers: Layers, made: Callable[[], nn.Module], batch: int) -> tuple[Turn, Turn]:
    """Return turns over the same images: our network, and the loop that everybody writes."""
    parameters = NetworkParameters.model_validate({"layers": layers})
    network = Network(
        parameters, (SIDE, SIDE), CLASSES, 0, load_backend("cpu"), samples=1 << 20,
        per_epoch=1 << 20,
    )  # fmt: skip
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (SAMPLES, SIDE, SIDE)).astype(np.uint8)
    labels, plan = random.integers(0, CLASSES, SAMPLES), Plan.every(batch, SAMPLES)
    model, given, targets = made(), network.normalised(images), torch.from_numpy(labels)
    chain = nn.Sequential(*network.chain.layers.values(), network.chain.readout)
    twins = list(zip(model.parameters(), chain.parameters(), strict=True))
    with torch.no_grad():
        for to, start in twins:
            to.copy_(start)
    o = parameters.optimizer
    optimizer = torch.optim.SGD(model.parameters(), lr=o.learning_rate, momentum=o.momentum)

    def ours() -> int:
        network.run(images, labels, plan)
        return SAMPLES

    def theirs() -> int:
        for start in range(0, SAMPLES, batch):
            optimizer.zero_grad()
            logits = model(given[start : start + batch])
            nn.functional.cross_entropy(logits, targets[start : start + batch]).backward()
            optimizer.step()
        return SAMPLES

    ours(), theirs()
    if not all(torch.equal(a, b) for a, b in twins):
        raise SystemExit(f"{list(layers)}: torch's loop ends with other weights than our network")
    return ours, theirs


def poolers(columns: int, window: int) -> tuple[Turn, Turn]:
    """Return turns over the same patterns: our pooler, and one of torch's operations."""
    bits = patterns(0, 100, 1024, 0.05)
    rules = SpatialPoolerParameters.model_validate({"columns": columns})
    pooler = load_backend("cpu").SpatialPooler(rules, (bits.size,), 0)
    composed = ComposedPooler(rules, pooler.state()["permanences"])
    plan = Plan.every(window, len(bits))
    same = np.array_equal(
        pooler.run(bits, plan).indices.reshape(len(bits), -1), composed.run(bits, window)
    )
    if not (same and np.array_equal(pooler.state()["permanences"], composed.permanences.numpy())):
        raise SystemExit(f"SP 1024 -> {columns}: torch's operations give other winners than ours")
    return (
        lambda: len(pooler.run(bits, plan)),
        lambda: len(composed.run(bits, window)),
    )
