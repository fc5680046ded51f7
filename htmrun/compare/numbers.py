"""How figures are written for people: enough digits, no more."""

from __future__ import annotations

import math

from htmrun.compare.interval import Interval
from htmrun.training.measures.measure import RATE


def number(value: float, metric: str = "") -> str:
    """Return `value` with about four places; large numbers and rates are whole."""
    if math.isnan(value):
        return "nan"
    if metric == RATE or metric.endswith("_samples"):
        return f"{value:,.0f}"
    if 1e-12 < abs(value) < 0.0001:  # Below that it is what is left of a sum that is 0.
        return f"{value:.2e}"
    return f"{value:,.{_places(value)}f}"


def _places(value: float) -> int:
    if abs(value) < 10:
        return 4
    return 2 if abs(value) < 1000 else 0


def mean_and_half(interval: Interval, metric: str = "") -> str:
    """Return ``"0.9533 ± 0.0041"``, or the mean alone for a single value.

    The half width has the places of the mean; what would be rounded to nothing has its own.
    """
    mean = number(interval.mean, metric)
    if interval.half is None:
        return mean
    half = f"{interval.half:,.{len(mean.partition('.')[2])}f}"
    if "e" in mean or (interval.half > 0 and not half.strip("0.,")):
        half = number(interval.half, metric)
    return f"{mean} ± {half}"


def probability(p: float) -> str:
    """Return a p-value with four places, or what it is under: ``"0.0312"``, ``"<0.0001"``."""
    return f"{p:.4f}" if p >= 0.00005 else "<0.0001"


def duration(seconds: float) -> str:
    """Return ``"12 s"``, ``"3:05"`` (minutes) or ``"1:02:05"`` (hours)."""
    if not math.isfinite(seconds):
        return "-"
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
