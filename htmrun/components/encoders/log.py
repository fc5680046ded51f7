"""Positive numbers by their logarithm: equal ratios are equal distances.

Source: Purdy 2016, "Encoding Data for HTM Systems": numbers whose differences matter more where
they are small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from htmrun.backends.bits import Bits
from htmrun.backends.parameters import RangeParameters
from htmrun.components.encoders import EncoderParameters, Input
from htmrun.components.encoders.blocks import BlockParameters, Places, block_bits, one_block
from htmrun.components.encoders.buckets import BucketEncoder
from htmrun.components.encoders.numbers import finite_numbers, one_number
from htmrun.components.registry import register
from htmrun.errors import UserError

EXACT = Context(prec=50)
"""Decimal logarithms are rounded correctly, and so the same on every machine."""
HALF = Decimal(1) / 2 + Decimal("1e-40")
"""A half, and a little for a place that is a half but for its last digits: it goes up."""
Bound = Annotated[float | None, Field(gt=0.0, allow_inf_nan=False)]


class LogEncoderParameters(BlockParameters, RangeParameters, EncoderParameters):
    """A block of bits that moves with the logarithm of a value above 0."""

    kind: Literal["log"] = "log"
    minimum: Bound = Field(None, description="Lowest value, above 0; null: of the data.")
    maximum: Bound = Field(None, description="Highest value; null: of the data.")
    clip: bool = Field(
        True, description="Values outside count as the nearest bound; false: they are errors."
    )
    not_positive: Literal["error", "lowest", "none"] = Field(
        "error",
        description="Values of 0 and less, which have no logarithm: an error, the bits of the "
        "minimum, or no bits.",
    )


@register("encoder", LogEncoderParameters)
class LogEncoder(BucketEncoder):
    """`active` bits in a row; their start moves by as much for each factor.

    Start: floor((ln v - ln low) * (size - active) / (ln high - ln low) + 0.5).
    """

    def __init__(self, p: LogEncoderParameters, field: Input, seed: int) -> None:
        super().__init__(p, field, seed)
        self.parameters = p
        self.low = field.range("minimum")[0] if p.minimum is None else p.minimum
        self.high = field.range("maximum")[1] if p.maximum is None else p.maximum
        if self.low <= 0:
            raise UserError(
                f"{self.path}.minimum: field '{field.name}' goes down to {self.low:g}, expected "
                "values above 0; set minimum (and not_positive)"
            )
        if not self.low < self.high:
            raise UserError(
                f"{self.path}.minimum: field '{field.name}' goes from {self.low:g} to "
                f"{self.high:g}, expected a range; set minimum and maximum"
            )
        if p.minimum is None or p.maximum is None:
            self.learned = {field.name: (self.low, self.high)}
        self.size, self.shape = p.size, (p.size,)
        self._name = field.name
        self._places = p.size - p.active
        self._ln_low = EXACT.ln(Decimal(self.low))
        self._ln_span = EXACT.subtract(EXACT.ln(Decimal(self.high)), self._ln_low)
        self._span = float(self._ln_span)
        # Farther than this from the edge between two places, float64 tells them apart for certain.
        self._doubt = 1e-14 * self._places * (1 + 1 / self._span)

    def bucket(self, fields: Mapping[str, np.ndarray]) -> int | None:
        """Return where the block of a single number begins."""
        one = one_number(fields[self._name])
        return None if one is None or not self.low <= one <= self.high else self._start(one)

    def bits_of(self, bucket: int) -> Bits:
        """Return the block that begins there."""
        return one_block(bucket, self.parameters.active, self.size)

    def encode_many(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Encode numbers (T,)."""
        p = self.parameters
        values = finite_numbers(fields, self.fields[0], self.path)
        absent = np.isnan(values)
        if p.not_positive == "none":
            absent |= values <= 0
        values = np.where(absent, self.low, values)
        self._refuse(values)
        start = self._starts(np.clip(values, self.low, self.high))
        return block_bits(np.where(absent, -1, start), p.active, p.size)

    def _starts(self, values: npt.NDArray[np.float64]) -> Places:
        """Return where the blocks of values in the range begin, int64 (T,)."""
        place = np.log(values / self.low) * self._places / self._span + 0.5
        start = np.floor(place).astype(np.int64)
        for t in np.flatnonzero(np.abs(place - np.rint(place)) <= self._doubt).tolist():
            start[t] = self._exactly(float(values[t]))
        return start

    def _start(self, value: float) -> int:
        """Return the same of one."""
        place = math.log(value / self.low) * self._places / self._span + 0.5
        if abs(place - round(place)) <= self._doubt:
            return self._exactly(value)
        return math.floor(place)

    def _exactly(self, value: float) -> int:
        """Return the same of one near an edge, where the last digit of a logarithm counts."""
        above = EXACT.subtract(EXACT.ln(Decimal(value)), self._ln_low)
        place = EXACT.divide(EXACT.multiply(above, Decimal(self._places)), self._ln_span)
        return min(math.floor(EXACT.add(place, HALF)), self._places)

    def _refuse(self, values: npt.NDArray[np.float64]) -> None:
        p = self.parameters
        if p.not_positive == "error" and (wrong := values <= 0).any():
            raise UserError(
                f"{self.path}.not_positive: found the value {values[wrong.argmax()]:g} in field "
                f"'{self.fields[0]}', expected values above 0, or not_positive=lowest or none"
            )
        outside = ((values < self.low) & (values > 0)) | (values > self.high)
        if not p.clip and outside.any():
            raise UserError(
                f"{self.path}.clip: found the value {values[outside.argmax()]:g}, expected "
                f"{self.low:g} to {self.high:g}, or clip=true"
            )
