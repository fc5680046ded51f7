"""Numbers: hashed buckets, of which near ones share bits.

Source: Purdy 2016, "Encoding Data for HTM Systems" (also in BAMI).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from htmrun.backends import rng
from htmrun.backends.bits import Bits
from htmrun.components.encoders import EncoderParameters, Input, Size
from htmrun.components.encoders.blocks import BlockParameters, Places, choose_rows, distinct
from htmrun.components.encoders.buckets import UNKNOWN, BucketEncoder
from htmrun.components.encoders.numbers import FLOAT64, finite_numbers, one_number
from htmrun.components.registry import register
from htmrun.errors import UserError

CACHED_BUCKETS = 1 << 16
LARGEST_BUCKET = float(1 << 62)


class RDSEParameters(BlockParameters, EncoderParameters):
    """Random distributed scalar encoder: hashed bits, near values share many of them."""

    kind: Literal["rdse"] = "rdse"
    size: Size = Field(1000, description="Number of bits.")
    active: Size = Field(
        21, description="Hashed bits of a value; a few may fall together, then fewer are on."
    )
    resolution: float | None = Field(
        None,
        gt=0.0,
        allow_inf_nan=False,
        description="Width of a bucket; null: range of the data / buckets.",
    )
    buckets: int = Field(
        130,
        ge=2,
        le=1 << 24,
        description="Buckets in the range of the data; unused with resolution.",
    )


MEASURED = 1000
"""Buckets of the range, at most, that are compared with each other."""
MUCH = 0.5
"""Share of its bits from which a far value looks like another."""


@register("encoder", RDSEParameters)
class RDSEEncoder(BucketEncoder):
    """Bucket b = floor((v - low) / resolution + 0.5) has the on-bits h(b) ... h(b + active - 1).

    low: of the range that is known of the field, 0 without one, so that a number which all values
    share changes no bit.
    h(n) = word(ENCODER, field, n) scaled to 0..size-1, so buckets at distance d < active
    share the bits of active - d words, and far ones only what falls together by chance.
    Words of one bucket can fall together too: then fewer than `active` bits are on, on
    average about active^2 / (2 * size) fewer.
    """

    def __init__(self, p: RDSEParameters, field: Input, seed: int) -> None:
        super().__init__(p, field, seed)
        self.parameters, self._data = p, field.data
        self.resolution = p.resolution or _resolution(p, field)
        self.low = field.data.ranges.get(field.name, (0.0, 0.0))[0]
        if p.resolution is None:
            self.learned = {field.name: field.range("resolution")}
        self.size = p.size
        self.shape = (p.size,)
        self._key = rng.key(seed, rng.Purpose.ENCODER)
        # Two fields must not share bits for equal buckets.
        self._stream = int.from_bytes(hashlib.sha256(field.name.encode()).digest()[:8], "little")
        self._name = field.name
        self._first = 0
        self._table, self._counts = self._hashed(np.zeros(0, np.int64))

    def buckets(self, values: npt.NDArray[np.float64]) -> Places:
        """Return the bucket of each number that is not NaN."""
        scaled = np.floor((values - self.low) / self.resolution + 0.5)
        if len(scaled) and np.abs(scaled).max() > LARGEST_BUCKET:
            raise UserError(
                f"{self.path}.resolution: {self.resolution:g} makes more than 2^62 buckets of the "
                f"value {values[np.abs(scaled).argmax()]:g}, expected a coarser one"
            )
        return scaled.astype(np.int64)

    def bucket(self, fields: Mapping[str, np.ndarray]) -> int | tuple[()] | None:
        """Return the bucket of a single number."""
        values = fields[self._name]
        plain = values.dtype is FLOAT64 and values.size == 1
        one: float | None = values.item() if plain else one_number(values)
        if one is None:
            return None
        scaled = (one - self.low) / self.resolution + 0.5
        if -LARGEST_BUCKET < scaled < LARGEST_BUCKET:
            return math.floor(scaled)
        return UNKNOWN if one != one else None

    def encode_many(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Encode numbers (T,)."""
        values = finite_numbers(fields, self.fields[0], self.path)
        known = ~np.isnan(values)
        bucket = self.buckets(values[known])
        index = np.full(len(values), -1, np.int64)
        if len(bucket) and self._cache(int(bucket.min()), int(bucket.max())):
            index[known] = bucket - self._first
            return choose_rows(self._table, self._counts, index, self.size)
        unique, index[known] = np.unique(bucket, return_inverse=True)
        return choose_rows(*self._hashed(unique), index, self.size)

    def bits_of(self, bucket: int | tuple[()]) -> Bits:
        """Return the bits of a value in a bucket, or of none."""
        known = isinstance(bucket, int)
        rows = self._hashed(np.array([bucket if known else 0], np.int64))
        return choose_rows(*rows, np.array([0 if known else -1]), self.size)

    def notes(self) -> Iterator[str]:
        """Say where values far apart share so many bits that they look alike.

        Measured: over the buckets of the range, at most a thousand of them, evenly chosen.
        """
        known = self._data.ranges.get(
            self.fields[0], (0.0, self.resolution * self.parameters.buckets)
        )
        first, last = self.buckets(np.array(known))
        count = min(int(last - first) + 1, MEASURED)
        bucket = np.linspace(first, last, count).astype(np.int64)
        rows, on = self._hashed(bucket)
        dense = choose_rows(rows, on, np.arange(count), self.size).dense().astype(np.float32)
        shared = (dense @ dense.T) / on[:, None]
        shared[np.abs(bucket[:, None] - bucket) < self.parameters.active] = 0
        worst = np.unravel_index(shared.argmax(), shared.shape)
        if shared[worst] >= MUCH:
            one, other = (self.low + bucket[i] * self.resolution for i in worst)
            yield (
                f"{self.path}.size: of {self.size} bits {self.parameters.active} are on, and "
                f"values as far apart as {one:.4g} and {other:.4g} share "
                f"{shared[worst]:.0%} of theirs: they look alike; more bits keep them apart"
            )

    def _cache(self, low: int, high: int) -> bool:
        """Make the table hold buckets low..high; False if that would make it too long."""
        if len(self._table):
            low, high = min(low, self._first), max(high, self._first + len(self._table) - 1)
        if high - low >= CACHED_BUCKETS:
            return False
        if high - low + 1 > len(self._table):
            # Room to spare: a series that drifts would otherwise make it anew for every chunk.
            room = (high - low + 1) // 2
            self._first = low - room
            self._table, self._counts = self._hashed(np.arange(low - room, high + room + 1))
        return True

    def _hashed(self, bucket: Places) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Return the ascending distinct bits of each bucket, left-aligned, and their number."""
        active = self.parameters.active
        words = rng.hash2(self._key, self._stream, bucket[:, None] + np.arange(active))
        return distinct(rng.below(words, self.size).astype(np.int32), self.size)


def _resolution(p: RDSEParameters, field: Input) -> float:
    low, high = field.range("resolution")
    resolution = (high - low) / p.buckets
    if not resolution > 0 or math.isinf(resolution):
        raise UserError(
            f"{field.path}.resolution: field '{field.name}' goes from {low:g} to {high:g}, which "
            "makes no bucket width; set resolution"
        )
    return resolution
