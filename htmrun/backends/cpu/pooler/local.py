"""Local inhibition: all neighbourhoods are counted at once, then the few in doubt one by one.

How many columns around each reach some bound decides about most of them: those that reach it too
win where there are few enough, the others lose where there are enough. Lower bounds follow until
they leave few. Counting takes no more than adding up the neighbourhoods of the columns that reach
the bound, as overlaps are counted: whatever the grid is, wrapped or cut.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.common.numeric import bits_of_float, popcount
from htmrun.backends.cpu.pooler.adders import KEPT
from htmrun.backends.cpu.pooler.layout import HOT, I64, INNER, U64, Field, Memory, Rules
from htmrun.backends.cpu.pooler.overlap import count_rows, spread_overlaps
from htmrun.backends.cpu.pooler.planes import better_in_line, fewer_in_line
from htmrun.backends.cpu.pooler.simd import WORDS, at_least
from htmrun.backends.cpu.pooler.winners import able_columns, score_columns, write_columns

Index = npt.NDArray[np.int32]

_FEW = 8
"""Columns left, for each line of columns, that are looked at sooner than with another bound."""
_LOWER = 0.9
"""The bound of each round from the third on, as a share of the one before."""


@njit(**INNER)
def local_best(used: int, on: int, boosted: bool, r: Rules, f: Field, m: Memory) -> None:
    """Leave the local winners in `m.selected`; `on` is the number of on-inputs.

    They are ranked by overlap, times `m.boost` if `boosted`. Bounds follow from the samples
    before; that decides about speed only.
    """
    keys = m.scores.view(np.uint32)
    left = m.candidates
    lowest = np.int64(1) if boosted else np.int64(r.stimulus)
    if boosted:
        score_columns(spread_overlaps(used, m), r.stimulus, m.boost, m)
    _reaching(used, lowest, boosted, left, m)
    for w in range(len(left)):
        m.selected[w] = np.uint64(0)
    few = _FEW * len(f.blocks)
    share = m.hint[2]
    above = np.int64(1) << 32
    rounds = 0
    while True:
        score = np.float32(share * on)
        bound = np.int64(bits_of_float(score)) if boosted else np.int64(score)
        bound = max(min(bound, above - 1), lowest)
        _reaching(used, bound, boosted, m.level, m)
        reached = _count_near(
            m.level, f.near, f.blocks, f.limits, m.listed, m.starts, m.counts, m.places, m.within,
            m.below,
        )  # fmt: skip
        others = _settle(m.level, m.within, m.below, left, m.selected)
        _adapt(rounds, reached, f.usual[0], m)
        if bound == lowest or others <= few:
            break
        above = bound
        share *= m.hint[3] if rounds == 0 else _LOWER
        rounds += 1
    n = write_columns(left, m.listed, 0)
    if boosted:
        _rank_scores(n, m.listed, keys, f.near, f.lines, f.offsets, f.places, m.selected)
    else:
        _rank_overlaps(
            n, m.listed, m.planes, used, f.near, f.lines, f.offsets, f.places, m.selected
        )


@njit(**INNER)
def _reaching(used: int, bound: int, boosted: bool, out: U64, m: Memory) -> None:
    """Leave in `out` the columns whose overlap, or score as an integer, is at least `bound`."""
    if boosted:
        keys = m.scores.view(np.uint32)
        for w in range(len(out)):
            out[w] = at_least(keys, w * 64, np.uint32(bound))
    else:
        able_columns(used, bound, out, m)


@njit(**HOT)
def _count_near(
    level: U64,
    near: U64,
    blocks: I64,
    limits: U64,
    listed: Index,
    starts: I64,
    counts: U64,
    places: I64,
    within: U64,
    below: U64,
) -> int:
    """Count the columns of `level` in every neighbourhood, a line of columns at a time.

    Leaves in `within` where there are at most as many as may win, the column itself included, and
    in `below` where there are fewer. Returns how many `level` has.
    """
    n = write_columns(level, listed, 0)
    words = len(blocks) * WORDS
    starts[0] = 0
    for w in range(words):
        starts[w + 1] = starts[w] + np.int64(popcount(level[w]))
    # Once more, as if the grid went on behind its end.
    for j in range(n):
        listed[n + j] = listed[j] + np.int32(64 * words)
    for w in range(words):
        starts[words + w + 1] = n + starts[w + 1]
    for line in range(len(blocks)):
        first, stop, shift = blocks[line]
        some = listed[starts[first] : starts[stop]]
        used = count_rows(near, shift, some, counts, places)
        for p in range(max(used, KEPT), len(limits)):
            for w in range(WORDS):
                counts[p, w] = np.uint64(0)
        fewer_in_line(counts, used, limits, len(limits), len(level), line * WORDS, within, below)
    return n


@njit(**HOT)
def _settle(level: U64, within: U64, below: U64, left: U64, selected: U64) -> int:
    """Decide about columns that are `left`; return how many stay that are not in `level`.

    Those in `level` are selected where they are `within` the places there are; others lose where
    the columns in `level` are not `below` them.
    """
    stay = np.uint64(0)
    for w in range(len(level)):
        here, others = left[w] & level[w], left[w] & ~level[w] & below[w]
        selected[w] |= here & within[w]
        left[w] = (here & ~within[w]) | others
        stay += popcount(others)
    return np.int64(stay)


@njit(**INNER)
def _adapt(rounds: int, reached: int, usual: int, m: Memory) -> None:
    """Let the next sample's first bounds be reached by 5/4 and 5/2 as many as win on average.

    That leaves few columns, nearly always; to count more takes longer than to look at these.
    """
    if rounds == 0:
        factor = 1.01 if 4 * reached > 5 * usual else 0.99
        m.hint[2] = min(max(m.hint[2] * factor, 1 / 1024), 16.0)
    elif rounds == 1:
        factor = 1.01 if 2 * reached > 5 * usual else 0.99
        m.hint[3] = min(max(m.hint[3] * factor, 1 / 64), 1.0)


@njit(**HOT)
def _rank_overlaps(
    n: int,
    listed: Index,
    planes: U64,
    used: int,
    near: U64,
    lines: I64,
    offsets: I64,
    places: I64,
    selected: U64,
) -> None:
    """Select those among listed[:n] that fewer neighbours beat than there are places.

    They are listed in ascending order: whether an equal neighbour of a lower index has won is
    known by then.
    """
    for j in range(n):
        c = np.int64(listed[j])
        beaten = np.int64(0)
        for q in range(offsets[c >> 6], offsets[(c >> 6) + 1]):
            first, mask = lines[q, 0] * WORDS, (lines[q, 1] + (c & 63)) * WORDS
            beaten += better_in_line(planes, used, len(selected), first, c, near, mask, selected)
        selected[c >> 6] |= np.uint64(beaten < places[c]) << np.uint64(c & 63)


@njit(**HOT)
def _rank_scores(
    n: int,
    listed: Index,
    keys: npt.NDArray[np.uint32],
    near: U64,
    lines: I64,
    offsets: I64,
    places: I64,
    selected: U64,
) -> None:
    """The same by score."""
    for j in range(n):
        c = np.int64(listed[j])
        key, own, lower = keys[c], c >> 6, (np.uint64(1) << np.uint64(c & 63)) - np.uint64(1)
        beaten = np.uint64(0)
        for q in range(offsets[own], offsets[own + 1]):
            for k in range(WORDS):
                mask = near[lines[q, 1] + (c & 63), k]
                if mask == np.uint64(0):
                    continue
                w = lines[q, 0] * WORDS + k
                # Winners of equal scores beat it from words before its own, and from lower places
                # of that.
                better = at_least(keys, w * 64, key + np.uint32(1))
                if w <= own:
                    before = selected[w] & lower if w == own else selected[w]
                    better |= at_least(keys, w * 64, key) & before
                beaten += popcount(better & mask)
        selected[own] |= np.uint64(np.int64(beaten) < places[c]) << np.uint64(c & 63)
