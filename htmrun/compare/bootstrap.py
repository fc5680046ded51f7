"""The bootstrap-t test and interval of a mean: no symmetry assumed, few values not drawn by chance.

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

    Resamples that take one value `count` times have no spread and are left out, as are later those
    of equal values. Weights sum to 1.
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
    times, weights = np.ascontiguousarray(times[:, spread]), weights[spread]
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


def bootstrap_t_interval(values: npt.ArrayLike, level: float) -> tuple[float, float]:
    """Return the least and the greatest mean whose p-value, given `values` (n,), is >= `level`."""
    row = np.asarray(values, np.float64)
    mean, spread = float(row.mean()), float(row.std(ddof=1))
    if spread <= _TINY * float(np.abs(row).max()):
        return mean, mean
    found, weights = _resampled(tuple(((row - mean) / spread).tolist()))
    unit = spread / math.sqrt(len(row))
    share = level / 2
    return mean - unit * _reached(found, weights, share), mean + unit * _reached(
        -found, weights, share
    )


@lru_cache(maxsize=8)
def _resampled(centred: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Return t of each resample that has a spread, and its weight."""
    times, weights = resamples(len(centred))
    found, known = _studentized(np.array([centred]), times)
    return found[known], weights[known[0]] / weights[known[0]].sum()


def _reached(values: Floats, weights: Floats, share: float) -> float:
    """Return the greatest value that resamples of the weight `share` reach."""
    # Only the tail is sorted, if what lies beyond two spreads is enough of one.
    tail = values >= 2.0
    if float(weights[tail].sum()) < share:
        tail = np.ones(len(values), np.bool_)
    order = np.argsort(-values[tail])
    reached = np.cumsum(weights[tail][order])
    place = int(np.searchsorted(reached, share - _TINY))
    return float(values[tail][order][min(place, len(order) - 1)])


def _studentized(centred: Floats, times: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return t of each resample of rows with mean 0, and where it has a spread, both (rows, R)."""
    count = centred.shape[1]
    # Not `@`: threads of BLAS that wait for each other take ten times what is computed here, and
    # the last bits would depend on how many there are.
    shift = np.einsum("ij,jk->ik", centred, times) / count
    variance = np.einsum("ij,jk->ik", centred**2, times) / count - shift**2
    known = variance > _TINY * (centred**2).mean(1, keepdims=True)
    return shift / np.sqrt(np.where(known, variance, 1.0)) * math.sqrt(count - 1), known


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
    studentized, known = _studentized(centred, times)
    # Equal but for rounding counts as reached: the p-value may only become larger by it.
    slack = _TINY * np.abs(observed)
    below = _weight((studentized <= observed + slack) & known, weights)
    above = _weight((studentized >= observed - slack) & known, weights)
    whole = np.where(equal, 1.0, _weight(known, weights))
    p = np.minimum(1.0, 2 * np.minimum(below, above) / whole)
    return np.where(equal, np.where(np.abs(mean[:, 0]) <= _TINY, 1.0, 0.0), p)


def _weight(chosen: npt.NDArray[np.bool_], weights: Floats) -> Floats:
    """Return what the chosen resamples of each row weigh together."""
    found: Floats = np.where(chosen, weights, 0.0).sum(1)
    return found
