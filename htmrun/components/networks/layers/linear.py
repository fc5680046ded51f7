"""Fully connected."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from htmrun.backends.parameters import Parameters, PositiveFraction
from htmrun.components.layout import Shape
from htmrun.components.networks.layers import Layer, Size, weighted_costs
from htmrun.components.registry import register


class LinearParameters(Parameters):
    """Fully connected layer; every unit has the same number of weights."""

    kind: Literal["linear"] = "linear"
    units: Size = Field(..., description="Output units.")
    weight_density: PositiveFraction = Field(
        1.0, description="Share of each unit's weights that exist; the others stay zero."
    )


@register("layer", LinearParameters)
class LinearLayer(Layer):
    """Vectors, or images as vectors, to vectors."""

    torch = "htmrun.components.networks.weights"

    @classmethod
    def after(cls, parameters: LinearParameters, shape: Shape, path: str) -> Shape:
        """Return the units."""
        return (parameters.units,)

    @classmethod
    def costs(cls, parameters: LinearParameters, shape: Shape, out: Shape) -> tuple[int, int, int]:
        """Count a weight for each input and unit."""
        return weighted_costs(parameters.units, 1, math.prod(shape), parameters.weight_density)
