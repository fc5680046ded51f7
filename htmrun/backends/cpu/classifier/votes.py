"""Classifiers by votes, compiled: whole chunks in one loop, bit lists instead of matrices.

Floor per sample: of bit votes as of the SDR classifier; of nearest patterns one look at a table
for each on-bit of each stored pattern, or one count of a word for each 64 of its bits, whichever
are fewer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.bits import Bits
from htmrun.backends.cpu.common.numeric import JIT, popcount

F32 = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]
SIMILARITIES = ("overlap", "cosine", "jaccard")


@njit(**JIT)
def _shares(votes: Any, floor: Any, out: Any) -> None:
    count = votes.shape[0]
    total, alike = 0.0, 1.0 / count
    for c in range(count):
        total += votes[c]
    for c in range(count):
        if total <= 0.0:
            out[c] = np.float32(alike)
        else:
            out[c] = np.float32((1.0 - floor) * (votes[c] / total) + floor * alike)


@njit(**JIT)
def _bit_votes(
    table: Any, kept: Any, added: Any, floor: Any, indices: Any, offsets: Any, given: Any,
    given_offsets: Any, classes: Any, due: Any, out: Any,
) -> None:  # fmt: skip
    count = table.shape[1]
    sums, votes = np.empty(count, np.float32), np.empty(count, np.float64)
    applied = 0
    for t in range(offsets.shape[0] - 1):
        sums[:] = np.float32(0)
        for i in range(offsets[t], offsets[t + 1]):
            row = table[indices[i]]
            for c in range(count):
                sums[c] += row[c]
        for c in range(count):
            votes[c] = sums[c]
        _shares(votes, floor, out[t])
        while applied < due[t]:
            for i in range(given_offsets[applied], given_offsets[applied + 1]):
                row = table[given[i]]
                for c in range(count):
                    row[c] *= kept
                row[classes[applied]] += added
            applied += 1


@njit(**JIT)
def _packed(indices: Any, offsets: Any, words: Any) -> Any:
    out = np.zeros((offsets.shape[0] - 1, words), np.uint64)
    for p in range(out.shape[0]):
        for i in range(offsets[p], offsets[p + 1]):
            out[p, indices[i] >> 6] |= np.uint64(1) << np.uint64(indices[i] & 63)
    return out


@njit(**JIT)
def _nearest_votes(
    indices: Any, offsets: Any, stored: Any, starts: Any, classes: Any, low: Any, high: Any,
    neighbours: Any, kind: Any, weighted: Any, floor: Any, is_on: Any, asked: Any, held: Any,
    out: Any,
) -> None:  # fmt: skip
    best, place = np.empty(neighbours, np.float64), np.empty(neighbours, np.int64)
    votes = np.empty(out.shape[1], np.float64)
    for t in range(offsets.shape[0] - 1):
        for i in range(offsets[t], offsets[t + 1]):
            is_on[indices[i]] = 1
        own, found = offsets[t + 1] - offsets[t], 0
        for p in range(low[t], high[t]):
            overlap = np.int64(0)
            if held.shape[1] > 0:
                for w in range(held.shape[1]):
                    overlap += np.int64(popcount(asked[t, w] & held[p, w]))
            else:
                for i in range(starts[p], starts[p + 1]):
                    overlap += is_on[stored[i]]
            if overlap == 0:
                continue
            other = starts[p + 1] - starts[p]
            near = np.float64(overlap)
            if kind == 1:
                near = near / np.sqrt(np.float64(own * other))
            elif kind == 2:
                near = near / np.float64(own + other - overlap)
            if found == neighbours and near <= best[found - 1]:
                continue
            # Later patterns come after equal ones, so the lower index stays before.
            at = found if found < neighbours else neighbours - 1
            while at > 0 and best[at - 1] < near:
                best[at], place[at] = best[at - 1], place[at - 1]
                at -= 1
            best[at], place[at] = near, p
            found = min(found + 1, neighbours)
        votes[:] = 0.0
        for n in range(found):
            votes[classes[place[n]]] += best[n] if weighted else 1.0
        _shares(votes, floor, out[t])
        for i in range(offsets[t], offsets[t + 1]):
            is_on[indices[i]] = 0


def bit_votes(
    table: F32, rate: float, floor: float, bits: Bits, events: Bits, classes: Counts, due: Counts
) -> F32:
    """Return probabilities (T, classes); changes `table`. See the reference for the meaning."""
    out = np.empty((len(bits), table.shape[1]), np.float32)
    _bit_votes(
        table, np.float32(1 - rate), np.float32(rate), floor, bits.indices, bits.offsets,
        events.indices, events.offsets, classes, due, out,
    )  # fmt: skip
    return out


def nearest_votes(
    bits: Bits, stored: Bits, classes: Counts, low: Counts, high: Counts, neighbours: int,
    similarity: str, weighted: bool, floor: float, count: int,
) -> F32:  # fmt: skip
    """Return probabilities (T, count) from patterns nearest to each. See the reference."""
    out = np.empty((len(bits), count), np.float32)
    words = -(-bits.size // 64)
    # No words: the lists are shorter.
    words = words if words * len(stored) <= len(stored.indices) else 0
    asked, held = (
        _packed(b.indices, b.offsets, words) if words else np.zeros((len(b), 0), np.uint64)
        for b in (bits, stored)
    )
    _nearest_votes(
        bits.indices, bits.offsets, stored.indices, stored.offsets, classes, low, high, neighbours,
        SIMILARITIES.index(similarity), weighted, floor, np.zeros(bits.size, np.uint8), asked, held,
        out,
    )  # fmt: skip
    return out
