"""Measurements that a claim names in place of an experiment, by the function's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

Measure = Callable[[Literal["small", "full"], int], Mapping[str, float]]
"""Takes a size and a seed and returns figures by name; ratios from one run are comparable."""
MEASURES: dict[str, Measure] = {}


def measure(function: Measure) -> Measure:
    """Make `function` known under its name."""
    MEASURES[function.__name__] = function
    return function
