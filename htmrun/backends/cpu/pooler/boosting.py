"""Boosting points: boost factors and minimum overlap duty cycles from the duty cycles."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.pooler.factors import LANES, USUAL_GAIN, exp2_lanes, exp2_of_usual
from htmrun.backends.cpu.pooler.layout import INNER, Field, Memory, Rules
from htmrun.backends.cpu.pooler.neighbourhood import neighbourhood_maxima, neighbourhood_sums
from htmrun.backends.fixed_point import DUTY_ONE


@njit(**INNER)
def update_boost(r: Rules, f: Field, m: Memory) -> None:
    """Recompute boost factors and minimum overlap duty cycles from the duty cycles."""
    if r.boost_gain > 0:
        if r.boosts_locally:
            _differences(r, f, m)
            _factors(m.difference, 0, r, m)
        else:
            _factors(m.active_duty, r.k * DUTY_ONE // r.columns, r, m)
    if r.bump > 0:
        for c in range(r.columns):
            m.sums[c] = np.int64(m.overlap_duty[c])
        if r.boosts_locally:
            _share(r, m)
            neighbourhood_maxima(f.shape, r.boost_radius, r.wrap, m.sums, m.line, r.columns)
        else:
            most = np.int64(0)
            for c in range(r.columns):
                most = max(most, m.sums[c])
            m.sums[: r.columns] = most
        for c in range(r.columns):
            m.min_overlap_duty[c] = np.uint32((m.sums[c] * r.weak_share) >> 16)


@njit(**INNER)
def _factors(duty: npt.NDArray[Any], target: int, r: Rules, m: Memory) -> None:
    """Leave the boost factors in `m.boost`: exp(strength * (target - duty)), duties in 32 bits."""
    gain = np.int32(r.boost_gain)
    if r.boost_gain <= USUAL_GAIN:
        for at in range(0, r.columns, LANES):
            exp2_of_usual(duty, at, np.int32(target), gain, m.boost)
    else:
        for at in range(0, r.columns, LANES):
            exp2_lanes(duty, at, np.int32(target), gain, m.boost)


@njit(**INNER)
def _differences(r: Rules, f: Field, m: Memory) -> None:
    """Leave active duty cycle less target, at most 2**30 either way, in `m.difference`."""
    for c in range(r.columns):
        m.sums[c] = np.int64(m.active_duty[c])
    _share(r, m)
    neighbourhood_sums(f.shape, r.boost_radius, r.wrap, m.sums, m.line, r.columns)
    # One float64 division is exact here: the sum stays under 2**53, and the quotient, under
    # 2**30, misses an integer by at least 1/size, more than the rounding error.
    for c in range(r.columns):
        mean = np.int64(np.float64(m.sums[c]) / np.float64(f.sizes[c]))
        m.difference[c] = np.int32(m.active_duty[c]) - np.int32(mean)


@njit(**INNER)
def _share(r: Rules, m: Memory) -> None:
    """Round the duty cycles in `m.sums` to the bits that neighbours share (docs/math.md)."""
    if r.boost_drop == 0:
        return
    most = (np.int64(1) << (30 - r.boost_drop)) - 1
    for c in range(r.columns):
        rounded = (m.sums[c] + (np.int64(1) << (r.boost_drop - 1))) >> r.boost_drop
        m.sums[c] = min(rounded, most) << r.boost_drop
