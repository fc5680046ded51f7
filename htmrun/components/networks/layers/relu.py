"""The rectifier."""

from __future__ import annotations

from typing import Literal

from htmrun.backends.parameters import Parameters
from htmrun.components.networks.layers import Layer
from htmrun.components.registry import register


class ReLUParameters(Parameters):
    """Rectifier: negative values become zero."""

    kind: Literal["relu"] = "relu"


@register("layer", ReLUParameters)
class ReLULayer(Layer):
    """Values to values."""

    torch = "htmrun.components.networks.plain"
    ends_block = True
