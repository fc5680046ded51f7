"""Fisher's permutation test of a mean of paired differences, and the interval that it implies.

Two arms that are worth the same could have been exchanged in each seed, so either sign of each
difference was as likely. Turning the signs of a subset raises the mean's distance from m exactly
where the subset's own mean lies beyond m: the p-value counts means of subsets, and the interval
ends at one of them. Sources: Fisher 1935, "The Design of Experiments", section 21; Hartigan 1969,
"Using subsample values as typical values" (subsets that are drawn are valid, too).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

MOST_COUNTED = 14
"""With so many values all subsets are counted (16,383); above, as many are drawn."""
_SEED = 20_252
_TINY = 1e-9

Floats = npt.NDArray[np.float64]


@lru_cache(maxsize=8)
def subsets(count: int) -> Floats:
    """Return subsets of `count` values that are not empty, 1 where a value is in, (S, count)."""
    if count > MOST_COUNTED:
        drawn = np.random.default_rng(_SEED).integers(0, 2, ((1 << MOST_COUNTED) - 1, count))
        drawn[drawn.sum(1) == 0] = 1
        return drawn.astype(np.float64)
    numbers = np.arange(1, 1 << count)[:, None]
    return ((numbers >> np.arange(count)) & 1).astype(np.float64)


def sign_flip_p(values: npt.ArrayLike) -> Floats:
    """Return the two-sided p-value that the mean of each row is 0; (n,) or (rows, n) to (rows,).

    Equal but for rounding counts as reached.
    """
    table = np.atleast_2d(np.asarray(values, np.float64))
    slack = _TINY * np.abs(table).max(1, keepdims=True, initial=0.0)
    chosen = subsets(table.shape[1])
    found = [
        [(sums <= edge).sum(), (sums >= -edge).sum()]
        for sums, edge in ((chosen @ row, edge[0]) for row, edge in zip(table, slack, strict=True))
    ]
    fewest = np.array(found, np.float64).reshape(-1, 2).min(1)
    return np.minimum(1.0, 2 * (fewest + 1) / (len(chosen) + 1))


def sign_flip_interval(values: npt.ArrayLike, level: float) -> tuple[float, float]:
    """Return the least and the greatest mean whose p-value, given `values` (n,), is >= `level`.

    Infinite where so few values can give no smaller p-value.
    """
    row = np.asarray(values, np.float64)
    chosen = subsets(len(row))
    place = math.ceil(level * (len(chosen) + 1) / 2 - _TINY) - 1
    if place < 1:
        return -math.inf, math.inf
    means = np.partition(chosen @ row / chosen.sum(1), (place - 1, len(chosen) - place))
    return float(means[place - 1]), float(means[len(chosen) - place])
