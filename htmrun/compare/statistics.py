"""Statistics of arms compared over the same seeds: paired differences, never pooled values.

The interval is Student's t. A difference is tested twice, by Wilcoxon's exact signed ranks and by
the bootstrap-t with a margin, and the larger p-value counts: the first errs when differences are
skewed, the second when seeds are few. `benchmarks/calibration.py` measures what that gives, and
docs/results/statistics.md has the figures. Below six seeds no test is made, because with five
Wilcoxon's p-value cannot fall under .0625.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from htmrun._imports import scipy, statsmodels
from htmrun.compare.bootstrap import bootstrap_t_p
from htmrun.compare.interval import FEWEST_SEEDS, mean_interval

SIGNIFICANT = 0.05
MARGIN = 1.5
"""The bootstrap-t p-value is multiplied by this: what six seeds with skewed differences ask for."""


@dataclass(frozen=True)
class PairedDifference:
    """One arm minus the reference arm, paired by seed.

    `mean` with its 95 % t interval `low`..`high` in the metric's unit; `effect` is d_z, the mean
    difference in standard deviations of the differences; `p` is the larger of `p_wilcoxon` and
    `MARGIN` times the bootstrap-t p-value, two-sided, and `p_holm` the same after Holm's
    correction. None: cannot be had from these seeds.
    """

    arm: str
    reference: str
    seeds: int
    mean: float
    low: float | None
    high: float | None
    effect: float | None
    p: float | None = None
    p_holm: float | None = None
    p_wilcoxon: float | None = None

    @property
    def significant(self) -> bool:
        """Whether the corrected p-value is under .05."""
        return self.p_holm is not None and self.p_holm < SIGNIFICANT


def paired_difference(
    arm: str, reference: str, ours: Mapping[int, float], theirs: Mapping[int, float]
) -> PairedDifference:
    """Return `arm` minus `reference` over the seeds that both have; ValueError if they share none.

    `ours` and `theirs` map seed to the metric's value.
    """
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        raise ValueError(f"arms {arm} and {reference}: no seed in common, expected at least one")
    differences = [ours[seed] - theirs[seed] for seed in seeds]
    interval = mean_interval(differences)
    tested = len(seeds) >= FEWEST_SEEDS and all(map(math.isfinite, differences))
    return PairedDifference(
        arm,
        reference,
        len(seeds),
        interval.mean,
        interval.low,
        interval.high,
        effect_size(differences),
        paired_p(differences) if tested else None,
        None,
        wilcoxon_p(differences) if tested else None,
    )


def effect_size(differences: Sequence[float]) -> float | None:
    """Return Cohen's d_z, mean over standard deviation (n - 1); None where that is undefined."""
    count = len(differences)
    if count < 2:
        return None
    mean = math.fsum(differences) / count
    deviation = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (count - 1))
    # Equal differences leave a rounding error for a deviation, and with it an absurd effect.
    if deviation <= 1e-12 * max(abs(d) for d in differences):
        return None
    return mean / deviation


def paired_p(differences: Sequence[float]) -> float:
    """Return the p-value that counts: Wilcoxon's, or the bootstrap-t's with its margin if larger.

    1 if nothing differs. At least two differences.
    """
    if not any(differences):
        return 1.0
    skewed = MARGIN * float(bootstrap_t_p(differences)[0])
    return min(1.0, max(wilcoxon_p(differences), skewed))


def wilcoxon_p(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test; 1 if nothing differs.

    Exact up to 50 differences, also where sizes are tied or zero (all signs are gone through up to
    13 differences); zeros are ranked as Pratt does, so that "no difference" counts against one.
    """
    if not any(differences):
        return 1.0
    # Equal but for rounding is a tie: 0.3 - 0.2 and 0.1 are the same difference.
    largest = max(map(abs, differences))
    rounded = [round(d / largest, 9) for d in differences]
    sizes = [abs(d) for d in rounded]
    if len(set(sizes)) == len(sizes) and all(sizes):
        return float(scipy.stats.wilcoxon(rounded, method="exact").pvalue)
    if len(rounded) > _MOST_SIGNS:
        return float(scipy.stats.wilcoxon(rounded, zero_method="pratt").pvalue)
    return _all_signs(rounded, scipy.stats.rankdata(sizes))


_MOST_SIGNS = 13


def _all_signs(differences: Sequence[float], ranks: Sequence[float]) -> float:
    """Return the exact p-value by going through the signs of all differences that are not 0."""
    used = np.array([rank for d, rank in zip(differences, ranks, strict=True) if d])
    positive = np.array([d > 0 for d in differences if d])
    signs = (np.arange(1 << len(used))[:, None] >> np.arange(len(used))) & 1
    away = np.abs(signs @ used - used.sum() / 2)
    observed = abs(used[positive].sum() - used.sum() / 2)
    return float((away >= observed - 1e-9).mean())


def with_holm(differences: Sequence[PairedDifference]) -> list[PairedDifference]:
    """Return `differences` with `p_holm` filled in; those with a p-value are one family."""
    tested = [d.p for d in differences if d.p is not None]
    if not tested:
        return list(differences)
    corrected = iter(statsmodels.stats.multitest.multipletests(tested, method="holm")[1])
    return [d if d.p is None else replace(d, p_holm=float(next(corrected))) for d in differences]


def smallest_p(seeds: int, comparisons: int) -> float:
    """Return the smallest p-value that `seeds` pairs can give, after Holm over `comparisons`."""
    return min(1.0, 2.0 ** (1 - seeds) * comparisons)
