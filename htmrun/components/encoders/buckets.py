"""Values that come one by one: a bucket is found in Python's numbers, and its bits are kept."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from htmrun.backends.bits import Bits
from htmrun.components.encoders import Encoder

Indices = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]
Row = tuple[Callable[[], Indices], Callable[[], Offsets]]

KEPT_BITS = 1 << 20
"""On-bits that an encoder keeps for values which come by themselves, at most about so many."""
UNKNOWN = ()
"""The bucket of a value that is missing, which has no on-bits."""


class BucketEncoder(Encoder):
    """An encoder whose bits follow from a bucket: a place, a cell, the number of an interval.

    The bits of a bucket are made once, by what makes those of many values, so that a value by
    itself has the same bytes: to make the arrays of one takes ten times as long as to copy them.
    """

    _rows: dict[Hashable, Row]
    """By bucket what makes the arrays of a sample, new ones at each call."""
    _count: int

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Return one that keeps nothing yet; so begin copies too."""
        encoder = super().__new__(cls)
        encoder._rows, encoder._count = {}, 0
        return encoder

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of: not what is kept, which it finds again."""
        return {n: value for n, value in vars(self).items() if n not in ("_rows", "_count")}

    @abstractmethod
    def bucket(self, fields: Mapping[str, np.ndarray]) -> Hashable | None:
        """Return the bucket of a single sample; None: of several, or look closer."""

    @abstractmethod
    def bits_of(self, bucket: Any) -> Bits:
        """Return the bits of one sample in a bucket."""

    @abstractmethod
    def encode_many(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Return what `encode` does, of any number of samples."""

    def encode(self, fields: Mapping[str, np.ndarray]) -> Bits:
        """Return the encodings of arrays by field (T,)."""
        bucket = self.bucket(fields)
        if bucket is None:
            return self.encode_many(fields)
        try:
            copy, copy_ends = self._rows[bucket]
        except KeyError:
            copy, copy_ends = self._keep(bucket)
        return Bits(self.size, copy(), copy_ends())

    def _keep(self, bucket: Hashable) -> Row:
        made = self.bits_of(bucket)
        if self._count > KEPT_BITS:
            self._rows, self._count = {}, 0
        row = self._rows[bucket] = made.indices.copy, made.offsets.copy
        self._count += len(made.indices) + 1
        return row


class Beside:
    """Puts the bits of single samples in several encoders side by side.

    What stands in the result is kept by bucket, with each encoder's place added already.
    """

    def __init__(self, encoders: Sequence[BucketEncoder]) -> None:
        self._encoders, self.size = tuple(encoders), sum(encoder.size for encoder in encoders)
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of."""
        return {"_encoders": self._encoders, "size": self.size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def _forget(self) -> None:
        starts = accumulate((encoder.size for encoder in self._encoders), initial=0)
        empty: list[dict[Hashable, Indices]] = [{} for _ in self._encoders]
        self._parts = list(zip(self._encoders, empty, starts, strict=False))
        self._ends: dict[int, Offsets] = {}
        self._count = 0

    def one(self, fields: Mapping[str, np.ndarray]) -> Bits | None:
        """Return what `Bits.beside` makes of one sample; None: encode each by itself."""
        rows = []
        for encoder, moved, start in self._parts:
            bucket = encoder.bucket(fields)
            if bucket is None:
                return None
            row = moved.get(bucket)
            if row is None:
                row = self._keep(encoder.bits_of(bucket).indices + np.int32(start))
                moved[bucket] = row
            rows.append(row)
        indices = np.concatenate(rows)
        ends = self._ends.get(len(indices))
        if ends is None:
            ends = self._ends[len(indices)] = np.array([0, len(indices)], np.int64)
        return Bits(self.size, indices, ends.copy())

    def _keep(self, row: Indices) -> Indices:
        """Make room for a row."""
        if self._count > KEPT_BITS:
            self._count = 0
            for _, moved, _ in self._parts:
                moved.clear()
        self._count += len(row) + 1
        return row
