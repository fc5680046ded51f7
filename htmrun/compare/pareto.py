"""Quality against speed: which arms are not beaten in both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Offer:
    """One arm's mean quality and speed; `beaten_by`: all that beat it, the best first."""

    arm: str
    quality: float
    speed: float
    beaten_by: tuple[str, ...]


def pareto(
    quality: Mapping[str, float], speed: Mapping[str, float], *, lower_is_better: bool
) -> list[Offer]:
    """Return the arms that have both figures, fastest first.

    An arm is beaten by one that is at least as good in both and better in one.
    """
    sign = -1.0 if lower_is_better else 1.0
    arms = [arm for arm in quality if arm in speed]

    def beats(a: str, b: str) -> bool:
        ours, theirs = (sign * quality[a], speed[a]), (sign * quality[b], speed[b])
        return ours != theirs and ours[0] >= theirs[0] and ours[1] >= theirs[1]

    offers = []
    for arm in sorted(arms, key=lambda name: -speed[name]):
        stronger = [other for other in arms if beats(other, arm)]
        stronger.sort(key=lambda name: -sign * quality[name])
        offers.append(Offer(arm, quality[arm], speed[arm], tuple(stronger)))
    return offers
