"""Local inhibition: columns visited from the best down, neighbours counted by popcount.

A column wins if fewer than its number of places are left of its neighbours among the
columns visited before it, which are exactly those that beat it. Most are never visited:
see `Field`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.numeric import popcount, trailing_zeros
from htmrun.backends.cpu.sp_memory import HOT, I64, LEVELS, U64, Field, Memory
from htmrun.backends.cpu.sp_winners import able_columns


@njit(**HOT)
def _start(f: Field, m: Memory) -> None:
    f.block_count[:] = 0
    for w in range(len(m.better)):
        m.better[w] = np.uint64(0)
        m.selected[w] = np.uint64(0)


@njit(**HOT)
def _visit(c: int, alive: U64, f: Field, m: Memory) -> int:
    """Decide whether column `c` wins; returns 1 if its whole block is decided now, else 0."""
    beaten = np.uint64(0)
    places = np.uint64(f.places[c])
    for q in range(f.offsets[c], f.offsets[c + 1]):
        beaten += popcount(m.better[f.words[q]] & f.masks[q])
        if beaten >= places:
            break
    if beaten < places:
        m.selected[c >> 6] |= np.uint64(1) << np.uint64(c & 63)
    block = f.block[c]
    f.block_count[block] += 1
    if f.block_count[block] < f.block_places[block]:
        return 0
    for q in range(f.block_offsets[block], f.block_offsets[block + 1]):
        alive[f.block_words[q]] &= ~f.block_masks[q]
    return 1


@njit(**HOT)
def local_best_overlaps(used: int, stimulus: int, f: Field, m: Memory) -> None:
    """Leave the local winners by overlap in `m.selected`, level by level from the planes."""
    _start(f, m)
    if able_columns(used, stimulus, m) == 0:
        return
    alive = m.candidates
    highest = _highest_level(used, m)
    open_blocks = len(f.block_places)
    for level in range(highest, stimulus - 1, -1):
        _columns_at(level, used, m)
        for w in range(len(alive)):
            here = m.level[w]
            while here & alive[w]:
                new = here & alive[w]
                lowest = new & (~new + np.uint64(1))
                m.better[w] |= here & (lowest - np.uint64(1))
                c = w * 64 + np.int64(trailing_zeros(lowest))
                alive[w] ^= lowest
                open_blocks -= _visit(c, alive, f, m)
            m.better[w] |= here
        if open_blocks == 0:
            return


@njit(**HOT)
def _highest_level(used: int, m: Memory) -> int:
    best = m.level
    for w in range(len(best)):
        best[w] = m.candidates[w]
    highest = 0
    for p in range(used - 1, -1, -1):
        plane = m.planes[p]
        some = np.uint64(0)
        for w in range(len(best)):
            some |= best[w] & plane[w]
        if some:
            highest |= 1 << p
            for w in range(len(best)):
                best[w] &= plane[w]
    return highest


@njit(**HOT)
def _columns_at(level: int, used: int, m: Memory) -> None:
    """Leave in `m.level` the columns whose overlap is exactly `level`."""
    here = m.level
    for w in range(len(here)):
        here[w] = np.uint64(0xFFFFFFFFFFFFFFFF)
    for p in range(used):
        plane = m.planes[p]
        unwanted = np.uint64(0) if (level >> p) & 1 else np.uint64(0xFFFFFFFFFFFFFFFF)
        for w in range(len(here)):
            here[w] &= plane[w] ^ unwanted


@njit(**HOT)
def local_best_scores(f: Field, m: Memory) -> None:
    """Leave the local winners by boosted score in `m.selected`."""
    _start(f, m)
    keys = m.scores.view(np.uint32)
    highest = np.uint32(0)
    lowest = np.uint32(0xFFFFFFFF)
    for c in range(len(keys)):
        highest = max(highest, keys[c])
        lowest = min(lowest, keys[c] if keys[c] else np.uint32(0xFFFFFFFF))
    if highest == np.uint32(0):
        return
    alive = m.candidates
    alive[:] = np.uint64(0xFFFFFFFFFFFFFFFF)
    _into_buckets(keys, highest, lowest, m)
    open_blocks = len(f.block_places)
    for b in range(LEVELS):
        first, last = m.buckets[b], m.buckets[b + 1]
        _sort(m.list_keys[first:last], m.list_columns[first:last])
        for j in range(first, last):
            c = m.list_columns[j]
            bit = np.uint64(1) << np.uint64(c & 63)
            if alive[c >> 6] & bit:
                open_blocks -= _visit(c, alive, f, m)
            m.better[c >> 6] |= bit
        if open_blocks == 0:
            return


@njit(**HOT)
def _into_buckets(
    keys: npt.NDArray[np.uint32], highest: np.uint32, lowest: np.uint32, m: Memory
) -> None:
    """List columns with a key above 0 by falling bucket of key: m.buckets holds the starts."""
    shift = np.uint32(0)
    while (highest - lowest) >> shift >= np.uint32(LEVELS):
        shift += np.uint32(1)
    ends = m.buckets
    ends[:] = 0
    for c in range(len(keys)):
        if keys[c]:
            ends[np.int64((highest - keys[c]) >> shift) + 2] += 1
    for b in range(2, LEVELS + 2):
        ends[b] += ends[b - 1]
    for c in range(len(keys)):
        if keys[c]:
            b = np.int64((highest - keys[c]) >> shift) + 1
            m.list_keys[ends[b]] = keys[c]
            m.list_columns[ends[b]] = c
            ends[b] += 1


@njit(**HOT)
def _sort(keys: npt.NDArray[np.uint32], columns: I64) -> None:
    """Insertion sort of one bucket by falling key; columns ascend already, so it is stable."""
    for j in range(1, len(keys)):
        key = keys[j]
        column = columns[j]
        i = j
        while i > 0 and keys[i - 1] < key:
            keys[i] = keys[i - 1]
            columns[i] = columns[i - 1]
            i -= 1
        keys[i] = key
        columns[i] = column


@njit(**HOT)
def neighbourhood_sums(shape: I64, radius: int, wrap: bool, sums: I64, size: int) -> None:
    """Replace sums[0, :size] by the sum over every neighbourhood, one dimension at a time."""
    inner = size
    for d in range(len(shape)):
        n = shape[d]
        inner //= n
        for c in range(size):
            sums[1, c] = sums[0, c]
        for outer in range(0, size, n * inner):
            _line_sums(sums[1, outer : outer + n * inner], sums[0], outer, n, inner, radius, wrap)


@njit(**HOT)
def _line_sums(source: I64, out: I64, at: int, n: int, inner: int, radius: int, wrap: bool) -> None:
    whole = 2 * radius + 1 >= n if wrap else radius >= n - 1
    for i in range(inner):
        out[at + i] = 0
    for y in range(0 if whole else -radius, n if whole else radius + 1):
        if wrap or 0 <= y < n:
            for i in range(inner):
                out[at + i] += source[(y % n) * inner + i]
    for x in range(1, n):
        here = at + x * inner
        for i in range(inner):
            out[here + i] = out[here - inner + i]
        if whole:
            continue
        new, old = x + radius, x - radius - 1
        if wrap:
            new -= n if new >= n else 0
            old += n if old < 0 else 0
        if new < n:
            for i in range(inner):
                out[here + i] += source[new * inner + i]
        if old >= 0:
            for i in range(inner):
                out[here + i] -= source[old * inner + i]


@njit(**HOT)
def neighbourhood_maxima(shape: I64, radius: int, wrap: bool, sums: I64, size: int) -> None:
    """Replace sums[0, :size] by the maximum over every neighbourhood."""
    inner = size
    for d in range(len(shape)):
        n = shape[d]
        inner //= n
        for c in range(size):
            sums[1, c] = sums[0, c]
        reach = min(radius, n // 2) if wrap else radius
        for outer in range(0, size, n * inner):
            for x in range(n):
                here = outer + x * inner
                for y in range(x - reach, x + reach + 1):
                    if wrap or 0 <= y < n:
                        there = outer + (y % n) * inner
                        for i in range(inner):
                            sums[0, here + i] = max(sums[0, here + i], sums[1, there + i])
