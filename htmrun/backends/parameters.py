"""Parameters of the learning stages: frozen, validated, documented where they stand.

Permanences, rates and duty cycles are given as fractions; backends turn them into
fixed-point integers. Field descriptions are what `htmrun show` prints.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
PositiveFraction = Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False)]


LARGEST = 1e150
"""What a number of a user may be at most: its square is a number, too."""
NO_EFFECT: dict[str, Any] = {"effect": "none"}
"""Marks a field that may differ between two runs of a job that give the same bytes."""


class Parameters(BaseModel):
    """Base of everything a user can set: unknown keys, wrong types and later changes are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=False, validate_default=True, allow_inf_nan=False,
        # A command uses a dozen of the hundred kinds; building the others takes longer than it.
        defer_build=True,
    )  # fmt: skip


class RangeParameters(Parameters):
    """Ends of a range of values, which may be left to the data."""

    minimum: float | None = Field(None, allow_inf_nan=False)
    maximum: float | None = Field(None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError(
                f"minimum: {self.minimum} is not below maximum = {self.maximum}, expected less"
            )
        return self


def round_half_up(x: float) -> int:
    """Return the integer nearest to `x` >= 0, halves upwards (Python's round goes to even)."""
    return math.floor(x + 0.5)


class SpatialPoolerParameters(Parameters):
    """Spatial pooler (Cui, Ahmad, Hawkins 2017; BAMI chapter "Spatial Pooling Algorithm")."""

    kind: Literal["spatial_pooler"] = "spatial_pooler"
    columns: int = Field(2048, ge=1, le=1 << 24, description="Number of columns.")
    column_shape: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(
        None, description="Grid of the columns, e.g. [64, 32]; needed for local inhibition."
    )
    density: float = Field(
        0.02, gt=0.0, le=0.5, description="Share of columns that win (per neighbourhood if local)."
    )
    winners: int | None = Field(
        None,
        ge=1,
        description="Exact number of winners; overrides density. Global inhibition only.",
    )
    inhibition: Literal["global", "local"] = Field(
        "global", description="Columns compete with all others, or with neighbours in column_shape."
    )
    inhibition_radius: Annotated[int, Field(ge=1)] | Literal["connected"] | None = Field(
        None,
        description="Local inhibition: neighbourhood reaches this far in each dimension; "
        "connected: as far as connected synapses reach on average, as they change.",
    )
    potential_fraction: PositiveFraction = Field(
        0.5, description="Share of the reachable inputs that a column has synapses to."
    )
    potential_radius: int | None = Field(
        None, ge=0, description="Reach of a column around its centre in the input grid; null: all."
    )
    wrap: bool = Field(True, description="Topology wraps around at the edges.")
    stimulus_threshold: int = Field(
        1, ge=1, description="Smallest overlap with which a column can win."
    )
    connected: PositiveFraction = Field(
        0.1, description="Permanence from which a synapse is connected."
    )
    increment: Fraction = Field(
        0.05, description="Added to a winner's synapse when its input is on."
    )
    decrement: Fraction = Field(
        0.008, description="Taken from a winner's synapse when its input is off."
    )
    push: Fraction = Field(
        0.0,
        description="Each win also moves all of a winner's synapses by this much, away from the "
        "inflection: towards 1 from there on, towards 0 below; 0: off.",
    )
    inflection: Fraction = Field(
        0.4, description="Permanence from which synapses are pushed towards 1; only with push."
    )
    initial_connected: Fraction = Field(
        0.5, description="Share of potential synapses that start connected."
    )
    initial_spread: PositiveFraction = Field(
        0.1, description="Permanences start within this distance of `connected`."
    )
    boost_strength: float = Field(
        0.0,
        ge=0.0,
        le=100.0,
        description="How strongly rarely active columns are favoured; 0: off.",
    )
    boost_scope: Literal["inhibition", "global", "local"] = Field(
        "inhibition",
        description="Boosting is relative to the duty cycle aimed at (global), or to the mean of "
        "the neighbours' (local); inhibition: as columns compete.",
    )
    boost_radius: int | None = Field(
        None,
        ge=1,
        description="Local boosting: neighbours are columns up to this far in each dimension, 1: "
        "3 x 3; null: those of local inhibition.",
    )
    boost_bits: int = Field(
        30,
        ge=4,
        le=30,
        description="Local boosting: bits of a duty cycle that neighbours share; 8: a byte.",
    )
    infer_boost: bool = Field(True, description="Inference too uses the boost factors.")
    duty_period: int = Field(
        1000, ge=1, le=1 << 24, description="Samples over which duty cycles average."
    )
    weak_bump: Fraction = Field(
        0.0, description="Added at each commit to all synapses of a weak column; 0: off."
    )
    weak_fraction: Fraction = Field(
        0.001,
        description="A column is weak under this share of the best overlap duty cycle around.",
    )
    learn: bool = Field(True, description="false: an untrained spatial pooler, nothing changes.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.column_shape is not None and math.prod(self.column_shape) != self.columns:
            raise ValueError(
                f"column_shape: {list(self.column_shape)} has {math.prod(self.column_shape)} "
                f"places, expected columns = {self.columns}"
            )
        if self.inhibition == "local":
            if self.column_shape is None or self.inhibition_radius is None:
                raise ValueError(
                    "inhibition: 'local' needs column_shape and inhibition_radius, found null"
                )
            if self.winners is not None:
                raise ValueError(
                    f"winners: found {self.winners} with local inhibition, expected null "
                    "(use density)"
                )
        self._check_boost()
        if self.potential_radius is not None and self.column_shape is None:
            raise ValueError(
                f"column_shape: found null, expected a grid because potential_radius is "
                f"{self.potential_radius}"
            )
        if self.inhibition == "global" and not 1 <= self.active_columns <= self.columns:
            source = "winners" if self.winners is not None else "density"
            value = self.winners if self.winners is not None else self.density
            raise ValueError(
                f"{source}: {value} of {self.columns} columns makes {self.active_columns} winners, "
                f"expected 1 to {self.columns}"
            )
        return self

    def _check_boost(self) -> None:
        if not self.boosts_locally:
            for name, neutral in (("boost_radius", None), ("boost_bits", 30)):
                if getattr(self, name) != neutral:
                    raise ValueError(
                        f"{name}: found {getattr(self, name)} where boosting is global, expected "
                        f"{'null' if neutral is None else neutral} (boost_scope: local has "
                        "neighbours)"
                    )
        elif self.column_shape is None:
            raise ValueError("boost_scope: 'local' needs column_shape, found null")
        elif self.inhibition == "global" and self.boost_radius is None:
            raise ValueError(
                "boost_radius: found null with global inhibition, expected a number, 1 for the "
                "3 x 3 columns around"
            )

    @property
    def active_columns(self) -> int:
        """k, the number of winners under global inhibition."""
        return self.winners or round_half_up(self.density * self.columns)

    @property
    def boosts_locally(self) -> bool:
        """Whether boosting is relative to neighbours."""
        return (
            self.inhibition if self.boost_scope == "inhibition" else self.boost_scope
        ) == "local"


class TemporalMemoryParameters(Parameters):
    """Temporal memory (Hawkins, Ahmad 2016; BAMI chapter "Temporal Memory Algorithm")."""

    kind: Literal["temporal_memory"] = "temporal_memory"
    cells_per_column: int = Field(32, ge=1, le=256, description="Cells in each column.")
    activation_threshold: int = Field(
        13, ge=1, description="Connected active synapses that make a segment active."
    )
    matching_threshold: int = Field(
        10, ge=1, description="Active synapses, connected or not, that make a segment match."
    )
    new_synapses: int = Field(
        20, ge=1, description="Active synapses that learning brings a segment up to."
    )
    segment_size: int = Field(32, ge=1, le=255, description="Most synapses a segment can hold.")
    segments_per_cell: int = Field(
        128, ge=1, le=32767, description="Most segments a cell can hold."
    )
    segments_per_column: int | None = Field(
        128,
        ge=1,
        description="Most segments of the whole memory, so many for each column on average: room "
        "for 6,400 new samples at 2 % active columns. Beyond, those used longest ago go. null: no "
        "limit.",
    )
    connected: PositiveFraction = Field(
        0.5, description="Permanence from which a synapse is connected."
    )
    initial_permanence: PositiveFraction = Field(0.21, description="Permanence of a new synapse.")
    increment: Fraction = Field(
        0.1, description="Added to active synapses of a reinforced segment."
    )
    decrement: Fraction = Field(
        0.1, description="Taken from inactive synapses of a reinforced segment."
    )
    punishment: Fraction = Field(
        0.0, description="Taken from active synapses of a segment that matched in a silent column."
    )
    learn: bool = Field(True, description="false: cells follow the input, segments never change.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.matching_threshold > self.activation_threshold:
            raise ValueError(
                f"matching_threshold: {self.matching_threshold} is above activation_threshold = "
                f"{self.activation_threshold}, expected at most that"
            )
        for name in ("activation_threshold", "new_synapses"):
            if getattr(self, name) > self.segment_size:
                raise ValueError(
                    f"{name}: {getattr(self, name)} is above segment_size = {self.segment_size}, "
                    "expected at most that"
                )
        return self


class SDRModelParameters(Parameters):
    """Softmax classifier on sparse bits, one layer, plain gradient steps."""

    kind: Literal["sdr"] = "sdr"
    learning_rate: float = Field(
        0.1, gt=0.0, le=100.0, description="Step along the summed gradient of a window."
    )
    decay_samples: int | None = Field(
        None,
        ge=1,
        description="The learning rate falls: half after so many samples, a third after twice as "
        "many, and so on; null: it stays.",
    )
    learn: bool = Field(True, description="false: weights stay zero.")

    def rate(self, learned: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return the length of a step after `learned` samples (any shape), as float32."""
        n = np.asarray(learned, np.float64)
        falling = 1.0 + n / self.decay_samples if self.decay_samples else np.ones_like(n)
        return (self.learning_rate / falling).astype(np.float32)
