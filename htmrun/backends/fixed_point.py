"""Fixed-point numbers: permanences, duty cycles, boost factors and the exponential.

A result must not depend on the device, so nothing that reaches a decision is computed by
a floating-point library function: float32 `exp` differs between libraries in a third of
all values. Exponentials are an integer polynomial; every float that follows is made by
single IEEE operations (one multiply, one add, one divide), which are exact everywhere.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

PERMANENCE_ONE = 10_000
"""A permanence of 1.0 as int16; holds every four-decimal value exactly."""

NO_SYNAPSE = -1
"""The int16 permanence of an input outside a column's potential pool."""

DUTY_ONE = 1 << 30
"""A duty cycle of 1.0 as uint32."""

EXP2_POLY = (1073741824, 744260969, 257944274, 59576801, 10389024, 1338674, 232076)
"""Coefficients of 2**f on [0, 1), scaled by 2**30, constant term first."""

EXP2_MIN = -100 << 24
EXP2_MAX = 100 << 24
LOG2_E_Q16 = math.log2(math.e) * 65536


def permanence(value: float) -> int:
    """Return a permanence in [0, 1] as a fixed-point integer, rounded to 1/10000."""
    return round(value * PERMANENCE_ONE)


def exp2(a: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return ``2**(a / 2**24)`` as float32 for int64 `a` (any shape), clipped to +-100 octaves.

    Relative error below 3e-7; the same bits on every device.
    """
    x = np.clip(np.asarray(a, np.int64), EXP2_MIN, EXP2_MAX)
    exponent = x >> 24
    fraction = (x & 0xFFFFFF) << 6
    r = np.full(x.shape, EXP2_POLY[6], np.int64)
    for c in EXP2_POLY[5::-1]:
        r = c + ((r * fraction) >> 30)
    r = np.minimum(r, (1 << 31) - 1)
    bits = ((exponent + 127) << 23) | ((r >> 7) & 0x7FFFFF)
    return bits.astype(np.uint32).view(np.float32)


def duty_reciprocal(period: int) -> int:
    """Return ``2**32 // period``, the factor by which a duty cycle decays per sample."""
    return (1 << 32) // period


def advance_duty(
    duty: npt.NDArray[np.uint32], counts: npt.NDArray[np.int64], n: int, period: int
) -> npt.NDArray[np.uint32]:
    """Return duty cycles after a window of `n` samples: d(1 - n/P) + count/P, in integers.

    `duty` and `counts` have one entry per column; `counts` says in how many of the window's
    samples the column was active; ``1 <= n <= period``. Rule: duty - ((duty * n * (2**32 //
    P)) >> 32) + count * (2**30 // P).
    """
    decay = np.uint64(n * duty_reciprocal(period))
    d = duty.astype(np.uint64)
    gain = counts.astype(np.uint64) * np.uint64(DUTY_ONE // period)
    return (d - ((d * decay) >> np.uint64(32)) + gain).astype(np.uint32)


def shared_duty(duty: npt.NDArray[np.int64], bits: int) -> npt.NDArray[np.int64]:
    """Return duty cycles as neighbours read them: int64 like `duty`, rounded to `bits` (1 to 30).

    Halves upwards; 1.0 is the highest that so many bits hold. 30 bits: unchanged.
    """
    drop = 30 - bits
    if drop == 0:
        return duty
    return np.minimum((duty + (1 << (drop - 1))) >> drop, (1 << bits) - 1) << drop


def boost_gain(strength: float) -> int:
    """Return ``strength * log2(e)`` scaled by 2**16, the factor used by `boost_factors`."""
    return round(strength * LOG2_E_Q16)


def boost_factors(
    duty: npt.NDArray[np.uint32], target: npt.ArrayLike, strength: float
) -> npt.NDArray[np.float32]:
    """Return exp(strength * (target - duty)) as float32, from integers.

    `target` is a duty cycle in the same scale, one for all columns (global inhibition: the
    density) or one per column (local inhibition: the neighbourhood's mean). Source: Cui,
    Ahmad, Hawkins 2017, "The HTM Spatial Pooler", eq. 6.
    """
    difference = np.asarray(target, np.int64) - duty.astype(np.int64)
    return exp2((boost_gain(strength) * difference) >> 22)


def exp_f32(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return exp(x) as float32 for float32 `x` <= 0, through `exp2` (clipped at 2**-100).

    x * (log2(e) * 2**24) is one float64 multiply, then a floor to an integer.
    """
    scaled = np.floor(x.astype(np.float64) * (math.log2(math.e) * 2.0**24))
    return exp2(np.maximum(scaled, float(EXP2_MIN)).astype(np.int64))
