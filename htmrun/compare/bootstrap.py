"""The bootstrap-t test of a mean: no symmetry assumed, and no random numbers for few values.

Up to ten values every resample is counted with its probability instead of drawn, so that the same
differences always give the same p-value. Source: Efron, Tibshirani 1993, "An Introduction to the
Bootstrap", chapters 12 and 16; the exact count of resamples: Fisher, Hall 1991.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

MOST_COUNTED = 10
"""With so many values all resamples are counted (92,378); above, `DRAWN` are drawn."""
DRAWN = 19_999
_ROWS_AT_ONCE = 25
_SEED = 20_251
_TINY = 1e-9

Floats = npt.NDArray[np.float64]


@lru_cache(maxsize=4)
def resamples(count: int) -> tuple[Floats, Floats]:
    """Return resamples of `count` values: (times each value is taken, (count, R)) and weights (R,).

    Resamples that take one value `count` times have no spread and are left out. Weights sum to 1.
    """
    if count > MOST_COUNTED:
        drawn = np.random.default_rng(_SEED).integers(0, count, (DRAWN, count))
        times = np.stack([(drawn == place).sum(1) for place in range(count)]).astype(np.float64)
        weights = np.ones(DRAWN)
    else:
        # A multiset of n out of n is a choice of n - 1 bars among 2n - 1 places.
        bars = np.array(list(combinations(range(2 * count - 1), count - 1)), np.int64)
        edges = np.pad(bars, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, 2 * count - 1)))
        times = (np.diff(edges, axis=1) - 1).T.astype(np.float64)
        logarithms = np.array([math.lgamma(i + 1) for i in range(count + 1)])
        weights = np.exp(-logarithms[times.astype(np.int64)].sum(0))
    spread = (times > 0).sum(0) > 1
    times, weights = times[:, spread], weights[spread]
    return times, weights / weights.sum()


def bootstrap_t_p(values: npt.ArrayLike) -> Floats:
    """Return the two-sided equal-tailed bootstrap-t p-value that the mean of each row is 0.

    `values` is (n,) or (rows, n), n at least 2; the result is (rows,). A row of zeros gives 1,
    a row of equal values other than 0 gives 0: there is no spread to judge them by.
    """
    table = np.atleast_2d(np.asarray(values, np.float64))
    times, weights = resamples(table.shape[1])
    found = [
        _p(table[start : start + _ROWS_AT_ONCE], times, weights)
        for start in range(0, len(table), _ROWS_AT_ONCE)
    ]
    return np.concatenate(found) if found else np.zeros(0)


def _p(rows: Floats, times: Floats, weights: Floats) -> Floats:
    count = rows.shape[1]
    size = np.abs(rows).max(1, keepdims=True)
    scaled = rows / np.where(size > 0, size, 1.0)
    mean = scaled.mean(1, keepdims=True)
    centred = scaled - mean
    spread = centred.std(1, ddof=1, keepdims=True)
    equal = spread[:, 0] <= _TINY
    centred = np.where(equal[:, None], 0.0, centred)
    observed = mean / np.where(equal[:, None], 1.0, spread) * math.sqrt(count)
    shift = centred @ times / count
    variance = np.maximum((centred**2) @ times / count - shift**2, _TINY**2)
    studentized = shift / np.sqrt(variance) * math.sqrt(count - 1)
    # Equal but for rounding counts as reached: the p-value may only become larger by it.
    slack = _TINY * np.abs(observed)
    below = (studentized <= observed + slack) @ weights
    above = (studentized >= observed - slack) @ weights
    p = np.minimum(1.0, 2 * np.minimum(below, above))
    return np.where(equal, np.where(np.abs(mean[:, 0]) <= _TINY, 1.0, 0.0), p)
