"""A network layer: what is known of it without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from htmrun.backends.parameters import Parameters
from htmrun.components.networks.layers import Layer
from htmrun.components.registry import register


class SoftsignParameters(Parameters):
    """x / (width + |x|): from -1 to 1, with long tails."""

    kind: Literal["softsign"] = "softsign"
    width: float = Field(1.0, gt=0.0, description="Where half of the way to 1 is reached.")


@register("layer", SoftsignParameters)
class SoftsignLayer(Layer):
    """Values to values."""

    torch = "htmrun_example.softsign_torch"
    ends_block = True
