"""What a user can set on a network: its layers in order, and how it learns."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from htmrun.backends.parameters import (
    Parameters,
    PositiveFraction,
)
from htmrun.components.classifiers.horizons import HorizonParameters
from htmrun.components.registry import Section

LayerName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Layer = Annotated[Parameters, Section(("layer",))]


class OptimizerParameters(Parameters):
    """How a commit turns the mean gradient of a window into a step."""

    method: Literal["sgd", "momentum", "rmsprop", "adam"] = Field(
        "momentum", description="Plain steps, with momentum, RMSProp or Adam."
    )
    learning_rate: float = Field(
        0.01, gt=0.0, le=100.0, allow_inf_nan=False, description="Length of a step, at first."
    )
    window: int | None = Field(
        None,
        ge=1,
        le=1 << 24,
        description="The learning rate is meant for windows of this many samples, and others get "
        "theirs in proportion; null: it is the same for all.",
    )
    momentum: float = Field(
        0.9, ge=0.0, lt=1.0, description="Share of the last step in the next; momentum only."
    )
    decay: float = Field(
        0.99, ge=0.0, lt=1.0, description="Memory of squared gradients; rmsprop and adam only."
    )
    weight_decay: float = Field(
        0.0, ge=0.0, le=1.0, description="Share of a weight added to its gradient."
    )
    schedule: Literal["constant", "linear", "cosine", "step"] = Field(
        "constant",
        description="How the learning rate falls: not, to 0 over the run, or by `factor` an epoch.",
    )
    factor: PositiveFraction = Field(
        0.5, description="step: the learning rate is multiplied by this after each epoch."
    )
    warm_up: float = Field(
        0.0, ge=0.0, lt=1.0, description="Share of the run in which the rate rises from 0."
    )


class CreditParameters(Parameters):
    """How errors find the weights that are to blame."""

    method: Literal["backprop", "local", "feedback_alignment", "direct_feedback"] = Field(
        "backprop",
        description="Exact gradients; a loss at every block; fixed random weights backward, layer "
        "by layer, or from the output straight to every block.",
    )
    local: float = Field(
        1.0, ge=0.0, le=100.0, description="local: weight of each block's own loss."
    )
    downstream: float = Field(
        0.0, ge=0.0, le=100.0, description="local: weight of the errors of later blocks."
    )
    gate: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="Only samples with an error above this are learned from; null: all. Error: 1 - "
        "probability of the right class.",
    )
    label_smoothing: float = Field(
        0.0, ge=0.0, lt=1.0, description="Share of the target spread over all classes."
    )


class NetworkParameters(HorizonParameters):
    """A network from images or bits to classes: layers in order, then a linear readout."""

    kind: Literal["network"] = "network"
    layers: dict[LayerName, Layer] = Field(
        default_factory=dict, description="Layers by name, in order; the readout is added."
    )
    white: float | None = Field(
        None, gt=0.0, le=65_535.0, description="Pixel value that counts as 1; null: of the data."
    )
    mean: float = Field(
        0.1307, allow_inf_nan=False, description="Subtracted from pixels, which go from 0 to 1."
    )
    std: float = Field(
        0.3081, gt=0.0, le=1e6, description="Pixels are divided by this, after the mean."
    )
    gain: float = Field(
        1.0,
        gt=0.0,
        le=100.0,
        description="Weights start with a variance of gain squared over a unit's inputs.",
    )
    optimizer: OptimizerParameters = Field(
        OptimizerParameters.model_validate({}), description="How a commit makes a step."
    )
    credit: CreditParameters = Field(
        CreditParameters.model_validate({}), description="How errors find the weights."
    )
    probes: bool = Field(
        False, description="A linear probe learns beside each block; nothing is learned from it."
    )
    prequential: bool = Field(
        True,
        description="Score training samples before they are learned; false saves a forward pass "
        "where learning and inference differ (batch norm, dropout).",
    )
    learn: bool = Field(True, description="false: nothing changes.")

    @model_validator(mode="after")
    def _check_names(self) -> NetworkParameters:
        for name in self.layers:
            if name in ("readout", "pending", "optimizer", "counters", "local", "probe"):
                raise ValueError(f"layers.{name}: found a reserved name, expected another")
        return self
