"""Which arm did best, and whether it beats the other arms and the controls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from htmrun.compare.interval import mean_interval
from htmrun.compare.statistics import PairedDifference, paired_difference, with_holm
from htmrun.training.measures.registry import better

Values = Mapping[str, Mapping[int, float]]
"""A metric's value by arm and seed."""


@dataclass(frozen=True)
class Verdict:
    """The arm with the best mean of a metric, against each other arm and each control.

    `means` has every arm's and control's mean over the seeds that all have; `others` and `controls`
    are the leader minus each of them, the best first. Which arm leads is seen from the same data:
    docs/results/statistics.md has how often that makes a wrong leader.
    """

    metric: str
    leader: str
    means: Mapping[str, float]
    others: tuple[PairedDifference, ...]
    controls: tuple[PairedDifference, ...]

    def beaten(self, d: PairedDifference) -> bool:
        """Return whether the leader is significantly better in this difference."""
        return d.significant and (d.mean > 0) == (better(self.metric) == "up")


def judge(
    metric: str, values: Values, arms: Sequence[str], controls: Sequence[str], reference: str | None
) -> tuple[list[PairedDifference], Verdict | None]:
    """Return each arm minus `reference`, and the verdict; None where no way is better.

    All comparisons of arms that are made are one family of Holm's correction, each pair once; those
    with controls are another.
    """
    known = {name: found for name, found in values.items() if found}
    shared = _shared(known, arms)
    leader = _leader(metric, shared, arms)
    first = _against(known, arms, reference, turned=False)
    more = [] if leader == reference else _against(known, arms, leader, turned=True)
    corrected = with_holm([*first, *(d for d in more if d.reference != reference)])
    differences = corrected[: len(first)]
    if leader is None:
        return differences, None
    means = {name: mean_interval(list(found.values())).mean for name, found in shared.items()}
    others = [
        *corrected[len(first) :],
        *(d if d.arm == leader else turned_round(d) for d in differences
          if leader in (d.arm, d.reference)),
    ]  # fmt: skip
    tested = with_holm(_against(known, controls, leader, turned=True))
    return differences, Verdict(
        metric,
        leader,
        means,
        _best_first(metric, means, others),
        _best_first(metric, means, tested),
    )


def against(values: Values, arms: Sequence[str], reference: str | None) -> list[PairedDifference]:
    """Return each arm minus `reference`; they are one family of Holm's correction."""
    return with_holm(_against(values, arms, reference, turned=False))


def _shared(values: Values, arms: Sequence[str]) -> Values:
    """Return the values of the seeds that all arms have; of those that have none of them, all."""
    seeds = [set(values[arm]) for arm in arms if arm in values]
    both = set.intersection(*seeds) if seeds else set()
    return {
        name: {seed: v for seed, v in found.items() if seed in both} or found
        for name, found in values.items()
    }


def _leader(metric: str, values: Values, arms: Sequence[str]) -> str | None:
    """Return the arm with the best mean."""
    means = {arm: mean_interval(list(values[arm].values())).mean for arm in arms if arm in values}
    means = {arm: mean for arm, mean in means.items() if math.isfinite(mean)}
    way = better(metric)
    if not means or way == "none":
        return None
    return (min if way == "down" else max)(means, key=lambda arm: means[arm])


def _against(
    values: Values, arms: Sequence[str], base: str | None, *, turned: bool
) -> list[PairedDifference]:
    """Return each of `arms` minus `base`, or turned: seeds that both have, as far as there are."""
    if base is None or base not in values:
        return []
    pairs = [
        (base, arm) if turned else (arm, base)
        for arm in arms
        if arm != base and values.get(arm, {}).keys() & values[base].keys()
    ]
    return [paired_difference(a, b, values[a], values[b]) for a, b in pairs]


def turned_round(d: PairedDifference) -> PairedDifference:
    """Return the same difference seen from the other arm."""

    def minus(value: float | None) -> float | None:
        return None if value is None else 0.0 - value

    return replace(
        d,
        arm=d.reference,
        reference=d.arm,
        mean=0.0 - d.mean,
        low=minus(d.high),
        high=minus(d.low),
        effect=minus(d.effect),
        low_holm=minus(d.high_holm),
        high_holm=minus(d.low_holm),
        values=tuple(0.0 - value for value in d.values),
    )


def _best_first(
    metric: str, means: Mapping[str, float], found: Sequence[PairedDifference]
) -> tuple[PairedDifference, ...]:
    sign = 1 if better(metric) == "down" else -1
    return tuple(sorted(found, key=lambda d: sign * means[d.reference]))
