"""What the tests and intervals are worth at few seeds: measured by simulation, not assumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmrun.compare.bootstrap import bootstrap_t_p
from htmrun.compare.statistics import MARGIN, SIGNIFICANT

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]

# Differences with mean 0; skewness 0, 0, 1.4, 1.8, 2, 6.2. Two arms that are exchangeable give
# symmetric differences; skewed ones come from an arm that now and then fails badly.
DISTRIBUTIONS: dict[str, Draw] = {
    "normal": lambda g, shape: g.normal(size=shape),
    "Laplace": lambda g, shape: g.laplace(size=shape),
    "gamma (shape 2)": lambda g, shape: g.gamma(2.0, size=shape) - 2.0,
    "lognormal (sigma .5)": lambda g, shape: g.lognormal(0, 0.5, shape) - np.exp(0.125),
    "exponential": lambda g, shape: g.exponential(size=shape) - 1.0,
    "lognormal (sigma 1)": lambda g, shape: g.lognormal(0, 1, shape) - np.exp(0.5),
}
COMPARISONS = 5000
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Calibration:
    """Shares of comparisons: called significant by each test, and covered by the t interval."""

    distribution: str
    seeds: int
    comparisons: int
    t: float
    wilcoxon: float
    flipped: float
    bootstrap: float
    chosen: float
    covered: float


def calibrate(
    distribution: str, seeds: int, *, comparisons: int = COMPARISONS, mean: float = 0.0,
    seed: int = 0,
) -> Calibration:  # fmt: skip
    """Return how often each test calls `comparisons` of `seeds` differences significant.

    The differences have the mean `mean`, in standard deviations of the distribution: with 0 the
    shares are false alarms, otherwise power. Coverage is of the true mean by the 95 % t interval.
    """
    place = list(DISTRIBUTIONS).index(distribution)
    generator = np.random.default_rng([seed, place, seeds])
    deviation = float(DISTRIBUTIONS[distribution](np.random.default_rng(0), (1, 400_000)).std())
    true = mean * deviation
    drawn = DISTRIBUTIONS[distribution](generator, (comparisons, seeds)) + true
    wilcoxon, bootstrap = wilcoxon_p_values(drawn), bootstrap_t_p(drawn)
    low, high = t_intervals(drawn)

    def share(p: Floats) -> float:
        return float((p < SIGNIFICANT).mean())

    return Calibration(
        distribution,
        seeds,
        comparisons,
        t=float(((low > 0) | (high < 0)).mean()),
        wilcoxon=share(wilcoxon),
        flipped=share(sign_flip_p_values(drawn)),
        bootstrap=share(bootstrap),
        chosen=share(np.maximum(wilcoxon, MARGIN * bootstrap)),
        covered=float(((low <= true) & (true <= high)).mean()),
    )


def t_intervals(rows: Floats) -> tuple[Floats, Floats]:
    """Return both ends of the 95 % t interval of each row's mean."""
    from scipy.stats import t

    count = rows.shape[1]
    half = t.ppf(0.975, count - 1) * rows.std(1, ddof=1) / np.sqrt(count)
    return rows.mean(1) - half, rows.mean(1) + half


def wilcoxon_p_values(rows: Floats) -> Floats:
    """Return Wilcoxon's exact two-sided p-value of each row; sizes must all be different."""
    ranks = np.abs(rows).argsort(1).argsort(1) + 1.0
    return sign_flip_p_values(np.sign(rows) * ranks)


def sign_flip_p_values(rows: Floats) -> Floats:
    """Return the two-sided p-value of each row's sum under all flips of signs; at most 13 values.

    Fisher's permutation test of paired differences.
    """
    count = rows.shape[1]
    signs = 1.0 - 2.0 * ((np.arange(1 << count)[:, None] >> np.arange(count)) & 1)
    found = []
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        sums = np.abs(some @ signs.T)
        found.append((sums >= np.abs(some.sum(1))[:, None] * (1 - 1e-12)).mean(1))
    return np.concatenate(found)
