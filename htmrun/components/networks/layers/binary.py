"""A step."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from htmrun.backends.parameters import Parameters
from htmrun.components.networks.layers import Layer
from htmrun.components.registry import register


class BinaryParameters(Parameters):
    """1 where the value reaches the inflection, else 0; the error passes straight through."""

    kind: Literal["binary"] = "binary"
    inflection: float = Field(
        0.4, allow_inf_nan=False, description="Values from here on become 1, the others 0."
    )
    width: float = Field(
        1.0,
        gt=0.0,
        le=1e6,
        description="The error passes where the value is within this distance of the inflection.",
    )


@register("layer", BinaryParameters)
class BinaryLayer(Layer):
    """Values to zeros and ones."""

    torch = "htmrun.components.networks.binary"
    ends_block = True
