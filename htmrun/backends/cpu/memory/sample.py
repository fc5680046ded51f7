"""Which winners a segment grows to: those with the smallest hashes, lower cells first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from htmrun.backends.cpu.common.numeric import mix
from htmrun.backends.cpu.memory.index import INLINE

_HIGH = np.uint64(0xFFFFFFFF00000000)
LOW = np.uint64(0x00000000FFFFFFFF)
"""The bits of a key that are its cell."""

_NOUGHT, _ONE = np.uint64(0), np.uint64(1)


@njit(**INLINE)
def hash_keys(word: Any, winners: Any, keys: Any) -> None:
    """Write (hash, cell) of each winner; without a branch, so that many are hashed at a time."""
    for q in range(np.uint64(winners.shape[0])):
        cell = np.uint64(winners[q])
        keys[q] = (mix(word ^ cell) & _HIGH) | cell


@njit(**INLINE)
def hash_places(word: Any, winners: Any, keys: Any) -> None:
    """Write (hash, place among the winners) of each, which are in the same order as its cells."""
    for q in range(np.uint64(winners.shape[0])):
        keys[q] = (mix(word ^ np.uint64(winners[q])) & _HIGH) | q


@njit(**INLINE)
def candidates(
    s: int, word: Any, winners: Any, segments: Any, synapses: Any, queue: Any, mark: Any
) -> int:
    """Write (hash, cell) of the winners not on the segment to `queue.keys`; returns how many."""
    keys = queue.keys
    hash_keys(mix(word ^ np.uint64(s)), winners, keys)
    row = np.uint64(segments.row[s])
    end = row + np.uint64(segments.room[s])
    for y in range(row, end):
        mark[np.uint64(synapses.cell[y])] |= 4
    m = _NOUGHT
    for q in range(np.uint64(winners.shape[0])):
        key = keys[q]
        keys[m] = key
        m += np.uint64((mark[key & LOW] & 4) == 0)
    for y in range(row, end):
        mark[np.uint64(synapses.cell[y])] &= 3
    return np.int64(m)


@njit(**INLINE)
def smallest(keys: Any, m: int, n: int, chosen: Any, buckets: Any) -> None:
    """Write the `n` smallest of `keys[:m]` to `chosen`, ascending; more may follow them. n > 0.

    Keys are hashes, so as many buckets as keys leave about one key in each, and an insertion
    sort up to the bucket of the n-th has next to nothing to do. Every key goes to its bucket:
    asking first whether it is needed would be a coin toss for the branch predictor.
    """
    width = 2
    while (1 << width) < m and width < 10:
        width += 1
    shift = np.uint64(64 - width)
    buckets[: 1 << width] = 0
    for q in range(np.uint64(m)):
        buckets[keys[q] >> shift] += 1
    end = np.int64(0)
    for b in range(np.uint64(1 << width)):
        here = buckets[b]
        buckets[b] = end
        end += here
    for q in range(np.uint64(m)):
        key = keys[q]
        place = np.uint64(buckets[key >> shift])
        chosen[place] = key
        buckets[key >> shift] = place + _ONE
    # A bucket now says where it ends. Keys of different buckets are in order.
    total = np.uint64(buckets[chosen[np.uint64(n - 1)] >> shift])
    for q in range(_ONE, total):
        key = chosen[q]
        r = q
        while r > _NOUGHT and chosen[r - _ONE] > key:
            chosen[r] = chosen[r - _ONE]
            r -= _ONE
        chosen[r] = key
