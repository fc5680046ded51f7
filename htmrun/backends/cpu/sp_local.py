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
from htmrun.backends.cpu.sp_lanes import WORDS, at_least, beat
from htmrun.backends.cpu.sp_memory import INNER, U64, Field, Memory, Rules
from htmrun.backends.cpu.sp_overlap import overlap_of, spread_overlaps
from htmrun.backends.cpu.sp_visits import visit_near
from htmrun.backends.cpu.sp_winners import able_columns, columns_between, write_columns

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
    """Column `c` wins if it is alive; then it beats all neighbours, which come later or came.

    It stays alive itself: changing a word that is about to be read as part of a line takes long.
    """
    m.selected[c >> 6] |= alive[c >> 6] & (np.uint64(1) << np.uint64(c & 63))
    planes, width = f.counters.shape
    for q in range(f.offsets[c], f.offsets[c + 1]):
        beat(f.masks, q * WORDS, f.counters, planes, width, f.words[q], alive)


@njit(**INNER)
def _any(alive: U64, m: Memory) -> bool:
    """Return whether any column is alive that has not won yet."""
    left = np.uint64(0)
    for w in range(len(alive)):
        left |= alive[w] & ~m.selected[w]
    return left != np.uint64(0)


@njit(**INNER)
def _visit_all(n: int, columns: npt.NDArray[np.int32], alive: U64, f: Field, m: Memory) -> int:
    """Visit the first `n` of `columns` as long as any is alive; return how many were visited."""
    for first in range(0, n, _CHECK):
        last = min(first + _CHECK, n)
        if len(f.rows) > 0:
            visit_near(f.rows, columns, first, last, f.counters, alive, m.selected)
        else:
            for j in range(first, last):
                _visit(np.int64(columns[j]), alive, f, m)
        if not _any(alive, m):
            return last
    return n


@njit(**INNER)
def local_best(used: int, on: int, boosted: bool, r: Rules, f: Field, m: Memory) -> None:
    """Leave the local winners in `m.selected`; `on` is the number of on-inputs.

    They are ranked by `m.scores` if `boosted`, else by overlap. The best are sorted and visited,
    then those below them, until no column is left. How many are taken first follows from the last
    sample; that decides about speed only.
    """
    alive = m.candidates
    _start(f, m)
    guess = np.float32(m.hint[0] * on * m.hint[1])
    if boosted:
        for w in range(len(alive)):
            alive[w] = at_least(m.scores.view(np.uint32), w * 64, np.uint32(1))
        above = np.int64(1) << 32
        lowest = np.int64(1)
        bound = np.int64(bits_of_float(guess))
        step = np.int64(1) << 20
    else:
        spread_overlaps(used, m)
        able_columns(used, r.stimulus, alive, m)
        above = np.int64(1) << used
        lowest = np.int64(r.stimulus)
        bound = min(np.int64(guess), above - 1)
        step = np.int64(2)
    while _any(alive, m):
        bound = max(bound, lowest)
        n = _sorted_between(bound, above, used, boosted, m)
        visited = _visit_all(n, m.ranked, alive, f, m)
        if visited > 0:
            last = m.ranked_keys[visited - 1]
            score = np.float64(float_of_bits(last)) if boosted else np.float64(last)
            m.hint[0] = score / max(on, 1)
        if n > visited + visited // 4:
            m.hint[1] = min(m.hint[1] * 1.01, 1.2)
        if bound == lowest:
            return
        above = bound
        bound -= step
        step *= 2
        if _any(alive, m):
            m.hint[1] *= 0.97


@njit(**INNER)
def _list_between(low: int, above: int, used: int, boosted: bool, m: Memory) -> int:
    """List the columns with low <= key < above, and their keys; return how many."""
    if boosted:
        keys = m.scores.view(np.uint32)
        for w in range(len(m.level)):
            m.level[w] = at_least(keys, w * 64, np.uint32(low))
            if above >> 32 == 0:
                m.level[w] &= ~at_least(keys, w * 64, np.uint32(above))
        n = write_columns(m.level, m.listed, 0)
        for j in range(n):
            m.list_keys[j] = keys[m.listed[j]]
        return n
    columns_between(used, low, above, m)
    n = write_columns(m.level, m.listed, 0)
    bytes_used = (used + 7) // 8
    overlaps = m.overlap_bytes.view(np.uint8)
    for j in range(n):
        m.list_keys[j] = np.uint32(overlap_of(np.int64(m.listed[j]), bytes_used, overlaps))
    return n


@njit(**INNER)
def _sorted_between(low: int, above: int, used: int, boosted: bool, m: Memory) -> int:
    """List the columns with low <= key < above in `m.ranked`, best first; return how many."""
    n = _list_between(low, above, used, boosted, m)
    highest = np.uint32(0)
    for j in range(n):
        highest = max(highest, m.list_keys[j])
    most = np.int64(highest)
    shift = 0
    while (most - low) >> shift >= len(m.buckets) - 1:
        shift += 1
    for b in range(len(m.buckets)):
        m.buckets[b] = 0
    for j in range(n):
        m.buckets[((most - np.int64(m.list_keys[j])) >> shift) + 1] += 1
    for b in range(1, len(m.buckets)):
        m.buckets[b] += m.buckets[b - 1]
    for j in range(n):
        key = m.list_keys[j]
        b = (most - np.int64(key)) >> shift
        at = m.buckets[b]
        m.ranked[at], m.ranked_keys[at] = m.listed[j], key
        m.buckets[b] = at + 1
    if shift > 0:
        _settle(n, m)
    return n


@njit(**INNER)
def _settle(n: int, m: Memory) -> None:
    """Sort what is almost sorted; equal keys are in the order of their columns, which stays."""
    for j in range(1, n):
        c, key = m.ranked[j], m.ranked_keys[j]
        k = j
        while k > 0 and m.ranked_keys[k - 1] < key:
            m.ranked[k], m.ranked_keys[k] = m.ranked[k - 1], m.ranked_keys[k - 1]
            k -= 1
        m.ranked[k], m.ranked_keys[k] = c, key
