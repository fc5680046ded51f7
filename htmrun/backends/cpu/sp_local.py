"""Local inhibition: the few columns that can win, and for each a count of who beats it.

The columns of a block are all neighbours of each other, so beyond a block's best ones, as
many as there are places, none can win. Overlaps are few different numbers: columns are
visited level by level from the best down, and a mask of those visited says who beats whom.
Boosted scores all differ: there a bound per block leaves a few columns, and 64 scores at a
time are compared with theirs (float32 > 0, ordered like their bits as integers).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.numeric import bits_of_float, float_of_bits, popcount, trailing_zeros
from htmrun.backends.cpu.sp_lanes import at_least
from htmrun.backends.cpu.sp_memory import INNER, U64, Field, Memory
from htmrun.backends.cpu.sp_winners import able_columns

Keys = npt.NDArray[np.uint32]

_PROBES = 12
"""Probes for a block's bound; stopping early only leaves more candidates."""


@njit(**INNER)
def _start(f: Field, m: Memory) -> None:
    f.block_count[:] = 0
    for w in range(len(m.better)):
        m.better[w] = np.uint64(0)
        m.selected[w] = np.uint64(0)


@njit(**INNER)
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


@njit(**INNER)
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


@njit(**INNER)
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


@njit(**INNER)
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


@njit(**INNER)
def local_best_scores(on: int, f: Field, m: Memory) -> None:
    """Leave the local winners by `m.scores` in `m.selected`; `on` is the number of on-inputs."""
    keys = m.scores.view(np.uint32)
    for w in range(len(m.selected)):
        m.selected[w] = np.uint64(0)
    for block in range(len(f.block_places)):
        bound = _bound(block, keys, on, f)
        for q in range(f.block_offsets[block], f.block_offsets[block + 1]):
            w = np.int64(f.block_words[q])
            left = at_least(keys, w * 64, bound) & f.block_masks[q]
            while left != np.uint64(0):
                bit = left & (~left + np.uint64(1))
                if _wins(w, bit, keys, f):
                    m.selected[w] |= bit
                left ^= bit


@njit(**INNER)
def _wins(own: int, bit: np.uint64, keys: Keys, f: Field) -> bool:
    """Count the neighbours that beat a column: a higher key, or an equal one and a lower index."""
    c = own * 64 + np.int64(trailing_zeros(bit))
    key = keys[c]
    beaten = np.uint64(0)
    places = np.uint64(f.places[c])
    for q in range(f.offsets[c], f.offsets[c + 1]):
        w = np.int64(f.words[q])
        better = at_least(keys, w * 64, np.uint32(key + np.uint32(w >= own)))
        if w == own:
            better |= at_least(keys, w * 64, key) & (bit - np.uint64(1))
        beaten += popcount(better & f.masks[q])
        if beaten >= places:
            return False
    return True


@njit(**INNER)
def _bound(block: int, keys: Keys, on: int, f: Field) -> np.uint32:
    """Return a key that at least as many columns of the block reach as it has places, or 1.

    Looked for where the last sample's lay, scaled by `on`; not necessarily the tightest.
    """
    places = f.block_places[block]
    probe = np.int64(bits_of_float(np.float32(f.hint[block] * on)))
    probe = max(probe, np.int64(1))
    low, high = np.int64(1), np.int64(1) << 32
    step = np.int64(1) << 18
    for _ in range(_PROBES):
        n = np.uint64(0)
        for q in range(f.block_offsets[block], f.block_offsets[block + 1]):
            w = np.int64(f.block_words[q])
            n += popcount(at_least(keys, w * 64, np.uint32(probe)) & f.block_masks[q])
        if np.int64(n) >= places:
            low = probe
            if np.int64(n) <= places + places // 2 + 1:
                break
            probe = min(probe + step, (low + high) >> 1)
        else:
            high = probe
            probe = max(probe - step, (low + high) >> 1)
        step *= 2
        if high - low <= 1:
            break
    f.hint[block] = np.float64(float_of_bits(np.uint32(low))) / max(on, 1)
    return np.uint32(low)
