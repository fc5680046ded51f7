"""Checks of networks before any data is read: names, shapes, windows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from htmrun.components import registry
from htmrun.components.networks import shapes
from htmrun.components.networks.parameters import (
    KWinnerParameters,
    NetworkParameters,
    SPLayerParameters,
)
from htmrun.errors import UserError, nearest

if TYPE_CHECKING:
    from htmrun.components.sources import SourceParameters
    from htmrun.config.schema import Arm, Experiment

IMAGES = ("digits", "idx", "cifar10", "folder", "npz")
"""Kinds of data that have images and classes."""


def shape_of(parameters: SourceParameters) -> shapes.Shape | None:
    """Return (channels, height, width) where the configuration alone tells; None elsewhere."""
    kind = registry.of(parameters).name
    if kind == "digits":
        return (1, 8, 8)
    if kind == "idx" and getattr(parameters, "path", None) is None:
        return (1, 28, 28)
    if kind == "cifar10":
        return (3, 32, 32)
    return None


def network_of(experiment: Experiment) -> NetworkParameters | None:
    """Return the network that is the experiment's whole pipeline; None if it is none."""
    stage = experiment.stages.get(experiment.pipeline[0])
    alone = len(experiment.pipeline) == 1
    return stage if alone and isinstance(stage, NetworkParameters) else None


def misplaced(experiment: Experiment, path: str) -> Iterator[str]:
    """Say where a network stands beside other stages."""
    for name in experiment.pipeline:
        if isinstance(experiment.stages[name], NetworkParameters) and len(experiment.pipeline) > 1:
            yield (
                f"{path}: found '{name}' (network) beside other stages, expected it alone (it "
                "reads images and names classes itself; kind sp makes a spatial pooler inside)"
            )


def problems(experiment: Experiment, network: NetworkParameters) -> Iterator[str]:
    """Say what cannot work whatever the arm: the data, and shapes where they are known."""
    name = experiment.pipeline[0]
    kind = registry.of(experiment.data).name
    if kind not in IMAGES:
        yield (
            f"{name}.kind: found 'network' with data.kind '{kind}', expected one of "
            f"{', '.join(IMAGES)}"
        )
        return
    known = shape_of(experiment.data)
    if known is None:
        return
    try:
        shapes.walk(network, known, name)
    except UserError as error:
        yield str(error)


def regime(
    experiment: Experiment, network: NetworkParameters, path: str, arm: Arm
) -> Iterator[str]:
    """Say what an arm cannot do with the network."""
    name = experiment.pipeline[0]
    layers = [f"{name}.{layer}" for layer in network.layers]
    for part, known in (("freeze", [name, *layers]), ("bypass", layers)):
        for index, given in enumerate(getattr(arm, part)):
            if given not in known:
                yield (
                    f"{path}.{part}[{index}]: found '{given}', expected one of "
                    f"{', '.join(known) or 'none (the network has no layers)'}"
                    f"{nearest(given, known)}"
                )
    shape = shape_of(experiment.data)
    bypassed = [given.partition(".")[2] for given in arm.bypass]
    if shape is None or any(layer not in network.layers for layer in bypassed):
        return
    try:
        sizes = shapes.walk(network, shape, name, bypassed)
    except UserError as error:
        if bypassed:
            yield f"{path}.bypass: {error}"
        return
    if name in arm.freeze or not network.learn:
        return
    window = arm.longest_window
    for layer_name, layer in network.layers.items():
        frozen = f"{name}.{layer_name}" in arm.freeze
        if layer_name in bypassed or frozen:
            continue
        if isinstance(layer, KWinnerParameters):
            yield from _too_long(
                path, arm, window, f"{name}.layers.{layer_name}", layer.duty_period
            )
        if isinstance(layer, SPLayerParameters) and layer.learn:
            places = math.prod(sizes[layer_name][1:]) if layer.patch else 1
            samples = min(places, layer.learn_patches or places)
            yield from _too_long(
                path, arm, window * samples, f"{name}.layers.{layer_name}", layer.duty_period
            )


def _too_long(path: str, arm: Arm, window: int, layer: str, period: int) -> Iterator[str]:
    from htmrun.config.schema import GrowingWindow

    place = "learn_every.limit" if isinstance(arm.learn_every, GrowingWindow) else "learn_every"
    if window > period:
        patches = "" if window == arm.longest_window else (
            f" ({window} patches in a window of {arm.longest_window})"
        )  # fmt: skip
        yield (
            f"{path}.{place}: {arm.longest_window} is too many for {layer}.duty_period = "
            f"{period}{patches}, expected at most {period * arm.longest_window // window}"
        )
