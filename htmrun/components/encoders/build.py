"""Parameters -> encoders, with everything that depends on the data filled in."""

from __future__ import annotations

import math

from htmrun.components import registry
from htmrun.components.encoders import Encoder, Ranges, Shapes
from htmrun.components.encoders.category import CategoryEncoder
from htmrun.components.encoders.combined import CombinedEncoder
from htmrun.components.encoders.date import DateEncoder
from htmrun.components.encoders.image import ImageEncoder
from htmrun.components.encoders.parameters import (
    CategoryEncoderParameters,
    DateEncoderParameters,
    EncoderParameters,
    FieldsEncoderParameters,
    ImageEncoderParameters,
    RDSEParameters,
    ScalarEncoderParameters,
    SingleEncoder,
)
from htmrun.components.encoders.scalar import RDSEEncoder, ScalarEncoder
from htmrun.errors import UserError, nearest

CONVENTIONAL = {
    "image": "image",
    "scalar": "value",
    "rdse": "value",
    "date": "timestamp",
    "category": "symbol",
}


def build(parameters: EncoderParameters, shapes: Shapes, seed: int, ranges: Ranges) -> Encoder:
    """Return the encoder; see `build_encoder`."""
    if not isinstance(parameters, FieldsEncoderParameters):
        field = parameters.field or CONVENTIONAL[registry.of(parameters).name]
        if field not in shapes:
            raise _no_field("encoder.field", field, shapes)
        return _single(parameters, field, shapes, seed, ranges, "encoder")
    parts, left_out = [], []
    for name, entry in parameters.fields.items():
        path = f"encoder.fields.{name}"
        field = entry.field or name
        if field in shapes:
            parts.append(_single(entry, field, shapes, seed, ranges, path))
        elif entry.optional:
            left_out.append(name)
        else:
            raise _no_field(path, field, shapes)
    if not parts:
        raise UserError(
            f"encoder.fields: none of {', '.join(parameters.fields)} is in the data, expected "
            f"some of {', '.join(shapes)}"
        )
    return CombinedEncoder(parts, tuple(left_out))


def _no_field(path: str, field: str, shapes: Shapes) -> UserError:
    return UserError(
        f"{path}: the data has no field '{field}', expected one of {', '.join(shapes)}"
        f"{nearest(field, shapes)}"
    )


def _single(
    p: SingleEncoder, field: str, shapes: Shapes, seed: int, ranges: Ranges, path: str
) -> Encoder:
    shape = shapes[field]
    if isinstance(p, ImageEncoderParameters):
        if not shape:
            raise UserError(
                f"{path}.kind: 'image' reads grids, field '{field}' holds single values; expected "
                "rdse, scalar, date or category"
            )
        return ImageEncoder(p, field, shape)
    if shape:
        raise UserError(
            f"{path}.kind: '{registry.of(p).name}' reads single values, field '{field}' has shape "
            f"{' x '.join(map(str, shape))}; expected image"
        )
    if isinstance(p, ScalarEncoderParameters):
        return _scalar(p, field, ranges, path)
    if isinstance(p, RDSEParameters):
        return RDSEEncoder(p, field, _resolution(p, field, ranges, path), seed, path)
    if isinstance(p, DateEncoderParameters):
        return DateEncoder(p, field, path)
    assert isinstance(p, CategoryEncoderParameters)
    return CategoryEncoder(p, field, _categories(p, field, ranges, path), seed, path)


def _range(field: str, ranges: Ranges, option: str) -> tuple[float, float]:
    if field not in ranges:
        raise UserError(
            f"{option}: found null, but field '{field}' has no range of its own; expected a number"
        )
    return ranges[field]


def _scalar(p: ScalarEncoderParameters, field: str, ranges: Ranges, path: str) -> Encoder:
    low, high = p.minimum, p.maximum
    if low is None:
        low = _range(field, ranges, f"{path}.minimum")[0]
    if high is None:
        high = _range(field, ranges, f"{path}.maximum")[1]
    if not low < high or math.isinf(high - low):
        raise UserError(
            f"{path}.minimum: field '{field}' goes from {low:g} to {high:g}, expected a finite "
            "range; set minimum and maximum"
        )
    return ScalarEncoder(p, field, low, high, path)


def _resolution(p: RDSEParameters, field: str, ranges: Ranges, path: str) -> float:
    if p.resolution is not None:
        return p.resolution
    low, high = _range(field, ranges, f"{path}.resolution")
    resolution = (high - low) / p.buckets
    if not resolution > 0 or math.isinf(resolution):
        raise UserError(
            f"{path}.resolution: field '{field}' goes from {low:g} to {high:g}, which makes no "
            "bucket width; set resolution"
        )
    return resolution


def _categories(p: CategoryEncoderParameters, field: str, ranges: Ranges, path: str) -> int:
    if p.categories is not None:
        return p.categories
    high = _range(field, ranges, f"{path}.categories")[1]
    if not 0 <= high < 1 << 24:
        raise UserError(
            f"{path}.categories: field '{field}' goes up to {high:g}, expected categories 0, 1, 2 "
            "and so on"
        )
    return int(high) + 1
