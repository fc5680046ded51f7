"""Which shape each layer puts out: checked before any data is read."""

from __future__ import annotations

import math

from htmrun.errors import UserError
from htmrun.networks.parameters import (
    ConvParameters,
    FlattenParameters,
    Layer,
    LinearParameters,
    NormParameters,
    PoolParameters,
    SPLayerParameters,
)

Shape = tuple[int, ...]


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
