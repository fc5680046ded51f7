"""Local inhibition: columns are visited from the best down, and each beats its neighbours.

How often a column has been beaten stands in bit-sliced counters, 64 columns to a word, so
that a visit adds one to 512 columns of a neighbourhood at a time. Counters start at
2**planes - places: the one that overflows belongs to a column that cannot win any more. A
column that is visited before that wins. The end comes when no column is left, long before all
have been visited. Columns that are worse than those by far are ruled out without that, as soon as
few are left.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.common.numeric import bits_of_float, float_of_bits, popcount
from htmrun.backends.cpu.pooler.layout import HOT, I64, INNER, U64, Field, Memory, Rules
from htmrun.backends.cpu.pooler.local_visits import (
    LINES,
    TOGETHER,
    VISITS,
    visit_3_planes,
    visit_4_planes,
)
from htmrun.backends.cpu.pooler.overlap import overlap_of, spread_overlaps
from htmrun.backends.cpu.pooler.planes import count_reaching
from htmrun.backends.cpu.pooler.ranking import list_overlaps, list_scores, sort_listed
from htmrun.backends.cpu.pooler.simd import WORDS, beat
from htmrun.backends.cpu.pooler.winners import able_columns, columns_between, write_columns

_FEW = 48
"""Columns that may be looked at one by one."""
_LOWER = 0.9
"""The bound of each further round, as a share of the one before."""
_COLUMN = np.uint64(0xFFFFFFFF)
"""The part of a ranked column that is its index; the rest is its key."""


@njit(**INNER)
def _start(f: Field, m: Memory) -> None:
    for w in range(len(m.selected)):
        m.selected[w] = np.uint64(0)
        m.visited[w] = np.uint64(0)
    for p in range(f.start.shape[0]):
        for w in range(f.start.shape[1]):
            f.counters[p, w] = f.start[p, w]


@njit(**INNER)
def _visit(c: int, alive: U64, f: Field, m: Memory) -> None:
    """Column `c` wins if it is alive; then it beats all neighbours, which come later or came.

    It stays alive itself: changing a word that is about to be read as part of a line takes long.
    """
    bit = np.uint64(1) << np.uint64(c & 63)
    m.selected[c >> 6] |= alive[c >> 6] & bit
    m.visited[c >> 6] |= bit
    planes, width = f.counters.shape
    for q in range(f.offsets[c], f.offsets[c + 1]):
        beat(f.masks, q * WORDS, f.counters, planes, width, f.words[q], alive)


@njit(**INNER)
def _any(alive: U64, m: Memory) -> bool:
    """Return whether any column is alive that has not been visited yet."""
    left = np.uint64(0)
    for w in range(len(alive)):
        left |= alive[w] & ~m.visited[w]
    return left != np.uint64(0)


@njit(**HOT)
def _tell(
    first: int,
    last: int,
    alive: U64,
    ranked: U64,
    history: U64,
    selected: U64,
    visited: U64,
    rows: U64,
    places: I64,
) -> None:
    """Select the winners among ranked[first:last], which have been visited by fours."""
    groups = (last - first + TOGETHER - 1) // TOGETHER
    for w in range(LINES * WORDS):
        history[groups, w] = alive[w]
    for j in range(np.uint64(last - first)):
        c = ranked[np.uint64(first) + j] & _COLUMN
        w, bit = c >> np.uint64(6), np.uint64(1) << (c & np.uint64(63))
        group = j // np.uint64(TOGETHER)
        before, after = history[group, w] & bit, history[group + np.uint64(1), w] & bit
        if before != after:
            beaten = np.uint64(0)
            for v in range(LINES * WORDS):
                beaten += popcount(rows[c, v] & visited[v])
            if np.int64(beaten) < places[c]:
                after = bit
        selected[w] |= before & after
        visited[w] |= bit


@njit(**INNER)
def _visit_all(n: int, alive: U64, f: Field, m: Memory) -> None:
    """Visit the first `n` of m.ranked as long as any is alive."""
    near = len(f.rows) > 0
    if near:
        for j in range(n, n + TOGETHER - 1):
            m.ranked[j] = np.uint64(len(f.rows) - 1)
    for first in range(0, n, VISITS):
        last = min(first + VISITS, n)
        if near:
            if len(f.counters) == 3:
                visit_3_planes(f.rows, m.ranked, first, last, f.counters, alive, m.history)
            else:
                visit_4_planes(f.rows, m.ranked, first, last, f.counters, alive, m.history)
            _tell(first, last, alive, m.ranked, m.history, m.selected, m.visited, f.rows, f.places)
        else:
            for j in range(first, last):
                _visit(np.int64(m.ranked[j] & _COLUMN), alive, f, m)
        if not _any(alive, m):
            return


@njit(**INNER)
def local_best(used: int, on: int, boosted: bool, r: Rules, f: Field, m: Memory) -> None:
    """Leave the local winners in `m.selected`; `on` is the number of on-inputs.

    They are ranked by overlap, times `m.boost` if `boosted`. The best are sorted and visited, then
    those below them, until no column is left. How many are taken first follows from the samples
    before; that decides about speed only.
    """
    _start(f, m)
    count = spread_overlaps(used, m)
    able_columns(used, r.stimulus, m.candidates, m)
    smallest, largest = _range(m.boost) if boosted else (np.float32(1), np.float32(1))
    lowest = np.int64(1) if boosted else np.int64(r.stimulus)
    above = np.int64(1) << 32
    share = m.hint[2]
    while _any(m.candidates, m):
        score = np.float32(share * on)
        bound = np.int64(bits_of_float(score)) if boosted else np.int64(score)
        bound = max(min(bound, above - 1), lowest)
        n = _rank(used, count, bound, above, boosted, largest, r, m)
        _visit_all(n, m.candidates, f, m)
        if above >> 32:
            _adapt(n, f, m)
        if bound == lowest:
            return
        _rule_out(used, count, boosted, smallest, f, m)
        above = bound
        share *= _LOWER


@njit(**INNER)
def _range(factors: npt.NDArray[np.float32]) -> tuple[np.float32, np.float32]:
    """Return the least and the largest of positive floats, which are ordered like their bits."""
    keys = factors.view(np.uint32)
    smallest, largest = keys[0], keys[0]
    for c in range(len(keys)):
        smallest, largest = min(smallest, keys[c]), max(largest, keys[c])
    return float_of_bits(smallest), float_of_bits(largest)


@njit(**INNER)
def _adapt(n: int, f: Field, m: Memory) -> None:
    """Let the next sample start with 7/4 as many columns as win, all but for chance.

    Fewer leave more columns in doubt than are cheap to rule out, more cost more than that. Where
    none can be ruled out it is 5/2, which is about what has to be visited.
    """
    quarters = 7 if len(f.rows) > 0 else 10
    factor = 1.01 if 4 * n > quarters * _ones(m.selected) else 0.99
    m.hint[2] = min(max(m.hint[2] * factor, 1 / 1024), 16.0)


@njit(**INNER)
def _ones(words: U64) -> int:
    n = np.uint64(0)
    for w in range(len(words)):
        n += popcount(words[w])
    return np.int64(n)


@njit(**INNER)
def _rank(
    used: int,
    count: int,
    low: int,
    above: int,
    boosted: bool,
    largest: np.float32,
    r: Rules,
    m: Memory,
) -> int:
    """Leave the columns with low <= key < above in `m.ranked`, best first; return how many."""
    overlaps = m.overlap_bytes.view(np.uint8)
    if boosted:
        # A little lower than it has to be: scores are rounded.
        score = np.float64(float_of_bits(np.uint32(low))) * (1 - 1e-6)
        overlap = np.int64(np.ceil(score / np.float64(largest)))
        able_columns(used, max(overlap, np.int64(r.stimulus)), m.level, m)
        n = list_scores(m.level, count, overlaps, m.boost, low, above, m.keyed)
    else:
        columns_between(used, low, above, m)
        n = list_overlaps(m.level, count, overlaps, m.keyed)
    sort_listed(n, low, m.keyed, m.buckets, m.ranked)
    return n


@njit(**INNER)
def _rule_out(
    used: int, count: int, boosted: bool, smallest: np.float32, f: Field, m: Memory
) -> None:
    """Columns that are left are no longer alive if enough neighbours are better for certain.

    That costs less than visiting all that are better than the last of them, if they are few.
    """
    alive, left = m.candidates, m.upper
    for w in range(len(alive)):
        left[w] = alive[w] & ~m.visited[w]
    few = _ones(left)
    if few == 0 or few > _FEW or len(f.rows) == 0:
        return
    write_columns(left, m.listed, 0)
    overlaps = m.overlap_bytes.view(np.uint8)
    for j in range(few):
        c = np.int64(m.listed[j])
        score = np.float64(overlap_of(c, count, overlaps))
        if boosted:
            # A little higher than it has to be: scores are rounded.
            score *= np.float64(m.boost[c]) / np.float64(smallest) * (1 + 1e-6)
        bound = np.int64(score) + 1
        if count_reaching(m.planes, used, bound, len(alive), f.rows, c) >= f.places[c]:
            alive[c >> 6] &= ~(np.uint64(1) << np.uint64(c & 63))
