"""Statistics of arms compared over the same seeds: paired differences, never pooled values.

One rule gives both p-value and interval of a mean difference. It is tested twice, by all flips of
signs and by the bootstrap-t with a margin, and the larger p-value counts: the first errs when
differences are skewed, the second when seeds are few. The interval holds every mean that this test
would not reject, so that it leaves out 0 exactly where the p-value is under .05.
`benchmarks/calibration.py` measures what that gives, and docs/results/statistics.md has the
figures. Below six seeds no test is made, because with five no p-value can fall under .0625; the
interval is then Student's t.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from htmrun._imports import scipy
from htmrun.compare.bootstrap import bootstrap_t_interval, bootstrap_t_p
from htmrun.compare.interval import FEWEST_SEEDS, mean_interval
from htmrun.compare.sign_flips import sign_flip_interval, sign_flip_p

SIGNIFICANT = 0.05
MARGIN = 2.0
"""The bootstrap-t p-value is multiplied by this: what six seeds with skewed differences ask for."""
MOST_SEEDS = 1000
"""More seeds than this are not estimated: the difference is as good as none."""
_POWER = 0.8


@dataclass(frozen=True)
class PairedDifference:
    """One arm minus another, paired by seed.

    `mean` with its 95 % interval `low`..`high` in the metric's unit; `effect` is d_z, the mean
    difference in standard deviations of the differences; `p` is two-sided and under .05 exactly
    where `low`..`high` leaves out 0. `p_holm` is `p` after Holm's correction over `family`
    comparisons, and `low_holm`..`high_holm` the interval that goes with it. `values` are the
    differences in the order of the seeds. None: cannot be had from these seeds.
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
    low_holm: float | None = None
    high_holm: float | None = None
    family: int = 1
    values: tuple[float, ...] = ()

    @property
    def significant(self) -> bool:
        """Whether the corrected p-value is under .05."""
        return self.p_holm is not None and self.p_holm < SIGNIFICANT

    @property
    def too_few_seeds(self) -> bool:
        """Whether no difference, however large, could be significant with so many seeds."""
        return self.p_holm is None or smallest_p(self.seeds, self.family) >= SIGNIFICANT


def paired_difference(
    arm: str, reference: str, ours: Mapping[int, float], theirs: Mapping[int, float]
) -> PairedDifference:
    """Return `arm` minus `reference` over the seeds that both have; ValueError if they share none.

    `ours` and `theirs` map seed to the metric's value.
    """
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        raise ValueError(f"arms {arm} and {reference}: no seed in common, expected at least one")
    differences = tuple(ours[seed] - theirs[seed] for seed in seeds)
    interval = mean_interval(differences)
    found = PairedDifference(
        arm, reference, len(seeds), interval.mean, interval.low, interval.high,
        effect_size(differences), values=differences,
    )  # fmt: skip
    if len(seeds) < FEWEST_SEEDS or not all(map(math.isfinite, differences)):
        return found
    p = paired_p(differences)
    low, high = paired_interval(differences, SIGNIFICANT, apart=p < SIGNIFICANT)
    return replace(found, p=p, low=low, high=high)


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
    """Return the p-value that counts: sign flips', or the bootstrap-t's with its margin if larger.

    1 if nothing differs. At least two differences.
    """
    if not any(differences):
        return 1.0
    skewed = MARGIN * float(bootstrap_t_p(differences)[0])
    return min(1.0, max(float(sign_flip_p(differences)[0]), skewed))


def paired_interval(
    differences: Sequence[float], level: float, *, apart: bool
) -> tuple[float, float]:
    """Return the least and the greatest mean that `paired_p` does not reject at `level`.

    apart: whether 0 is rejected. Infinite where so few differences can reject nothing.
    """
    flips = sign_flip_interval(differences, level)
    skewed = bootstrap_t_interval(differences, level / MARGIN)
    low, high = min(flips[0], skewed[0]), max(flips[1], skewed[1])
    # An end that is 0 may fall on either side of it by rounding; the test says on which.
    if apart and low <= 0 <= high:
        return (math.ulp(0.0), high) if -low < high else (low, -math.ulp(0.0))
    if not apart:
        return min(low, 0.0), max(high, 0.0)
    return low, high


def with_holm(differences: Sequence[PairedDifference]) -> list[PairedDifference]:
    """Return `differences` with what Holm's correction makes of them; the tested are one family.

    The interval of each goes with the level at which Holm's procedure decided on it, or stopped.
    """
    tested = [d for d in differences if d.p is not None]
    if not tested:
        return [replace(d, family=len(differences)) for d in differences]
    p_values = np.array([d.p for d in tested], np.float64)
    corrected = holm(p_values)
    apart = int((corrected < SIGNIFICANT).sum())
    places = np.minimum(p_values.argsort(kind="stable").argsort(kind="stable"), apart)
    levels = iter(SIGNIFICANT / (len(tested) - np.minimum(places, len(tested) - 1)))
    ps = iter(corrected)
    return [
        d if d.p is None else _corrected(d, float(next(ps)), float(next(levels)), len(tested))
        for d in differences
    ]


def holm(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return p-values corrected by Holm's procedure (1979), in their order, at most 1.

    What statsmodels gives, which collects garbage at each call: in a process with MLflow and torch
    that takes longer than all other statistics.
    """
    p = np.asarray(p_values, np.float64)
    order = p.argsort()
    corrected = np.empty_like(p)
    corrected[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(corrected, 1.0)


def _corrected(d: PairedDifference, p: float, level: float, family: int) -> PairedDifference:
    corrected = replace(d, p_holm=p, family=family)
    if level == SIGNIFICANT:
        return replace(corrected, low_holm=d.low, high_holm=d.high)
    low, high = paired_interval(d.values, level, apart=p < SIGNIFICANT)
    if not (math.isfinite(low) and math.isfinite(high)):
        return corrected
    return replace(corrected, low_holm=low, high_holm=high)


def smallest_p(seeds: int, comparisons: int) -> float:
    """Return the smallest p-value that `seeds` pairs can give, after Holm over `comparisons`."""
    return min(1.0, 2.0 ** (1 - seeds) * comparisons)


def fewest_seeds(comparisons: int) -> int:
    """Return with how many seeds Holm's correction over `comparisons` can find a difference."""
    seeds = FEWEST_SEEDS
    while smallest_p(seeds, comparisons) >= SIGNIFICANT:
        seeds += 1
    return seeds


def seeds_needed(effect: float | None, comparisons: int = 1) -> int | None:
    """Return about how many seeds find a difference of this d_z in four runs out of five.

    The usual approximation (Guenther 1981) for Student's t at the level of the bootstrap-t, which
    takes two more. None for more than `MOST_SEEDS`, or without an effect.
    """
    if not effect:
        return None
    rare = float(scipy.special.ndtri(1 - SIGNIFICANT / MARGIN / comparisons / 2))
    often = float(scipy.special.ndtri(_POWER))
    needed = math.ceil(((rare + often) / effect) ** 2 + rare**2 / 2) + 2
    return None if needed > MOST_SEEDS else max(needed, fewest_seeds(comparisons))
