"""Statistics of arms compared over the same seeds: paired differences, never pooled values.

Intervals are Student's t, tests are Wilcoxon's signed ranks with Holm's correction; below six
seeds no test is made, because with five its p-value cannot fall under .0625.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from htmrun.console.interval import FEWEST_SEEDS, mean_interval

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class PairedDifference:
    """One arm minus the reference arm, paired by seed.

    `mean` with its 95 % t interval `low`..`high` in the metric's unit; `effect` is d_z, the mean
    difference in standard deviations of the differences; `p` is Wilcoxon's two-sided p-value
    and `p_holm` the same after Holm's correction. None: cannot be had from these seeds.
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
    return PairedDifference(
        arm,
        reference,
        len(seeds),
        interval.mean,
        interval.low,
        interval.high,
        effect_size(differences),
        wilcoxon_p(differences) if len(seeds) >= FEWEST_SEEDS else None,
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


def wilcoxon_p(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test; 1 if nothing differs."""
    if not any(differences):
        return 1.0
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences).pvalue)


def with_holm(differences: Sequence[PairedDifference]) -> list[PairedDifference]:
    """Return `differences` with `p_holm` filled in; those with a p-value are one family."""
    tested = [d.p for d in differences if d.p is not None]
    if not tested:
        return list(differences)
    from statsmodels.stats.multitest import multipletests

    corrected = iter(multipletests(tested, method="holm")[1])
    return [d if d.p is None else replace(d, p_holm=float(next(corrected))) for d in differences]


def smallest_p(seeds: int, comparisons: int) -> float:
    """Return the smallest p-value that `seeds` pairs can give, after Holm over `comparisons`."""
    return min(1.0, 2.0 ** (1 - seeds) * comparisons)
