"""Local inhibition: columns are visited from the best down, and each beats its neighbours.

How often a column has been beaten stands in bit-sliced counters, 64 columns to a word, so
that a visit adds one to 512 columns of a neighbourhood at a time. Counters start at
2**planes - places: the one that overflows belongs to a column that cannot win any more. A
column that is visited before that wins. The end comes when no column is left, long before all
have been visited.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.numeric import bits_of_float, float_of_bits
from htmrun.backends.cpu.sp_lanes import PLANES, WORDS, at_least, clear_where, count_up
from htmrun.backends.cpu.sp_memory import INNER, U64, Field, Memory
from htmrun.backends.cpu.sp_winners import write_columns

Keys = npt.NDArray[np.uint32]

_CHECK = 16
"""Visits between looks whether any column is left."""


@njit(**INNER)
def _start(f: Field, m: Memory) -> None:
    for w in range(len(m.selected)):
        m.selected[w] = np.uint64(0)
    for p in range(f.start.shape[0]):
        for w in range(f.start.shape[1]):
            f.counters[p, w] = f.start[p, w]


@njit(**INNER)
def _visit(c: int, alive: U64, f: Field, m: Memory) -> None:
    """Column `c` wins if it is alive; then it beats all neighbours, which come later or came."""
    bit = np.uint64(1) << np.uint64(c & 63)
    won = alive[c >> 6] & bit
    m.selected[c >> 6] |= won
    alive[c >> 6] ^= won
    width = f.counters.shape[1]
    for q in range(f.offsets[c], f.offsets[c + 1]):
        at = f.words[q]
        count_up(f.masks, q * WORDS, f.counters, width, at, f.carry)
        for plane in range(PLANES, f.counters.shape[0], PLANES):
            count_up(f.carry, 0, f.counters, width, plane * width + at, f.carry)
        clear_where(alive, at, f.carry)


@njit(**INNER)
def _any(alive: U64) -> bool:
    left = np.uint64(0)
    for w in range(len(alive)):
        left |= alive[w]
    return left != np.uint64(0)


@njit(**INNER)
def _visit_all(n: int, columns: npt.NDArray[np.int32], alive: U64, f: Field, m: Memory) -> int:
    """Visit the first `n` of `columns` as long as any is alive; return how many were visited."""
    for first in range(0, n, _CHECK):
        last = min(first + _CHECK, n)
        for j in range(first, last):
            _visit(np.int64(columns[j]), alive, f, m)
        if not _any(alive):
            return last
    return n


@njit(**INNER)
def local_best(on: int, f: Field, m: Memory) -> None:
    """Leave the local winners by `m.scores` in `m.selected`; `on` is the number of on-inputs.

    The best scores are sorted and visited, then those below them, until no column is left. How
    many are taken first follows from the last sample; that decides about speed only.
    """
    keys = m.scores.view(np.uint32)
    alive = m.candidates
    _start(f, m)
    for w in range(len(alive)):
        alive[w] = at_least(keys, w * 64, np.uint32(1))
    above = np.int64(1) << 32
    bound = np.int64(bits_of_float(np.float32(m.hint[0] * on * m.hint[1])))
    step = np.int64(1) << 20
    while _any(alive):
        bound = max(bound, np.int64(1))
        n = _sorted_between(bound, above, keys, m)
        visited = _visit_all(n, m.ranked, alive, f, m)
        if visited > 0:
            m.hint[0] = np.float64(float_of_bits(keys[m.ranked[visited - 1]])) / max(on, 1)
        if n > visited + visited // 2:
            m.hint[1] = min(m.hint[1] * 1.01, 1.0)
        if bound == 1:
            return
        above = bound
        bound -= step
        step *= 2
        if _any(alive):
            m.hint[1] *= 0.98


@njit(**INNER)
def _sorted_between(low: int, above: int, keys: Keys, m: Memory) -> int:
    """List the columns with low <= key < above in `m.ranked`, best first; return how many."""
    for w in range(len(m.level)):
        m.level[w] = at_least(keys, w * 64, np.uint32(low))
        if above >> 32 == 0:
            m.level[w] &= ~at_least(keys, w * 64, np.uint32(above))
    n = write_columns(m.level, m.listed, 0)
    most = np.int64(low)
    for j in range(n):
        most = max(most, np.int64(keys[m.listed[j]]))
    shift = 0
    while (most - low) >> shift >= len(m.buckets) - 1:
        shift += 1
    m.buckets[:] = 0
    for j in range(n):
        m.buckets[((most - np.int64(keys[m.listed[j]])) >> shift) + 1] += 1
    for b in range(1, len(m.buckets)):
        m.buckets[b] += m.buckets[b - 1]
    for j in range(n):
        c = m.listed[j]
        b = (most - np.int64(keys[c])) >> shift
        m.ranked[m.buckets[b]] = c
        m.buckets[b] += 1
    # Almost sorted now, and equal keys in the order of their columns, which stays.
    for j in range(1, n):
        c = m.ranked[j]
        key = keys[c]
        k = j
        while k > 0 and keys[m.ranked[k - 1]] < key:
            m.ranked[k] = m.ranked[k - 1]
            k -= 1
        m.ranked[k] = c
    return n
