"""Images: bright pixels are on-bits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from htmrun.backends.bits import Bits
from htmrun.components.encoders import Encoder, EncoderParameters, Input, Shapes
from htmrun.components.registry import register

DIRECTIONS = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
"""Down and right, of the pixels that one is held against."""


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
    contrast: int | None = Field(
        None,
        ge=0,
        le=254,
        description="Planes for edges, too: of each of eight directions those pixels that are "
        "brighter by more than this than the one `reach` away; null: none.",
    )
    reach: int = Field(1, ge=1, le=64, description="contrast: how many pixels away that one is.")

    @field_validator("levels")
    @classmethod
    def _ascending(cls, levels: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if levels is not None and list(levels) != sorted(set(levels)):
            raise ValueError(f"found {list(levels)}, expected thresholds in ascending order")
        return levels


@register("encoder", ImageEncoderParameters)
class ImageEncoder(Encoder):
    """Bit (y, x) is on where the pixel is above the threshold; with levels, (level, y, x).

    With contrast eight more planes follow: brighter than the pixel above, below, to the left, to
    the right, and at the upper left, upper right, lower left, lower right. Beyond an edge the
    pixels at the edge go on.
    """

    usual = "image"
    grids = True

    def __init__(self, p: ImageEncoderParameters, field: Input, seed: int) -> None:
        super().__init__(p, field, seed)
        self.thresholds = p.levels or (p.threshold,)
        self.contrast, self.reach = p.contrast, p.reach
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
        if len(images) == 1 and (on := self._one(images)).size == self.size:
            (indices,) = on.nonzero()
            return Bits(self.size, indices.astype(np.int32), np.array([0, len(indices)], np.int64))
        planes = np.stack([images > t for t in self.thresholds], 1)
        if self.contrast is not None:
            planes = np.concatenate([planes, edges(images, self.contrast, self.reach)], 1)
        return Bits.from_dense(planes.reshape(len(images), self.size))

    def _one(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Return which bits of one image (1, H, W) are on, plane after plane, bool (size,)."""
        planes = [(image > t).ravel() for t in self.thresholds]
        if self.contrast is not None:
            planes.append(edges(image, self.contrast, self.reach).ravel())
        return planes[0] if len(planes) == 1 else np.concatenate(planes)


def edges(images: npt.NDArray[np.uint8], contrast: int, reach: int) -> npt.NDArray[np.bool_]:
    """Return which pixels of (T, H, W) or (T, H, W, C) are brighter than the one `reach` away.

    Brighter by more than `contrast`; (T, 8, H, W) or (T, 8, H, W, C), in the order of DIRECTIONS.
    """
    rows, columns = images.shape[1:3]
    around = ((0, 0), (reach, reach), (reach, reach), *((0, 0) for _ in images.shape[3:]))
    padded = np.pad(images.astype(np.int16), around, mode="edge")
    found = []
    for down, right in DIRECTIONS:
        y, x = reach * (1 + down), reach * (1 + right)
        found.append(images - padded[:, y : y + rows, x : x + columns] > contrast)
    return np.stack(found, 1)


def _stacked(p: ImageEncoderParameters, shape: tuple[int, ...]) -> tuple[int, ...]:
    planes = len(p.levels or (p.threshold,)) + (0 if p.contrast is None else len(DIRECTIONS))
    return shape if planes == 1 else (planes, *shape)
