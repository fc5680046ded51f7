"""Normalisation."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from htmrun.backends.parameters import Parameters, PositiveFraction
from htmrun.components.layout import Shape
from htmrun.components.networks.layers import Layer, Size
from htmrun.components.registry import register
from htmrun.errors import UserError


class NormParameters(Parameters):
    """Normalisation: over the window (batch), or over each sample (layer, group)."""

    kind: Literal["norm"] = "norm"
    over: Literal["none", "batch", "layer", "group"] = Field(
        "batch",
        description="batch: each channel over the window and its places, which must be two values "
        "or more; layer, group: each sample.",
    )
    groups: Size = Field(4, description="Groups of channels; used by group only.")
    momentum: PositiveFraction = Field(
        0.1, description="Weight of a window in the running statistics; used by batch only."
    )


@register("layer", NormParameters)
class NormLayer(Layer):
    """Values less a mean, over a deviation."""

    torch = "htmrun.components.networks.plain"

    @classmethod
    def after(cls, parameters: NormParameters, shape: Shape, path: str) -> Shape:
        """Return the same shape, if groups divide its channels."""
        if parameters.over == "group" and shape[0] % parameters.groups:
            raise UserError(
                f"{path}.groups: {parameters.groups} does not divide {shape[0]} channels, expected "
                "a divisor"
            )
        return shape

    @classmethod
    def least_window(cls, parameters: NormParameters, out: Shape) -> tuple[int, str] | None:
        """Return 2 for batch norm where a channel has one value in a sample, else None."""
        if parameters.over != "batch" or math.prod(out[1:]) > 1:
            return None
        return 2, "batch norm of one value has no variance; over: layer or group needs no window"
