"""Numbers: a block of on-bits that moves with the value.

Source: Purdy 2016, "Encoding Data for HTM Systems" (also in BAMI).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from math import floor
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from htmrun.backends.bits import Bits
from htmrun.backends.parameters import LARGEST, RangeParameters
from htmrun.components.encoders import EncoderParameters, Input
from htmrun.components.encoders.blocks import BlockParameters, block_bits, one_block
from htmrun.components.encoders.buckets import BucketEncoder
from htmrun.components.encoders.numbers import FLOAT64, finite_numbers, one_number
from htmrun.components.registry import register
from htmrun.errors import UserError


class ScalarEncoderParameters(BlockParameters, RangeParameters, EncoderParameters):
    """A block of bits that moves with the value (BAMI chapter "Encoding Data for HTM Systems")."""

    kind: Literal["scalar"] = "scalar"
    minimum: float | None = Field(
        None, allow_inf_nan=False, description="Lowest value; null: of the data."
    )
    maximum: float | None = Field(
        None, allow_inf_nan=False, description="Highest value; null: of the data."
    )
    periodic: bool = Field(False, description="The maximum is the minimum again; blocks wrap.")
    clip: bool = Field(
        True, description="Values outside count as the nearest bound; false: they are errors."
    )


_new = object.__new__


@register("encoder", ScalarEncoderParameters)
class ScalarEncoder(BucketEncoder):
    """`active` bits in a row; their start moves from bit 0 at `low` to the end at `high`.

    Start, not periodic: floor((v - low) * (size - active) / (high - low) + 0.5).
    Periodic: floor(((v - low) mod (high - low)) * size / (high - low) + 0.5), `size` being 0 again.
    """

    def __init__(self, p: ScalarEncoderParameters, field: Input, seed: int) -> None:
        super().__init__(p, field, seed)
        self.parameters = p
        self.low = field.range("minimum")[0] if p.minimum is None else p.minimum
        self.high = field.range("maximum")[1] if p.maximum is None else p.maximum
        # A place is found from the range times the number of places.
        if not self.low < self.high or math.isinf((self.high - self.low) * p.size):
            raise UserError(
                f"{self.path}.minimum: field '{field.name}' goes from {self.low:g} to "
                f"{self.high:g}, expected a finite range; set minimum and maximum"
            )
        if p.minimum is None or p.maximum is None:
            self.learned = {field.name: (self.low, self.high)}
        self.size = p.size
        self.shape = (p.size,)
        self._name = field.name
        self._span, self._places = self.high - self.low, float(p.size - p.active)
        self._periodic, self._refuses = p.periodic, not (p.clip or p.periodic)
        # Between these a place is found at once; of a range that goes round there are none.
        self._least = max(self.low, -LARGEST)
        self._most = -math.inf if p.periodic else min(self.high, LARGEST)

    def encode(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Return the encodings of arrays by field (T,)."""
        values = fields[self._name]
        if values.dtype is FLOAT64:
            try:
                value: float = values.item()
            except ValueError:
                return self.encode_many(fields)
            # What `bucket` and `encode` of any encoder do, in one: a third of the time is calls.
            if self._least <= value <= self._most:
                start = floor((value - self.low) * self._places / self._span + 0.5)
                try:
                    copy, copy_ends = self._rows[start]
                except KeyError:
                    copy, copy_ends = self._keep(start)
                bits = _new(Bits)
                bits.size, bits.indices, bits.offsets = self.size, copy(), copy_ends()  # type: ignore[misc]
                return bits
        return super().encode(fields)

    def bucket(self, fields: Mapping[str, np.ndarray]) -> int | None:
        """Return where the block of a single number begins, -1 for none."""
        values = fields[self._name]
        if values.dtype is FLOAT64 and values.size == 1:
            value: float = values.item()
            if self._least <= value <= self._most:
                return floor((value - self.low) * self._places / self._span + 0.5)
        one = one_number(values)
        return None if one is None else self._start(one)

    def bits_of(self, bucket: int) -> Bits:
        """Return the block that begins there."""
        return one_block(bucket, self.parameters.active, self.size)

    def encode_many(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Encode numbers (T,)."""
        p = self.parameters
        values = finite_numbers(fields, self.fields[0], self.path)
        absent = np.isnan(values)
        values = np.where(absent, self.low, values)
        if not p.clip and not p.periodic:
            self._refuse_outside(values)
        span = self._span
        if p.periodic:
            start = np.floor(np.mod(values - self.low, span) * p.size / span + 0.5).astype(np.int64)
            start %= p.size
        else:
            above = np.clip(values, self.low, self.high) - self.low
            start = np.floor(above * (p.size - p.active) / span + 0.5).astype(np.int64)
        return block_bits(np.where(absent, -1, start), p.active, p.size)

    def _start(self, value: float) -> int:
        """Return where the block of one value begins, -1 for none: the same operations."""
        if value != value:
            return -1
        low, high = self.low, self.high
        if self._periodic:
            size, span = self.size, self._span
            return floor((value - low) % span * size / span + 0.5) % size
        if not low <= value <= high:
            if self._refuses:
                self._refuse_outside(np.array([value]))
            value = low if value < low else high
        return floor((value - low) * self._places / self._span + 0.5)

    def _refuse_outside(self, values: npt.NDArray[np.float64]) -> None:
        outside = (values < self.low) | (values > self.high)
        if outside.any():
            raise UserError(
                f"{self.path}.clip: found the value {values[outside.argmax()]:g}, expected "
                f"{self.low:g} to {self.high:g}, or clip=true"
            )
