"""Spatial poolers inside a network."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from htmrun.backends.parameters import Fraction, Parameters, SpatialPoolerParameters
from htmrun.components.layout import Shape
from htmrun.components.networks.layers import Layer, Size, sides
from htmrun.components.registry import register


class RewardParameters(Parameters):
    """A spatial pooler that hears how good the network's answer was, and nothing else."""

    levels: Literal["none", "good_bad", "good_neutral_bad", "scalar", "error_gate"] = Field(
        "none",
        description="What is heard of an answer; none: it learns without being told anything.",
    )
    on_wrong: Literal["none", "weaken"] = Field(
        "none", description="After a bad answer: nothing, or synapses of participants weaken."
    )
    vote_sigma: float | None = Field(
        None,
        ge=0.0,
        le=10.0,
        description="Only winners whose overlap lies this many standard deviations above the mean "
        "take part; null: all winners.",
    )
    threshold: Fraction = Field(
        0.5,
        description="error_gate: an answer is bad from this error on; good_neutral_bad: wrong "
        "answers below this error are neutral. Error: 1 - probability of the right class.",
    )


class SPLayerParameters(SpatialPoolerParameters):
    """A spatial pooler inside the network; it learns by its own rule, not by gradients."""

    kind: Literal["sp"] = "sp"  # type: ignore[assignment]
    on_above: tuple[float, ...] = Field(
        (0.0,),
        min_length=1,
        max_length=64,
        description="Values above this are on-bits; several: one plane of bits for each.",
    )
    patch: Size | None = Field(
        None, description="It sees squares of this size, one at each place; null: the whole input."
    )
    stride: Size = Field(1, description="Step between patches.")
    learn_patches: Size | None = Field(
        None, description="Patches of a sample that it learns from, at random; null: all."
    )
    copies: int = Field(1, ge=1, le=64, description="Spatial poolers side by side, of other seeds.")
    output: Literal["binary", "float", "weights"] = Field(
        "binary",
        description="What a winner puts out: 1; the mean of its connected inputs' values; or their "
        "weighted sum, with a float weight for each connected synapse.",
    )
    gradient: Literal["none", "straight_through", "kwinner"] = Field(
        "none",
        description="What passes back through connected synapses: nothing, the error of all "
        "columns, or of the winners.",
    )
    reward: RewardParameters = Field(
        RewardParameters.model_validate({}), description="What it hears of the network's answers."
    )

    @model_validator(mode="after")
    def _check_layer(self) -> SPLayerParameters:
        if list(self.on_above) != sorted(set(self.on_above)):
            raise ValueError(f"on_above: found {list(self.on_above)}, expected ascending numbers")
        if self.patch is not None and (self.column_shape or self.inhibition == "local"):
            raise ValueError(
                "column_shape: found a grid together with patch, expected null (columns compete at "
                "each place)"
            )
        if self.patch is not None and self.output == "weights":
            raise ValueError("output: found 'weights' with patch, expected binary or float")
        if self.patch is None and self.learn_patches is not None:
            raise ValueError(
                f"learn_patches: found {self.learn_patches} without patch, expected null"
            )
        if self.output == "weights" and self.gradient == "straight_through":
            raise ValueError("gradient: found 'straight_through' with output 'weights', expected "
                             "none or kwinner")  # fmt: skip
        if self.reward.levels == "none" and self.reward.vote_sigma is not None:
            raise ValueError(
                f"reward.vote_sigma: found {self.reward.vote_sigma} with reward.levels 'none', "
                "expected null"
            )
        if self.reward.levels != "none" and self.patch is not None:
            raise ValueError(
                f"reward.levels: found '{self.reward.levels}' with patch, expected none (a reward "
                "speaks of whole samples)"
            )
        if self.reward.levels != "none" and self.inhibition_radius == "connected":
            raise ValueError(
                "inhibition_radius: found 'connected' with a reward, expected a number (rewards "
                "move synapses by themselves)"
            )
        for name in ("weak_bump", "push"):
            if self.reward.levels != "none" and getattr(self, name) > 0:
                raise ValueError(
                    f"{name}: found {getattr(self, name)} with a reward, expected 0 (participants "
                    "learn by their reward alone)"
                )
        return self


@register("layer", SPLayerParameters)
class SpatialPoolerLayer(Layer):
    """Values to winners, which learn by a rule of their own."""

    torch = "htmrun.components.networks.sp_layer"
    ends_block = True

    @classmethod
    def after(cls, parameters: SPLayerParameters, shape: Shape, path: str) -> Shape:
        """Return the columns of all copies, at each place of a patch."""
        p = parameters
        units = p.columns * p.copies
        if p.patch is None:
            return (units,)
        return (units, *sides(p.patch, p.stride, 0, shape, path, "patch"))

    @classmethod
    def costs(cls, parameters: SPLayerParameters, shape: Shape, out: Shape) -> tuple[int, int, int]:
        """Count permanences as bytes, and no multiply-adds."""
        p = parameters
        inside = math.prod(shape) if p.patch is None else shape[0] * p.patch**2
        return 2 * p.columns * p.copies * inside * len(p.on_above), 0, 0

    @classmethod
    def period(cls, parameters: SPLayerParameters, out: Shape) -> tuple[int, int] | None:
        """Return the period of its duty cycles, and the patches that a sample is, if it learns."""
        places = math.prod(out[1:])
        each = min(places, parameters.learn_patches or places)
        return (parameters.duty_period, each) if parameters.learn else None
