"""Noise on fixed samples: on-bits that move to where none was."""

from __future__ import annotations

from importlib import import_module

import numpy as np

from htmrun.backends import rng
from htmrun.backends.bits import Bits
from htmrun.backends.rng import Purpose

KEPT_BYTES = 1 << 23
"""Samples under noise are kept up to about so much, and so are the ranks of their bits."""


def swap_bits(bits: Bits, level: float, seed: int) -> Bits:
    """Return `bits` with the share `level` of each sample's on-bits moved to off-bits."""
    return Swaps(bits, seed).at(level)


class Swaps:
    """Noise on fixed samples: which bits move is ranked once, how many of them a level says."""

    def __init__(self, bits: Bits, seed: int) -> None:
        """Rank each sample's on-bits by hash, and its off-bits."""
        self.bits, self.seed = bits, seed
        self._dense = bits.dense().astype(np.bool_)
        word = rng.hash2(
            rng.key(seed, Purpose.NOISE),
            np.arange(len(bits), dtype=np.uint64)[:, None],
            np.arange(bits.size, dtype=np.uint64)[None, :],
        )
        order = (word >> np.uint64(1)).argsort(1)
        on = np.take_along_axis(self._dense, order, 1)
        count = on.cumsum(1, dtype=np.int32)
        place = np.arange(bits.size, dtype=np.int32)
        self._rank = np.empty_like(count)
        # A bit's rank among those of its side: those before it that are on, or that are off.
        np.put_along_axis(self._rank, order, np.where(on, count - 1, place - count), 1)
        self._kept: dict[float, Bits] = {}

    def at(self, level: float) -> Bits:
        """Return the samples with the share `level` of their on-bits moved to off-bits."""
        known = self._kept.get(level)
        if known is not None:
            return known
        counts, size = self.bits.counts(), self.bits.size
        moved = np.minimum((counts * level).astype(np.int32), size - counts).astype(np.int32)
        # Of both sides the first `moved` flip, so that each sample keeps its number of on-bits.
        compiled = import_module("htmrun.backends.cpu")  # numba comes late
        found: Bits = compiled.swapped(self._dense, self._rank, moved, self.bits.offsets)
        if found.indices.nbytes * (len(self._kept) + 1) <= KEPT_BYTES:
            self._kept[level] = found
        return found

    @property
    def ranked_bytes(self) -> int:
        """How many bytes the ranks take."""
        return self._rank.nbytes + self._dense.nbytes

    def of(self, bits: Bits, seed: int) -> bool:
        """Say whether this is the noise on these samples."""
        same = self.seed == seed and self.bits.size == bits.size
        return (
            same
            and np.array_equal(self.bits.offsets, bits.offsets)
            and np.array_equal(self.bits.indices, bits.indices)
        )


_latest: list[Swaps] = []
"""The noise asked for last: jobs come seed by seed, and all arms of a seed hear the same."""


def swaps_of(bits: Bits, seed: int) -> Swaps:
    """Return the noise on these samples, made once for all jobs in a row that ask for it."""
    for swaps in _latest:
        if swaps.of(bits, seed):
            return swaps
    swaps = Swaps(bits, seed)
    _latest[:] = [swaps] if swaps.ranked_bytes <= KEPT_BYTES else []
    return swaps
