"""Numbers: blocks that move with the value, and hashed buckets.

Source of both: Purdy 2016, "Encoding Data for HTM Systems" (also in BAMI).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from htmrun.backends import rng
from htmrun.backends.bits import Bits
from htmrun.components.encoders.blocks import Places, block_bits, choose_rows
from htmrun.components.encoders.parameters import RDSEParameters, ScalarEncoderParameters
from htmrun.components.registry import register
from htmrun.errors import UserError

CACHED_BUCKETS = 1 << 16
LARGEST_BUCKET = float(1 << 62)


@register("encoder", ScalarEncoderParameters)
class ScalarEncoder:
    """`active` bits in a row; their start moves from bit 0 at `low` to the end at `high`.

    Start, not periodic: floor((v - low) * (size - active) / (high - low) + 0.5).
    Periodic: floor(((v - low) mod (high - low)) * size / (high - low)).
    """

    left_out: tuple[str, ...] = ()

    def __init__(
        self, p: ScalarEncoderParameters, field: str, low: float, high: float, path: str
    ) -> None:
        self.parameters = p
        self.low, self.high = low, high
        self.path = path
        self.fields: tuple[str, ...] = (field,)
        self.size = p.size
        self.shape: tuple[int, ...] = (p.size,)

    def encode(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Encode numbers (T,)."""
        p = self.parameters
        values = finite_numbers(fields, self.fields[0], self.path)
        absent = np.isnan(values)
        values = np.where(absent, self.low, values)
        if not p.clip and not p.periodic:
            self._refuse_outside(values)
        span = self.high - self.low
        if p.periodic:
            start = np.floor(np.mod(values - self.low, span) * p.size / span).astype(np.int64)
            start %= p.size  # rounding may reach the end
        else:
            above = np.clip(values, self.low, self.high) - self.low
            start = np.floor(above * (p.size - p.active) / span + 0.5).astype(np.int64)
        return block_bits(np.where(absent, -1, start), p.active, p.size)

    def _refuse_outside(self, values: npt.NDArray[np.float64]) -> None:
        outside = (values < self.low) | (values > self.high)
        if outside.any():
            raise UserError(
                f"{self.path}.clip: found the value {values[outside.argmax()]:g}, expected "
                f"{self.low:g} to {self.high:g}, or clip=true"
            )


@register("encoder", RDSEParameters)
class RDSEEncoder:
    """Bucket b = floor(v / resolution + 0.5) has the on-bits h(b), h(b + 1), ... h(b + active - 1).

    h(n) = word(ENCODER, field, n) scaled to 0..size-1, so buckets at distance d < active
    share the bits of active - d words, and far ones only what falls together by chance.
    Words of one bucket can fall together too: then fewer than `active` bits are on, on
    average about active^2 / (2 * size) fewer.
    """

    left_out: tuple[str, ...] = ()

    def __init__(
        self, p: RDSEParameters, field: str, resolution: float, seed: int, path: str
    ) -> None:
        self.parameters = p
        self.resolution = resolution
        self.path = path
        self.fields: tuple[str, ...] = (field,)
        self.size = p.size
        self.shape: tuple[int, ...] = (p.size,)
        self._key = rng.key(seed, rng.Purpose.ENCODER)
        # Two fields must not share bits for equal buckets.
        self._stream = int.from_bytes(hashlib.sha256(field.encode()).digest()[:8], "little")
        self._first = 0
        self._table, self._counts = self._rows(np.zeros(0, np.int64))

    def buckets(self, values: npt.NDArray[np.float64]) -> Places:
        """Return the bucket of each number that is not NaN."""
        scaled = np.floor(values / self.resolution + 0.5)
        if len(scaled) and np.abs(scaled).max() > LARGEST_BUCKET:
            raise UserError(
                f"{self.path}.resolution: {self.resolution:g} makes more than 2^62 buckets of the "
                f"value {values[np.abs(scaled).argmax()]:g}, expected a coarser one"
            )
        return scaled.astype(np.int64)

    def encode(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Encode numbers (T,)."""
        values = finite_numbers(fields, self.fields[0], self.path)
        known = ~np.isnan(values)
        bucket = self.buckets(values[known])
        index = np.full(len(values), -1, np.int64)
        if len(bucket) and self._cache(int(bucket.min()), int(bucket.max())):
            index[known] = bucket - self._first
            return choose_rows(self._table, self._counts, index, self.size)
        unique, index[known] = np.unique(bucket, return_inverse=True)
        return choose_rows(*self._rows(unique), index, self.size)

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
            self._table, self._counts = self._rows(np.arange(low - room, high + room + 1))
        return True

    def _rows(self, bucket: Places) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Return the ascending distinct bits of each bucket, left-aligned, and their number."""
        active = self.parameters.active
        words = rng.hash2(self._key, self._stream, bucket[:, None] + np.arange(active))
        bits = np.sort(rng.below(words, self.size).astype(np.int32), axis=1)
        # Repeats become `size`, which is no bit and sorts last.
        bits[:, 1:][bits[:, 1:] == bits[:, :-1]] = self.size
        bits.sort(axis=1)
        return bits, (bits < self.size).sum(1, dtype=np.int64)


def finite_numbers(
    fields: Mapping[str, np.ndarray], field: str, path: str
) -> npt.NDArray[np.float64]:
    """Return a field as float64 (T,), NaN allowed; raises UserError for dates and infinities."""
    values = fields[field]
    if values.dtype.kind not in "iufb":
        raise UserError(
            f"{path}.kind: field '{field}' holds {values.dtype}, expected numbers; dates need "
            "kind date"
        )
    out = values.astype(np.float64)
    if np.isinf(out).any():
        raise UserError(f"{path}: field '{field}' holds an infinite value, expected finite numbers")
    return out
