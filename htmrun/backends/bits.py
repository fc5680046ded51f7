"""Sparse binary vectors: a chunk of samples in compressed rows.

`Bits` is what flows between the stages: encoder -> SP -> TM -> classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt


class Bits:
    """T binary vectors of `size` bits each.

    `indices` (int32, ascending within a sample, no repeats) holds the on-bits of all
    samples one after the other; sample t owns ``indices[offsets[t]:offsets[t + 1]]``
    (`offsets` int64, length T + 1, starting at 0).
    """

    __slots__ = ("indices", "offsets", "size")

    # Not a frozen dataclass: a row that comes by itself makes a dozen of these on its way, and each
    # would cost six times as much. That nothing is assigned to later is left to the type checker.
    def __init__(
        self, size: int, indices: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64]
    ) -> None:
        self.size: Final = size
        self.indices: Final = indices
        self.offsets: Final = offsets

    def __repr__(self) -> str:
        return f"Bits({len(self)} samples of {self.size} bits, {len(self.indices)} on)"

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def total(self) -> int:
        """How many bits are on, of all samples."""
        return len(self.indices)

    def row(self, t: int) -> npt.NDArray[np.int32]:
        """Return the on-bits of sample `t`, ascending."""
        return self.indices[self.offsets[t] : self.offsets[t + 1]]

    def counts(self) -> npt.NDArray[np.int64]:
        """Return the number of on-bits of each sample, shape (T,)."""
        return self.offsets[1:] - self.offsets[:-1]

    def slice(self, start: int, stop: int) -> Bits:
        """Return samples start..stop as Bits of their own (indices are a view)."""
        low, high = self.offsets[start], self.offsets[stop]
        return Bits(self.size, self.indices[low:high], self.offsets[start : stop + 1] - low)

    def dense(self) -> npt.NDArray[np.uint8]:
        """Return a (T, size) array of zeros and ones."""
        out = np.zeros((len(self), self.size), np.uint8)
        out[np.repeat(np.arange(len(self)), self.counts()), self.indices] = 1
        return out

    @staticmethod
    def empty(size: int) -> Bits:
        """Return zero samples of `size` bits."""
        return Bits(size, np.zeros(0, np.int32), np.zeros(1, np.int64))

    @staticmethod
    def from_dense(dense: npt.ArrayLike) -> Bits:
        """Return Bits for a (T, size) array; every non-zero entry is an on-bit."""
        on = np.asarray(dense) != 0
        counts = on.sum(1, dtype=np.int64)
        # Flat: in two dimensions NumPy looks for them three times as long.
        columns = np.flatnonzero(on)
        columns -= np.repeat(np.arange(len(on)) * on.shape[1], counts)
        return Bits(on.shape[1], columns.astype(np.int32), _offsets(counts))

    @staticmethod
    def from_rows(size: int, rows: Sequence[npt.ArrayLike]) -> Bits:
        """Return Bits from one ascending index list per sample."""
        arrays = [np.asarray(r, np.int32) for r in rows]
        counts = np.array([len(a) for a in arrays], np.int64)
        joined = np.concatenate(arrays) if arrays else np.zeros(0, np.int32)
        return Bits(size, joined.astype(np.int32), _offsets(counts))

    @staticmethod
    def concatenate(parts: Sequence[Bits]) -> Bits:
        """Return the samples of all `parts`, one after the other; sizes must agree.

        Where one part alone has samples it is that part, not a copy.
        """
        if len({p.size for p in parts}) != 1:
            raise ValueError("parts of different sizes cannot be concatenated")
        some = [p for p in parts if len(p)]
        if len(some) == 1:
            return some[0]
        for part in some:
            if type(part) is not Bits:
                return part.joined_with(some)
        return joined(parts)

    def joined_with(self, parts: Sequence[Bits]) -> Bits:
        """Return the samples of `parts`, this one among them, one after the other."""
        return joined(parts)

    @staticmethod
    def beside(parts: Sequence[Bits]) -> Bits:
        """Join encodings of the same T samples side by side, in order: sizes add up."""
        samples = len(parts[0])
        if samples == 1:
            return _beside_of_one(parts)
        starts = np.concatenate([[0], np.cumsum([p.size for p in parts])]).astype(np.int64)
        row = np.concatenate([np.repeat(np.arange(samples), p.counts()) for p in parts])
        column = np.concatenate(
            [p.indices.astype(np.int64) + s for p, s in zip(parts, starts, strict=False)]
        )
        order = np.argsort(row, kind="stable")
        counts = np.sum([p.counts() for p in parts], axis=0)
        return Bits(int(starts[-1]), column[order].astype(np.int32), _offsets(counts))


def joined(parts: Sequence[Bits]) -> Bits:
    """Return the samples of all `parts` of equal size, one after the other, in this memory."""
    counts = np.concatenate([p.counts() for p in parts])
    return Bits(parts[0].size, np.concatenate([p.indices for p in parts]), _offsets(counts))


def _beside_of_one(parts: Sequence[Bits]) -> Bits:
    """Return what `Bits.beside` does of one sample: nothing has to be put in order."""
    joined, start = [], 0
    for part in parts:
        joined.append(part.indices + start if start else part.indices)
        start += part.size
    indices, ends = np.concatenate(joined), np.zeros(2, np.int64)
    ends[1] = len(indices)
    return Bits(start, indices, ends)


def _offsets(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
