"""Encoders: fields of a chunk of samples -> sparse binary vectors.

An encoder is a pure function of its parameters, the seed and the value: it keeps nothing
from one sample to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from htmrun.backends.bits import Bits

if TYPE_CHECKING:
    from htmrun.components.encoders.parameters import EncoderParameters

Ranges = Mapping[str, tuple[float, float]]
Shapes = Mapping[str, tuple[int, ...]]


class Encoder(Protocol):
    """What every encoder has.

    size: number of bits. shape: the same as a grid, (H, W) for images, (size,) otherwise.
    fields: the fields that `encode` reads. left_out: optional entries without a field.
    encode: arrays by field, first axis T -> T encodings; NaN and NaT have no on-bits.
    Raises UserError for values that cannot be encoded.
    """

    size: int
    shape: tuple[int, ...]
    fields: tuple[str, ...]
    left_out: tuple[str, ...]

    def encode(self, fields: Mapping[str, np.ndarray]) -> Bits: ...


def build_encoder(
    parameters: EncoderParameters, shapes: Shapes, seed: int, ranges: Ranges | None = None
) -> Encoder:
    """Return the encoder that `parameters` describe, for samples with fields of `shapes`.

    `ranges` gives lowest and highest value of scalar fields; it is looked up only where a
    parameter is left to the data. Raises UserError with the dotted path of the parameter.
    """
    from htmrun.components.encoders.build import build

    return build(parameters, shapes, seed, ranges or {})
