"""Pooling."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from htmrun.backends.parameters import Parameters
from htmrun.components.layout import Shape
from htmrun.components.networks.layers import Layer, Size, sides
from htmrun.components.registry import register


class PoolParameters(Parameters):
    """Pooling: the largest or the mean value of each square of the image."""

    kind: Literal["pool"] = "pool"
    take: Literal["max", "mean"] = Field("max", description="What stands for a square.")
    size: Size = Field(2, description="Height, width and step of the squares.")


@register("layer", PoolParameters)
class PoolLayer(Layer):
    """Images to smaller ones."""

    torch = "htmrun.components.networks.plain"

    @classmethod
    def after(cls, parameters: PoolParameters, shape: Shape, path: str) -> Shape:
        """Return the same channels, a place for each square."""
        size = parameters.size
        return (shape[0], *sides(size, size, 0, shape, path, "size"))
