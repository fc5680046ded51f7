"""Which shape each layer of a network puts out, and what it costs: known without torch."""

from __future__ import annotations

import math
from collections.abc import Collection

from htmrun.components.layout import Shape
from htmrun.components.networks.parameters import NetworkParameters
from htmrun.components.registry import component_of
from htmrun.errors import UserError


def image_shape(shape: Shape) -> tuple[int, int, int]:
    """Return (channels, height, width) of images of `shape`, (H, W) or (H, W, C)."""
    if len(shape) == 2:
        return 1, shape[0], shape[1]
    if len(shape) == 3:
        return shape[2], shape[0], shape[1]
    raise UserError(f"data: samples of shape {list(shape)}, expected images for a network")


def walk(
    network: NetworkParameters, shape: Shape, path: str, bypassed: Collection[str] = ()
) -> dict[str, Shape]:
    """Return the shape after each layer that is not bypassed; UserError where one does not fit."""
    found = {}
    for name, layer in network.layers.items():
        if name not in bypassed:
            shape = found[name] = component_of(layer).after(layer, shape, f"{path}.layers.{name}")
    return found


def costs(
    network: NetworkParameters, shape: Shape, classes: int, bypassed: Collection[str] = ()
) -> tuple[int, int, int]:
    """Return bytes of weights, and multiply-adds of an inference: with all weights, with existing.

    Spatial poolers count their permanences as bytes and no multiply-adds.
    """
    numbers = dense = existing = 0
    for name, out in walk(network, shape, "", bypassed).items():
        layer = network.layers[name]
        own = component_of(layer).costs(layer, shape, out)
        numbers, dense, existing = numbers + own[0], dense + own[1], existing + own[2]
        shape = out
    last = math.prod(shape) * classes
    return numbers + 4 * (last + classes), dense + last, existing + last
