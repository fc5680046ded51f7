"""Places on Earth: near ones share bits, and where speed is known, more so at high speed.

Source: Purdy 2016, "Encoding Data for HTM Systems"; see `neighbours`. The map is the spherical
Mercator projection with the radius 6,378,137 m (EPSG:3857).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from htmrun.backends.bits import Bits
from htmrun.components.encoders import Data, PartParameters, Size
from htmrun.components.encoders.blocks import Places
from htmrun.components.encoders.buckets import BucketEncoder
from htmrun.components.encoders.neighbours import (
    MOST_CELLS,
    Neighbours,
    cells_around,
    cells_of,
    columns,
    must_have_cells,
    one_cell,
    one_place,
    single_values,
)
from htmrun.components.encoders.numbers import finite_numbers
from htmrun.components.registry import register
from htmrun.errors import UserError

EARTH = 6_378_137.0
"""Metres from the centre of the map's sphere to its surface."""
NORTHERNMOST = 85.06
"""Degrees: the map goes on to infinity, and maps of the web end a little below."""


class GeospatialEncoderParameters(PartParameters):
    """Longitude and latitude, with altitude and speed where they are known."""

    kind: Literal["geospatial"] = "geospatial"
    longitude: str = Field("longitude", description="Field of degrees, east above 0.")
    latitude: str = Field("latitude", description="Field of degrees, north above 0.")
    altitude: str | None = Field(
        None, description="Field of metres, a third dimension; null: none."
    )
    speed: str | None = Field(
        None, description="Field of metres in a second, which widens the radius; null: none."
    )
    optional: bool = Field(
        False, description="Inside `fields`: left out if the data lack one of its fields."
    )
    size: Size = Field(1000, description="Number of bits.")
    active: Size = Field(
        21, description="Cells that are drawn; a few may share a bit, then fewer bits are on."
    )
    scale: float = Field(
        10.0, gt=0.0, allow_inf_nan=False,
        description="Metres of a cell on the map, which is true at the equator and stretched by 1 "
        "/ cos(latitude) elsewhere.",
    )  # fmt: skip
    radius: int = Field(
        3, ge=0, le=1 << 17,
        description="Cells around a place, in each dimension, that count; more at high speed.",
    )  # fmt: skip
    sample_seconds: float = Field(
        1.0, gt=0.0, allow_inf_nan=False,
        description="Seconds from a sample to the next, in which a speed becomes a way.",
    )  # fmt: skip
    overlap: float = Field(
        0.5, ge=0.0, le=0.99,
        description="Share of the cells around a place that are also around the one before, at "
        "least, for a way along an axis.",
    )  # fmt: skip


@register("encoder", GeospatialEncoderParameters)
class GeospatialEncoder(BucketEncoder):
    """Bits of the cells around a place on the map, see `CoordinateEncoder`.

    Radius: with a way of w = |speed| * sample_seconds / scale cells, the least r of at least
    `radius` with 2 r + 1 >= w / (1 - overlap). Where any field is missing there are no bits.
    """

    def __init__(self, p: GeospatialEncoderParameters, path: str, seed: int) -> None:
        self.parameters, self.path, self.fields = p, path, self.fields_of(p)
        self._placed = tuple(n for n in (p.longitude, p.latitude, p.altitude) if n is not None)
        must_have_cells(path, p.radius, len(self._placed), p.active)
        self.size, self.shape = p.size, (p.size,)
        self._neighbours = Neighbours(self._placed, p.size, p.active, seed)
        # Half of the widest there may be: what is near to it is looked at more closely.
        self._widest = MOST_CELLS ** (1 / len(self._placed)) / 4

    @classmethod
    def fields_of(cls, parameters: Any, entry: str | None = None) -> tuple[str, ...]:
        """Return the fields that it reads."""
        p = parameters
        return tuple(n for n in (p.longitude, p.latitude, p.altitude, p.speed) if n is not None)

    @classmethod
    def build(
        cls, parameters: Any, data: Data, seed: int, path: str, entry: str | None = None
    ) -> GeospatialEncoder:
        """Return the encoder for some data; UserError where a field is not there."""
        single_values(path, cls.fields_of(parameters), data)
        return cls(parameters, path, seed)

    def encode_many(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Encode degrees, metres and metres in a second (T,)."""
        p = self.parameters
        places = columns(fields, self._placed, self.path)
        self._must_be_within(places[:, 0], p.longitude, 180.0)
        self._must_be_within(places[:, 1], p.latitude, NORTHERNMOST)
        places[:, 0], places[:, 1] = mercator(places[:, 0], places[:, 1])
        cells, known = cells_of(places, p.scale, self.path)
        radius = np.full(len(cells), p.radius)
        if p.speed is not None:
            speed = finite_numbers(fields, p.speed, self.path)
            known &= ~np.isnan(speed)
            radius = np.maximum(radius, self._radius(np.where(known, speed, 0.0)))
        return self._neighbours.bits(cells, radius, known)

    def bits_of(self, bucket: tuple[int, ...]) -> Bits:
        """Return the bits around a cell."""
        return self._neighbours.one(bucket)

    def bucket(self, fields: Mapping[str, np.ndarray]) -> tuple[int, ...] | None:
        """Return the cell of a single place and its radius, by the same operations."""
        place = one_place(fields, self.fields)
        if place is None or any(value != value for value in place):
            return None
        p, radius = self.parameters, self.parameters.radius
        longitude, latitude, *further = place
        if abs(longitude) > 180.0 or abs(latitude) > NORTHERNMOST:
            return None
        if p.speed is not None:
            way = abs(further.pop()) * p.sample_seconds / p.scale
            needed = (way / (1 - p.overlap) - 1) / 2
            if needed > self._widest:
                return None
            radius = max(radius, math.ceil(needed))
        x = EARTH * (longitude * (math.pi / 180))
        y = EARTH * math.asinh(math.tan(math.radians(latitude)))
        cell = one_cell((x, y, *further), p.scale)
        return None if cell is None else (*cell, radius)

    def _radius(self, speed: npt.NDArray[np.float64]) -> Places:
        p = self.parameters
        way = np.abs(speed) * p.sample_seconds / p.scale
        radius = np.ceil((way / (1 - p.overlap) - 1) / 2)
        fastest = radius.max(initial=0.0)
        if fastest > MOST_CELLS or cells_around(int(fastest), len(self._placed)) > MOST_CELLS:
            raise UserError(
                f"{self.path}.scale: found {p.scale:g} m, and a speed of "
                f"{speed[radius.argmax()]:g} m/s with a radius of {fastest:.0f} cells, expected "
                f"at most {MOST_CELLS:,} cells around a place: a larger scale"
            )
        return np.maximum(radius, 0.0).astype(np.int64)

    def _must_be_within(self, degrees: npt.NDArray[np.float64], field: str, most: float) -> None:
        outside = np.abs(degrees) > most
        if outside.any():
            raise UserError(
                f"{self.path}: found {degrees[outside.argmax()]:g} in field '{field}', expected "
                f"degrees from {-most:g} to {most:g}"
            )


def mercator(
    longitude: npt.NDArray[np.float64], latitude: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return metres east and north of (0, 0) on the map, float64 (T,) each; NaN stays.

    One by one: NumPy's own functions may differ in the last digit with the place in an array.
    """
    x = EARTH * (longitude * (math.pi / 180))
    y = [EARTH * math.asinh(math.tan(math.radians(degrees))) for degrees in latitude.tolist()]
    return x, np.array(y, np.float64)
