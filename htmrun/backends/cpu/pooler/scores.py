"""Global inhibition of boosted columns: exactly the k highest scores, without sorting.

A score is given one of 256 levels, in the order of scores, so that counting those of a level and
above looks at 64 columns a step. Only columns of the level in which the k-th best lies are then
told apart by their scores. The k-th best is expected where the last sample's lay, scaled by the
number of on-inputs; that decides how wide levels are, never who wins.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.common.numeric import bits_of_float, popcount
from htmrun.backends.cpu.pooler.factors import levels_of
from htmrun.backends.cpu.pooler.layout import INNER, Memory
from htmrun.backends.cpu.pooler.overlap import overlap_of, spread_overlaps
from htmrun.backends.cpu.pooler.simd import bytes_at_least
from htmrun.backends.cpu.pooler.winners import write_columns

_EXPECTED = 128.0
"""The level at which the k-th best score is expected."""
_TOP = 255


@njit(**INNER)
def best_scores(used: int, k: int, on: int, stimulus: int, columns: int, m: Memory) -> None:
    """Leave in `m.selected` the k columns of highest score: overlap times boost factor.

    Columns under `stimulus` are left out. on: how many inputs are. Overlaps are in `used` planes.
    """
    count = spread_overlaps(used, m)
    expected = m.hint[0] * on
    # At the start nothing is known; scores of factors as small as they get stay finite.
    scale = np.float32(_EXPECTED / (expected if expected > 1e-33 else max(on, 1)))
    _levels(count, stimulus, scale, columns, m)
    level, reach = 0, 64 * len(m.selected)
    for step in (128, 64, 32, 16, 8, 4, 2, 1):
        n = _count(level + step, m)
        if n >= k:
            level, reach = level + step, n
    m.hint[0] = (level + 0.5) / np.float64(scale) / max(on, 1)
    above = np.uint64(0)
    for w in range(len(m.selected)):
        higher = np.uint64(0)
        if level < _TOP:
            higher = bytes_at_least(m.levels, 64 * w, np.uint8(level + 1))
        m.selected[w] = higher
        m.level[w] = bytes_at_least(m.levels, 64 * w, np.uint8(level)) ^ higher
        above += popcount(higher)
    if reach == k and level > 0:
        for w in range(len(m.selected)):
            m.selected[w] |= m.level[w]
    else:
        _take_best(k - np.int64(above), count, stimulus, m)


@njit(**INNER)
def _levels(count: int, stimulus: int, scale: np.float32, columns: int, m: Memory) -> None:
    """Leave the levels of all scores in `m.levels`, 0 for columns that cannot win."""
    overlaps = m.overlap_bytes.view(np.uint8)
    low, levels, factors = overlaps[0], m.levels, m.boost
    top = np.float32(_TOP)
    if count == 1 and stimulus <= 255:
        for at in range(0, len(levels), 64):
            levels_of(low, at, np.uint8(stimulus), factors, scale, levels)
    else:
        for c in range(columns):
            v = overlap_of(c, count, overlaps)
            x = np.float32(v) * factors[c] * scale
            x = x if x < top else top
            levels[c] = np.uint8(np.int32(x) if v >= stimulus else np.int32(0))


@njit(**INNER)
def _count(level: int, m: Memory) -> int:
    """Return how many columns reach a level."""
    n = np.uint64(0)
    for w in range(len(m.selected)):
        n += popcount(bytes_at_least(m.levels, 64 * w, np.uint8(level)))
    return np.int64(n)


@njit(**INNER)
def _take_best(need: int, count: int, stimulus: int, m: Memory) -> None:
    """Select the `need` columns of highest score among those in `m.level`."""
    overlaps = m.overlap_bytes.view(np.uint8)
    listed = write_columns(m.level, m.listed, 0)
    n = 0
    for j in range(listed):
        c = m.listed[j]
        v = overlap_of(np.int64(c), count, overlaps)
        # Positive IEEE floats are ordered like their representations as integers.
        m.listed[n], m.list_keys[n] = c, bits_of_float(np.float32(v) * m.boost[c])
        n += np.int64(v >= stimulus)
    keys = m.list_keys[:n]
    limit, ties = np.uint32(0), n
    if n > need:
        limit, ties = _kth(keys, need), need
        for j in range(n):
            ties -= np.int64(keys[j] > limit)
    for j in range(n):
        c = np.int64(m.listed[j])
        tied = np.int64(keys[j] == limit) & np.int64(ties > 0)
        ties -= tied
        m.selected[c >> 6] |= np.uint64(np.int64(keys[j] > limit) | tied) << np.uint64(c & 63)


@njit(**INNER)
def _kth(keys: npt.NDArray[np.uint32], k: int) -> np.uint32:
    """Return a bound that the k highest of more than k keys reach, and no other but for ties.

    By bisection on the value, until exactly k are left or the k-th highest is found.
    """
    low = keys[0]
    high = keys[0]
    for j in range(len(keys)):
        low = min(low, keys[j])
        high = max(high, keys[j])
    while low < high:
        middle = np.uint32(low + (high - low + np.uint32(1)) // np.uint32(2))
        n = np.int32(0)
        for j in range(len(keys)):
            n += np.int32(keys[j] >= middle)
        if n == k:
            return middle
        if n >= k:
            low = middle
        else:
            high = np.uint32(middle - np.uint32(1))
    return low
