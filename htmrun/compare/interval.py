"""The mean of a few seeds and how far it can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from htmrun._imports import scipy

CONFIDENCE = 0.95
FEWEST_SEEDS = 6
INTERVAL_NOTE = "± is half the 95 % Student-t interval of the mean over seeds"


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % Student-t interval; `low` and `high` are None for a single value."""

    mean: float
    low: float | None
    high: float | None
    values: tuple[float, ...]

    @property
    def half(self) -> float | None:
        """Half the interval's width."""
        return None if self.high is None else self.high - self.mean


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean of `values` with its Student-t interval; ValueError for no value at all."""
    if not values:
        raise ValueError("values: found none, expected at least one")
    count = len(values)
    mean = math.fsum(values) / count
    if count < 2:
        return Interval(mean, None, None, tuple(values))
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (count - 1))
    quantile = float(scipy.special.stdtrit(count - 1, 0.5 + CONFIDENCE / 2))
    half = quantile * deviation / math.sqrt(count)
    return Interval(mean, mean - half, mean + half, tuple(values))


def seeds_note(seeds: int, enough: int = FEWEST_SEEDS) -> str:
    """Return why `seeds` seeds allow no test and how many are `enough`, "" when they allow one."""
    if seeds >= FEWEST_SEEDS:
        return ""
    known = f"{seeds} seed{'' if seeds == 1 else 's'}: nothing is called significant below "
    known += f"{FEWEST_SEEDS} (with 5 no p can be under .0625)"
    more = f", and so many arms take at least {enough}" if enough > FEWEST_SEEDS else ""
    return f"{known}{more}"
