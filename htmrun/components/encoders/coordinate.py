"""Coordinates in any number of dimensions: near ones share bits.

Source: Purdy 2016, "Encoding Data for HTM Systems"; see `neighbours`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from htmrun.backends.bits import Bits
from htmrun.components.encoders import Data, PartParameters, Size
from htmrun.components.encoders.buckets import UNKNOWN, BucketEncoder
from htmrun.components.encoders.neighbours import (
    FARTHEST,
    Neighbours,
    cells_of,
    columns,
    must_have_cells,
    single_values,
)
from htmrun.components.encoders.numbers import one_number
from htmrun.components.registry import register


class CoordinateEncoderParameters(PartParameters):
    """Coordinates: hashed bits of cells around a place, so that near places share bits."""

    kind: Literal["coordinate"] = "coordinate"
    fields: Annotated[tuple[str, ...], Field(min_length=1, max_length=8)] = Field(
        ("x", "y"), description="Fields of the data that are read, one for each dimension."
    )
    optional: bool = Field(
        False, description="Inside `fields`: left out if the data lack one of its fields."
    )
    size: Size = Field(1000, description="Number of bits.")
    active: Size = Field(
        21, description="Cells that are drawn; a few may share a bit, then fewer bits are on."
    )
    radius: int = Field(
        3, ge=0, le=1 << 17, description="Cells around a place, in each dimension, that count."
    )
    scale: float = Field(
        1.0, gt=0.0, allow_inf_nan=False,
        description="Extent of a cell, in the unit of the fields; 1 leaves whole numbers as "
        "they are.",
    )  # fmt: skip


@register("encoder", CoordinateEncoderParameters)
class CoordinateEncoder(BucketEncoder):
    """Of the (2 * radius + 1) ^ dimensions cells around floor(value / scale), `active` are drawn.

    They are those with the smallest (word, place) of a cell's coordinates; another hash of each is
    a bit. Where any field is missing there are no bits.
    """

    def __init__(self, p: CoordinateEncoderParameters, path: str, seed: int) -> None:
        self.parameters, self.path, self.fields = p, path, p.fields
        must_have_cells(path, p.radius, len(p.fields), p.active)
        self.size, self.shape = p.size, (p.size,)
        self._neighbours = Neighbours(p.fields, p.size, p.active, seed)

    @classmethod
    def fields_of(cls, parameters: Any, entry: str | None = None) -> tuple[str, ...]:
        """Return the fields that it reads."""
        return tuple(parameters.fields)

    @classmethod
    def build(
        cls, parameters: Any, data: Data, seed: int, path: str, entry: str | None = None
    ) -> CoordinateEncoder:
        """Return the encoder for some data; UserError where a field is not there."""
        single_values(f"{path}.fields", parameters.fields, data)
        return cls(parameters, path, seed)

    def bucket(self, fields: Mapping[str, np.ndarray]) -> tuple[int, ...] | None:
        """Return the cell of a single place and the radius; None also where it is too far away."""
        scale, bucket, known = self.parameters.scale, [], True
        for name in self.fields:
            value = one_number(fields[name])
            if value is None:
                return None
            place = value / scale
            if -FARTHEST < place < FARTHEST:
                bucket.append(math.floor(place))
            elif place != place:
                known = False
            else:
                return None
        bucket.append(self.parameters.radius)
        return tuple(bucket) if known else UNKNOWN

    def bits_of(self, bucket: tuple[int, ...]) -> Bits:
        """Return the bits around a cell."""
        return self._neighbours.one(bucket)

    def encode_many(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Encode numbers (T,) of each field."""
        p = self.parameters
        cells, known = cells_of(columns(fields, p.fields, self.path), p.scale, self.path)
        return self._neighbours.bits(cells, np.full(len(cells), p.radius), known)
