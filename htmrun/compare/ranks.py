"""Three and more arms over blocks (seeds, or data sets): Friedman's test and mean ranks.

Source: Demsar 2006, "Statistical Comparisons of Classifiers over Multiple Data Sets": Friedman's
chi-squared, Iman and Davenport's F, and Nemenyi's critical difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmrun._imports import scipy

FEWEST_ARMS = 3


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of the arms over blocks (1 is best) and whether they can be told apart.

    `chi2` and `p` are Friedman's (corrected for ties), `f` and `p_f` Iman and Davenport's (None
    where every block ranks alike); mean ranks further apart than `critical` differ by Nemenyi's
    test at 5 %. `groups` are the widest sets of arms, best first, that are not told apart.
    """

    arms: tuple[str, ...]
    blocks: int
    ranks: tuple[float, ...]
    chi2: float
    p: float
    f: float | None
    p_f: float | None
    critical: float
    groups: tuple[tuple[str, ...], ...]


def rank(values: npt.ArrayLike, arms: Sequence[str], *, lower_is_better: bool) -> Ranking:
    """Return the ranking of `arms` by `values`, float (blocks, arms); ties share their mean rank.

    ValueError below three arms or two blocks, and for values that are not finite.
    """
    table = np.asarray(values, np.float64)
    blocks, count = table.shape
    if count < FEWEST_ARMS or blocks < 2 or not np.isfinite(table).all():
        raise ValueError(
            f"values: found {blocks} blocks of {count} arms, expected finite values of at least "
            f"2 blocks and {FEWEST_ARMS} arms"
        )
    places = scipy.stats.rankdata(table if lower_is_better else -table, axis=1)
    return from_ranks(places, arms)


def from_ranks(
    places: npt.NDArray[np.float64], arms: Sequence[str], *, correct_ties: bool = True
) -> Ranking:
    """Return the ranking from the ranks of each block, float (blocks, arms).

    Without `correct_ties` chi-squared is Demsar's, who leaves ties as they are.
    """
    blocks, count = places.shape
    mean = places.mean(0)
    spread = float((places**2).sum() - blocks * count * (count + 1) ** 2 / 4)
    if not correct_ties:
        spread = blocks * count * (count**2 - 1) / 12
    between = float(((mean - (count + 1) / 2) ** 2).sum())
    chi2 = (count - 1) * blocks**2 * between / spread if spread > 0 else 0.0
    rest = blocks * (count - 1) - chi2
    f = (blocks - 1) * chi2 / rest if rest > 1e-9 else None
    p_f = None if f is None else float(scipy.stats.f.sf(f, count - 1, (count - 1) * (blocks - 1)))
    critical = critical_difference(count, blocks)
    named = dict(zip(arms, mean.tolist(), strict=True))
    return Ranking(
        tuple(arms), blocks, tuple(mean.tolist()), chi2,
        float(scipy.stats.chi2.sf(chi2, count - 1)), f, p_f, critical,
        not_told_apart(named, critical),
    )  # fmt: skip


def critical_difference(arms: int, blocks: int) -> float:
    """Return Nemenyi's critical difference of mean ranks at 5 %."""
    q = float(scipy.stats.studentized_range.ppf(0.95, arms, np.inf)) / math.sqrt(2)
    return q * math.sqrt(arms * (arms + 1) / (6 * blocks))


def not_told_apart(ranks: dict[str, float], critical: float) -> tuple[tuple[str, ...], ...]:
    """Return the widest groups of at least two arms whose ranks lie within `critical`."""
    ordered = sorted(ranks, key=lambda arm: ranks[arm])
    groups: list[tuple[str, ...]] = []
    for start, first in enumerate(ordered):
        group = tuple(a for a in ordered[start:] if ranks[a] - ranks[first] <= critical)
        if len(group) > 1 and not (groups and group[-1] in groups[-1]):
            groups.append(group)
    return tuple(groups)
