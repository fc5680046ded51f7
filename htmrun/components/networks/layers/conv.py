"""Convolution."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from htmrun.backends.parameters import Parameters, PositiveFraction
from htmrun.components.layout import Shape
from htmrun.components.networks.layers import Layer, Size, sides, weighted_costs
from htmrun.components.registry import register


class ConvParameters(Parameters):
    """Convolution over an image; every output channel has the same number of weights."""

    kind: Literal["conv"] = "conv"
    channels: Size = Field(..., description="Output channels.")
    kernel: Size = Field(5, description="Height and width of the kernel.")
    stride: Size = Field(1, description="Step of the kernel.")
    padding: int = Field(0, ge=0, le=1024, description="Zeros put around the image.")
    weight_density: PositiveFraction = Field(
        1.0, description="Share of each channel's weights that exist; the others stay zero."
    )


@register("layer", ConvParameters)
class ConvLayer(Layer):
    """Images to images, or maps."""

    torch = "htmrun.components.networks.weights"

    @classmethod
    def after(cls, parameters: ConvParameters, shape: Shape, path: str) -> Shape:
        """Return channels and sides of the maps."""
        p = parameters
        return (p.channels, *sides(p.kernel, p.stride, p.padding, shape, path, "kernel"))

    @classmethod
    def costs(cls, parameters: ConvParameters, shape: Shape, out: Shape) -> tuple[int, int, int]:
        """Count a kernel for each channel, at each place."""
        fan = shape[0] * parameters.kernel**2
        return weighted_costs(out[0], math.prod(out[1:]), fan, parameters.weight_density)
