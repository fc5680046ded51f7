"""Images: bright pixels are on-bits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from htmrun.backends.bits import Bits
from htmrun.components.encoders import Encoder, EncoderParameters, Input, Shapes
from htmrun.components.registry import register


class ImageEncoderParameters(EncoderParameters):
    """A pixel is on if it is brighter than the threshold."""

    kind: Literal["image"] = "image"
    threshold: int = Field(127, ge=0, le=254, description="Pixels above this are on.")
    levels: tuple[Annotated[int, Field(ge=0, le=254)], ...] | None = Field(
        None,
        min_length=1,
        description="Several thresholds, ascending: one plane of bits for each, stacked "
        "(thermometer code); overrides threshold.",
    )

    @field_validator("levels")
    @classmethod
    def _ascending(cls, levels: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if levels is not None and list(levels) != sorted(set(levels)):
            raise ValueError(f"found {list(levels)}, expected thresholds in ascending order")
        return levels


@register("encoder", ImageEncoderParameters)
class ImageEncoder(Encoder):
    """Bit (y, x) is on where the pixel is above the threshold; with levels, (level, y, x)."""

    usual = "image"
    grids = True

    def __init__(self, p: ImageEncoderParameters, field: Input, seed: int) -> None:
        super().__init__(p, field, seed)
        self.thresholds = p.levels or (p.threshold,)
        self.shape = _stacked(p, field.shape)
        self.size = math.prod(self.shape)

    @classmethod
    def shape_of(cls, parameters: ImageEncoderParameters, shapes: Shapes) -> tuple[int, ...] | None:
        """The image's, known before any is read of some sources only."""
        shape = shapes.get(parameters.field or cls.usual)
        return None if shape is None else _stacked(parameters, shape)

    def encode(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Encode uint8 images (T, H, W)."""
        images = fields[self.fields[0]]
        planes = np.stack([images > t for t in self.thresholds], 1)
        return Bits.from_dense(planes.reshape(len(images), self.size))


def _stacked(p: ImageEncoderParameters, shape: tuple[int, ...]) -> tuple[int, ...]:
    planes = len(p.levels or (p.threshold,))
    return shape if planes == 1 else (planes, *shape)
