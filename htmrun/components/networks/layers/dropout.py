"""Dropout."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from htmrun.backends.parameters import Parameters
from htmrun.components.networks.layers import Layer
from htmrun.components.registry import register


class DropoutParameters(Parameters):
    """Sets a random share of the values to zero while learning."""

    kind: Literal["dropout"] = "dropout"
    rate: float = Field(0.5, ge=0.0, lt=1.0, description="Share of the values that is dropped.")


@register("layer", DropoutParameters)
class DropoutLayer(Layer):
    """Values to the same, but for those that are dropped."""

    torch = "htmrun.components.networks.plain"
