"""What sparse layers cost beside their dense twins: python benchmarks/networks.py [--quick].

A step is one sample in a window of one: forward, backward and the step of the optimizer. Twins take
turns, so that other work on the machine meets both; the ratio is of medians of processor time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from htmrun.backends import load_backend
from htmrun.backends.plan import Plan
from htmrun.components.networks.network import Network
from htmrun.components.networks.parameters import NetworkParameters

SIDE, CLASSES = 28, 10
Layers = dict[str, dict[str, Any]]


def cnn(density: float, winners: bool) -> Layers:
    """Return the shipped CNN, dense or sparse in its weights, with rectifiers or k-winners."""
    act = {"kind": "kwinner", "density": 0.3} if winners else {"kind": "relu"}
    top = {"kind": "kwinner", "density": 0.1} if winners else {"kind": "relu"}
    return {
        "conv1": {"kind": "conv", "channels": 32},
        "pool1": {"kind": "pool"},
        "act1": act,
        "conv2": {"kind": "conv", "channels": 64, "weight_density": density},
        "pool2": {"kind": "pool"},
        "act2": act,
        "hidden": {"kind": "linear", "units": 512, "weight_density": density},
        "act3": top,
    }


def mlp(density: float) -> Layers:
    """Return two wide hidden layers, where weights cost more than anything else."""
    return {
        "a": {"kind": "linear", "units": 1024, "weight_density": density},
        "act": {"kind": "relu"},
        "b": {"kind": "linear", "units": 1024, "weight_density": density},
        "top": {"kind": "relu"},
    }


PAIRS: dict[str, tuple[Layers, Layers]] = {
    "CNN, weights .3": (cnn(1.0, False), cnn(0.3, False)),
    "CNN, weights .3 and k-winners": (cnn(1.0, False), cnn(0.3, True)),
    "784-1024-1024, weights .1": (mlp(1.0), mlp(0.1)),
}


def stepper(layers: Layers, window: int) -> Callable[[], float]:
    """Return a function that makes one commit and returns its processor time in seconds."""
    parameters = NetworkParameters.model_validate({"layers": layers})
    network = Network(
        parameters,
        (SIDE, SIDE),
        CLASSES,
        0,
        load_backend("cpu"),
        samples=1 << 20,
        per_epoch=1 << 20,
    )
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (window, SIDE, SIDE)).astype(np.uint8)
    targets = random.integers(0, CLASSES, window)
    plan = Plan.every(window, window)

    def step() -> float:
        begun = time.process_time()
        network.run(images, targets, plan)
        return time.process_time() - begun

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    steps = 40 if parser.parse_args().quick else 400
    print("| pair | window | dense, ms | sparse, ms | ratio |\n| --- | --- | --- | --- | --- |")
    for name, layers in PAIRS.items():
        for window in (1, 16):
            twins = [stepper(part, window) for part in layers]
            for twin in twins * 3:
                twin()
            times = np.array(
                [[twin() for twin in twins] for _ in range(steps // (1 if window == 1 else 4))]
            )
            dense, sparse = np.median(times, axis=0) * 1e3
            print(f"| {name} | {window} | {dense:.2f} | {sparse:.2f} | {sparse / dense:.2f} |")


if __name__ == "__main__":
    main()
