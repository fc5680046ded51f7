"""A full memory gives up the segments used longest ago, many at once.

Two or three passes over `Segments.last_used` find them, so the search costs next to nothing
for each: no list of segments by age has to be kept up to date at every reinforcement.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from htmrun.backends.cpu.memory.arrays import (
    NEXT_ID,
    SEGMENTS_CREATED,
    SEGMENTS_DESTROYED,
    SEGMENTS_EVICTED,
    SWEPT,
)
from htmrun.backends.cpu.memory.index import UNCOUNTED
from htmrun.backends.cpu.memory.learn import destroy

_BUCKETS = 1024


@njit(**UNCOUNTED)
def evict_oldest(n: int, newest: int, rules: Any, memory: Any) -> None:
    """Destroy the `n` segments (all, if there are fewer) with the smallest (last used, id).

    They go in the order of their ids. No segment was used after sample `newest`.
    """
    segments, scalars = memory.segments, memory.scalars
    n = min(n, scalars[SEGMENTS_CREATED] - scalars[SEGMENTS_DESTROYED])
    used, ties = _nth_oldest(n, newest, scalars[NEXT_ID], segments, memory.scratch.buckets)
    scalars[SWEPT] = 1
    scalars[SEGMENTS_EVICTED] += n
    for s in range(scalars[NEXT_ID]):
        if segments.cell[s] < 0 or segments.last_used[s] > used:
            continue
        if segments.last_used[s] == used:
            if ties == 0:
                continue
            ties -= 1
        segments.gone[s] = 1  # and so on no list, which would have no room for all of them
        destroy(np.int64(s), rules, memory)


@njit(**UNCOUNTED)
def _nth_oldest(n: int, newest: int, next_id: int, segments: Any, buckets: Any) -> tuple[int, int]:
    """Return when the n-th oldest segment was used, and how many used just then are to go."""
    low, high = np.int64(0), np.int64(newest)
    left = np.int64(n)
    while high > low:
        shift = 0
        while (high - low) >> shift >= _BUCKETS:
            shift += 1
        buckets[:] = 0
        for s in range(next_id):
            used = segments.last_used[s]
            if segments.cell[s] >= 0 and low <= used <= high:
                buckets[(used - low) >> shift] += 1
        b = 0
        while buckets[b] < left:
            left -= buckets[b]
            b += 1
        low += np.int64(b) << shift
        high = min(high, low + (np.int64(1) << shift) - 1)
    return low, left
