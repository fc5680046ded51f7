"""What a user can set on a network: its layers in order, and how it learns."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from htmrun.backends.parameters import (
    Fraction,
    Parameters,
    PositiveFraction,
    SpatialPoolerParameters,
)
from htmrun.components.classifiers.horizons import HorizonParameters
from htmrun.components.registry import Section, register

Size = Annotated[int, Field(ge=1, le=1 << 20)]
LayerName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
ACTIVATIONS = ("relu", "kwinner", "binary", "sp")
"""Layers that end a block: where local losses and direct feedback reach in."""


class ConvParameters(Parameters):
    """Convolution over an image; every output channel has the same number of weights."""

    kind: Literal["conv"] = "conv"
    channels: Size = Field(..., description="Output channels.")
    kernel: Size = Field(5, description="Height and width of the kernel.")
    stride: Size = Field(1, description="Step of the kernel.")
    padding: int = Field(0, ge=0, le=1024, description="Zeros put around the image.")
    weight_density: PositiveFraction = Field(
        1.0, description="Share of each channel's weights that exist; the others stay zero."
    )


class LinearParameters(Parameters):
    """Fully connected layer; every unit has the same number of weights."""

    kind: Literal["linear"] = "linear"
    units: Size = Field(..., description="Output units.")
    weight_density: PositiveFraction = Field(
        1.0, description="Share of each unit's weights that exist; the others stay zero."
    )


class NormParameters(Parameters):
    """Normalisation: over the window (batch), or over each sample (layer, group)."""

    kind: Literal["norm"] = "norm"
    over: Literal["none", "batch", "layer", "group"] = Field(
        "batch",
        description="batch: each channel over the window (a single vector: by the running "
        "statistics); layer, group: each sample.",
    )
    groups: Size = Field(4, description="Groups of channels; used by group only.")
    momentum: PositiveFraction = Field(
        0.1, description="Weight of a window in the running statistics; used by batch only."
    )


class PoolParameters(Parameters):
    """Pooling: the largest or the mean value of each square of the image."""

    kind: Literal["pool"] = "pool"
    take: Literal["max", "mean"] = Field("max", description="What stands for a square.")
    size: Size = Field(2, description="Height, width and step of the squares.")


class ReLUParameters(Parameters):
    """Rectifier: negative values become zero."""

    kind: Literal["relu"] = "relu"


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


class DropoutParameters(Parameters):
    """Sets a random share of the values to zero while learning."""

    kind: Literal["dropout"] = "dropout"
    rate: float = Field(0.5, ge=0.0, lt=1.0, description="Share of the values that is dropped.")


class FlattenParameters(Parameters):
    """An image becomes a vector, channel by channel."""

    kind: Literal["flatten"] = "flatten"


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
        if self.reward.levels != "none" and self.weak_bump > 0:
            raise ValueError(
                f"weak_bump: found {self.weak_bump} with a reward, expected 0 (only participants "
                "learn)"
            )
        return self


for _layer in (
    ConvParameters, LinearParameters, NormParameters, PoolParameters, ReLUParameters,
    KWinnerParameters, BinaryParameters, DropoutParameters, FlattenParameters, SPLayerParameters,
):  # fmt: skip
    register("layer", _layer)(_layer)
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
