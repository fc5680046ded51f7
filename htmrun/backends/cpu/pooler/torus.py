"""Local inhibition on a torus of 64 x 32 columns: all neighbourhoods are counted at once.

How many columns around each reach some bound decides about most of them: those that reach it too
win where there are few enough, the others lose where there are enough. A lower bound follows for
those that are left. Where that leaves few, their better neighbours are counted one by one, and
those of columns that reached a bound along with too many others.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.common.numeric import bits_of_float, popcount
from htmrun.backends.cpu.pooler.layout import HOT, INNER, U64, Field, Memory, Rules
from htmrun.backends.cpu.pooler.overlap import spread_overlaps
from htmrun.backends.cpu.pooler.simd import at_least
from htmrun.backends.cpu.pooler.torus_counts import ROW, ROWS, count_near
from htmrun.backends.cpu.pooler.torus_masks import first_word, masks_of
from htmrun.backends.cpu.pooler.torus_neighbours import better_near, wrap_planes
from htmrun.backends.cpu.pooler.winners import able_columns, score_columns, write_columns

_FEW = 16
"""Columns left that are looked at one by one sooner than with another bound."""
_LOWER = 0.9
"""The bound of each round from the third on, as a share of the one before."""
_WORDS = ROWS * ROW // 64


@njit(**INNER)
def torus_best(used: int, on: int, boosted: bool, r: Rules, f: Field, m: Memory) -> None:
    """Leave the local winners in `m.selected`; `on` is the number of on-inputs.

    They are ranked by overlap, times `m.boost` if `boosted`. Bounds follow from the samples
    before; that decides about speed only.
    """
    keys = m.scores.view(np.uint32)
    left, doubtful = m.candidates, m.visited
    lowest = np.int64(1) if boosted else np.int64(r.stimulus)
    if boosted:
        score_columns(spread_overlaps(used, m), r.stimulus, m.boost, m)
    else:
        # Long before it is read: what has just been written is slow to read across lines.
        wrap_planes(m.planes, used, m.wrapped)
    _reaching(used, lowest, boosted, left, m)
    for w in range(_WORDS):
        m.selected[w] = np.uint64(0)
        doubtful[w] = np.uint64(0)
    places = f.places[0]
    share = m.hint[2]
    rounds = 0
    while True:
        score = np.float32(share * on)
        bound = np.int64(bits_of_float(score)) if boosted else np.int64(score)
        bound = max(bound, lowest)
        _reaching(used, bound, boosted, m.level, m)
        count_near(m.level, r.radius, places, m.lower, m.upper)
        reached, others = _settle(m.level, m.lower, m.upper, left, m.selected, doubtful)
        _adapt(rounds, reached, others, places, r.radius, m)
        if bound == lowest or others <= _FEW:
            break
        share *= m.hint[3] if rounds == 0 else _LOWER
        rounds += 1
    for w in range(_WORDS):
        doubtful[w] |= left[w]
    n = write_columns(doubtful, m.listed, 0)
    if boosted:
        _rank_scores(n, m.listed, keys, r.radius, places, f.near, m.selected)
    else:
        _rank_overlaps(n, m.listed, m.wrapped, used, r.radius, places, f.near, m.selected)


@njit(**INNER)
def _reaching(used: int, bound: int, boosted: bool, out: U64, m: Memory) -> None:
    """Leave in `out` the columns whose overlap, or score as an integer, is at least `bound`."""
    if boosted:
        keys = m.scores.view(np.uint32)
        for w in range(_WORDS):
            out[w] = at_least(keys, w * 64, np.uint32(bound))
    else:
        able_columns(used, bound, out, m)


@njit(**HOT)
def _settle(
    level: U64, within: U64, below: U64, left: U64, selected: U64, doubtful: U64
) -> tuple[int, int]:
    """Decide about columns that are `left`; return how many are in `level`, and how many stay.

    Those in `level` are selected where they are `within` the places there are, else `doubtful`.
    Others stay where the columns in `level` are `below` them.
    """
    reached, stay = np.uint64(0), np.uint64(0)
    for w in range(_WORDS):
        here, others = left[w] & level[w], left[w] & ~level[w] & below[w]
        selected[w] |= here & within[w]
        doubtful[w] |= here & ~within[w]
        left[w] = others
        stay += popcount(others)
        reached += popcount(level[w])
    return np.int64(reached), np.int64(stay)


@njit(**INNER)
def _adapt(rounds: int, reached: int, others: int, places: int, radius: int, m: Memory) -> None:
    """Let the next sample's first bound be reached by 5/4 as many columns as win on average.

    The second one should leave few, nearly always.
    """
    if rounds == 0:
        size = (2 * radius + 1) ** 2
        factor = 1.01 if 4 * reached * size > 5 * places * ROWS * ROW else 0.99
        m.hint[2] = min(max(m.hint[2] * factor, 1 / 1024), 16.0)
    elif rounds == 1:
        factor = 1.002 if others <= _FEW else 0.98
        m.hint[3] = min(max(m.hint[3] * factor, 1 / 64), 1.0)


@njit(**HOT)
def _rank_overlaps(
    n: int,
    listed: npt.NDArray[np.int32],
    planes: U64,
    used: int,
    radius: int,
    places: int,
    near: U64,
    selected: U64,
) -> None:
    """Select those among listed[:n] that fewer than `places` neighbours beat."""
    for j in range(n):
        c = np.int64(listed[j])
        beaten = better_near(planes, used, c, first_word(c, radius), near, masks_of(c, radius))
        selected[c >> 6] |= np.uint64(beaten < places) << np.uint64(c & 63)


@njit(**HOT)
def _rank_scores(
    n: int,
    listed: npt.NDArray[np.int32],
    keys: npt.NDArray[np.uint32],
    radius: int,
    places: int,
    near: U64,
    selected: U64,
) -> None:
    """The same by score."""
    for j in range(n):
        c = np.int64(listed[j])
        key, own, masks = keys[c], c >> 6, masks_of(c, radius)
        beaten = np.uint64(0)
        for k in range(radius + 1):
            w = (first_word(c, radius) + k) & (_WORDS - 1)
            # Equal scores beat it from words before its own, and from lower places of that.
            better = at_least(keys, w * 64, key + np.uint32(w >= own))
            if w == own:
                lower = (np.uint64(1) << np.uint64(c & 63)) - np.uint64(1)
                better |= at_least(keys, w * 64, key) & lower
            beaten += popcount(better & near[masks, k])
        selected[own] |= np.uint64(np.int64(beaten) < places) << np.uint64(c & 63)
