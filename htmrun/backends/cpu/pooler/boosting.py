"""Boosting points: boost factors and minimum overlap duty cycles from the duty cycles."""

from __future__ import annotations

import numpy as np
from numba import njit

from htmrun.backends.cpu.pooler.layout import INNER, Field, Memory, Rules
from htmrun.backends.cpu.pooler.neighbourhood import neighbourhood_maxima, neighbourhood_sums
from htmrun.backends.cpu.pooler.simd import exp2_lanes
from htmrun.backends.fixed_point import DUTY_ONE


@njit(**INNER)
def update_boost(r: Rules, f: Field, m: Memory) -> None:
    """Recompute boost factors and minimum overlap duty cycles from the duty cycles."""
    if r.boost_gain > 0:
        _differences(r, f, m)
        for at in range(0, len(m.boost), 16):
            exp2_lanes(m.difference, at, np.int32(r.boost_gain), m.boost)
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
def _differences(r: Rules, f: Field, m: Memory) -> None:
    """Leave target less active duty cycle, at most 2**30 either way, in `m.difference`."""
    if not r.boosts_locally:
        target = np.int32(r.k * DUTY_ONE // r.columns)
        for c in range(r.columns):
            m.difference[c] = target - np.int32(m.active_duty[c])
        return
    for c in range(r.columns):
        m.sums[c] = np.int64(m.active_duty[c])
    _share(r, m)
    neighbourhood_sums(f.shape, r.boost_radius, r.wrap, m.sums, m.line, r.columns)
    # One float64 division is exact here: the sum stays under 2**53, and the quotient, under
    # 2**30, misses an integer by at least 1/size, more than the rounding error.
    for c in range(r.columns):
        mean = np.int64(np.float64(m.sums[c]) / np.float64(f.sizes[c]))
        m.difference[c] = np.int32(mean) - np.int32(m.active_duty[c])


@njit(**INNER)
def _share(r: Rules, m: Memory) -> None:
    """Round the duty cycles in `m.sums` to the bits that neighbours share (docs/math.md)."""
    if r.boost_drop == 0:
        return
    most = (np.int64(1) << (30 - r.boost_drop)) - 1
    for c in range(r.columns):
        rounded = (m.sums[c] + (np.int64(1) << (r.boost_drop - 1))) >> r.boost_drop
        m.sums[c] = min(rounded, most) << r.boost_drop
