"""Three and more arms over blocks (seeds, or data sets): Friedman's test and mean ranks.

Source: Demsar 2006, "Statistical Comparisons of Classifiers over Multiple Data Sets": Friedman's
chi-squared, Iman and Davenport's F, and Nemenyi's critical difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from htmrun._imports import scipy

FEWEST_ARMS = 3
LEVEL = 0.05


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
    return from_ranks(_ranked(table if lower_is_better else -table), arms)


def _ranked(table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the rank of each value in its row from 1 on, the mean one where several are equal."""
    one, other = table[:, :, None], table[:, None, :]
    below, equal = (other < one).sum(2), (other == one).sum(2)
    ranks: npt.NDArray[np.float64] = below + (equal + 1) / 2
    return ranks


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
    p_f = (
        None if f is None else float(scipy.special.fdtrc(count - 1, (count - 1) * (blocks - 1), f))
    )
    critical = critical_difference(count, blocks)
    named = dict(zip(arms, mean.tolist(), strict=True))
    return Ranking(
        tuple(arms), blocks, tuple(mean.tolist()), chi2,
        float(scipy.special.chdtrc(count - 1, chi2)), f, p_f, critical,
        not_told_apart(named, critical),
    )  # fmt: skip


def critical_difference(arms: int, blocks: int) -> float:
    """Return Nemenyi's critical difference of mean ranks at 5 %."""
    q = studentized_range(arms) / math.sqrt(2)
    return q * math.sqrt(arms * (arms + 1) / (6 * blocks))


@cache
def studentized_range(arms: int) -> float:
    """Return the range that `arms` standard normal values exceed with a probability of 5 %.

    What scipy.stats.studentized_range.ppf(0.95, arms, inf) gives, whose import alone takes most of
    a second: P(range < q) = arms * integral of phi(z) (Phi(z + q) - Phi(z))^(arms - 1).
    """
    nodes, weights = np.polynomial.legendre.leggauss(200)
    z = 9.0 * nodes
    lying = 9.0 * weights * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    low, high = 0.0, 20.0
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        inside = scipy.special.ndtr(z + middle) - scipy.special.ndtr(z)
        if arms * float(lying @ inside ** (arms - 1)) < 1 - LEVEL:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def not_told_apart(ranks: dict[str, float], critical: float) -> tuple[tuple[str, ...], ...]:
    """Return the widest groups of at least two arms whose ranks lie within `critical`."""
    ordered = sorted(ranks, key=lambda arm: ranks[arm])
    groups: list[tuple[str, ...]] = []
    for start, first in enumerate(ordered):
        group = tuple(a for a in ordered[start:] if ranks[a] - ranks[first] <= critical)
        if len(group) > 1 and not (groups and group[-1] in groups[-1]):
            groups.append(group)
    return tuple(groups)
