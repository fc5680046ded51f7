"""Images as vectors."""

from __future__ import annotations

import math
from typing import Literal

from htmrun.backends.parameters import Parameters
from htmrun.components.layout import Shape
from htmrun.components.networks.layers import Layer
from htmrun.components.registry import register


class FlattenParameters(Parameters):
    """An image becomes a vector, channel by channel."""

    kind: Literal["flatten"] = "flatten"


@register("layer", FlattenParameters)
class FlattenLayer(Layer):
    """Images to vectors."""

    torch = "htmrun.components.networks.plain"

    @classmethod
    def after(cls, parameters: FlattenParameters, shape: Shape, path: str) -> Shape:
        """Return how many values there are."""
        return (math.prod(shape),)
