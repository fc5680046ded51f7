"""Which shape each layer puts out: checked before any data is read."""

from __future__ import annotations

import math
from collections.abc import Collection

from htmrun.components.networks.parameters import (
    ConvParameters,
    FlattenParameters,
    KWinnerParameters,
    Layer,
    LinearParameters,
    NetworkParameters,
    NormParameters,
    PoolParameters,
    SPLayerParameters,
)
from htmrun.errors import UserError

Shape = tuple[int, ...]


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
            shape = found[name] = after(layer, shape, f"{path}.layers.{name}")
    return found


def costs(
    network: NetworkParameters, shape: Shape, classes: int, bypassed: Collection[str] = ()
) -> tuple[int, int, int]:
    """Return bytes of weights, and multiply-adds of an inference: with all weights, with existing.

    Spatial poolers count their permanences as bytes and no multiply-adds.
    """
    numbers = dense = existing = 0
    for name, layer in network.layers.items():
        if name in bypassed:
            continue
        out = after(layer, shape, name)
        if isinstance(layer, ConvParameters | LinearParameters):
            units, places = out[0], math.prod(out[1:])
            fan = math.prod(shape)
            if isinstance(layer, ConvParameters):
                fan = shape[0] * layer.kernel**2
            kept = max(1, math.floor(layer.weight_density * fan + 0.5))
            numbers += 4 * units * (fan + 1)
            dense, existing = dense + units * places * fan, existing + units * places * kept
        elif isinstance(layer, SPLayerParameters):
            inside = math.prod(shape) if layer.patch is None else shape[0] * layer.patch**2
            numbers += 2 * layer.columns * layer.copies * inside * len(layer.on_above)
        shape = out
    last = math.prod(shape) * classes
    return numbers + 4 * (last + classes), dense + last, existing + last


def after(layer: Layer, shape: Shape, path: str) -> Shape:
    """Return the shape after `layer` of an input of `shape`; UserError where it does not fit."""
    if isinstance(layer, LinearParameters):
        return (layer.units,)
    if isinstance(layer, FlattenParameters):
        return (math.prod(shape),)
    if isinstance(layer, NormParameters):
        if layer.over == "group" and shape[0] % layer.groups:
            raise UserError(
                f"{path}.groups: {layer.groups} does not divide {shape[0]} channels, expected a "
                "divisor"
            )
        return shape
    if isinstance(layer, SPLayerParameters):
        if layer.patch is None:
            return (layer.columns * layer.copies,)
        sides = _sides(layer.patch, layer.stride, 0, shape, path, "patch")
        return (layer.columns * layer.copies, *sides)
    if isinstance(layer, PoolParameters):
        return (shape[0], *_sides(layer.size, layer.size, 0, shape, path, "size"))
    if isinstance(layer, ConvParameters):
        sides = _sides(layer.kernel, layer.stride, layer.padding, shape, path, "kernel")
        return (layer.channels, *sides)
    return shape


def period(layer: Layer, out: Shape) -> tuple[int, int] | None:
    """Return the period of the duty cycles of a layer that learns, in samples of its own.

    And how many of these a sample of the network is; out: the layer's output. None without any.
    """
    if isinstance(layer, KWinnerParameters):
        return layer.duty_period, 1
    if isinstance(layer, SPLayerParameters) and layer.learn:
        places = math.prod(out[1:])
        return layer.duty_period, min(places, layer.learn_patches or places)
    return None


def _sides(
    window: int, step: int, padding: int, shape: Shape, path: str, field: str
) -> tuple[int, ...]:
    if len(shape) != 3:
        raise UserError(
            f"{path}.kind: the input is a vector of {shape[0]} values, expected an image "
            "(channels x height x width)"
        )
    sides = tuple((side + 2 * padding - window) // step + 1 for side in shape[1:])
    if min(shape[1:]) + 2 * padding < window:
        raise UserError(
            f"{path}.{field}: {window} is larger than the input of {shape[1]} x {shape[2]}, "
            f"expected at most {min(shape[1:]) + 2 * padding}"
        )
    return sides
