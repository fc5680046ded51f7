"""k-winners."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from htmrun.backends.parameters import Parameters, PositiveFraction
from htmrun.components.layout import Shape
from htmrun.components.networks.layers import Layer
from htmrun.components.registry import register


class KWinnerParameters(Parameters):
    """Exactly the k highest values stay; ties go to the lowest index (Ahmad, Scheinkman 2019)."""

    kind: Literal["kwinner"] = "kwinner"
    density: PositiveFraction = Field(
        0.1, description="Share that wins: of all units, or of the channels at each place if local."
    )
    inhibition: Literal["global", "local"] = Field(
        "global", description="Units compete with all others, or channels at each place of a map."
    )
    activation: Literal["linear", "relu"] = Field(
        "linear", description="What a winner puts out: its value, or zero where that is negative."
    )
    boost_strength: float = Field(
        1.0, ge=0.0, le=100.0, description="How strongly rare winners are favoured; 0: off."
    )
    boost_decay: PositiveFraction = Field(
        1.0, description="The boost strength is multiplied by this after each epoch."
    )
    duty_period: int = Field(
        1000, ge=1, le=1 << 24, description="Samples over which duty cycles average."
    )
    inference_factor: float = Field(
        1.0, gt=0.0, le=100.0, description="Winners at inference are this many times as many."
    )
    winner_time: Literal["forward", "learning"] = Field(
        "forward",
        description="learning: all values pass forward, only winners' errors go backward.",
    )
    error_target: Literal["active", "inactive", "all"] = Field(
        "active", description="Units that the error reaches: the winners, the others, or all."
    )


@register("layer", KWinnerParameters)
class KWinnerLayer(Layer):
    """Values to the same, but for the losers."""

    torch = "htmrun.components.networks.winners"
    ends_block = True

    @classmethod
    def period(cls, parameters: KWinnerParameters, out: Shape) -> tuple[int, int]:
        """Return the period of its duty cycles."""
        return parameters.duty_period, 1
