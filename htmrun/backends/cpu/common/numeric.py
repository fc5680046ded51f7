"""Scalar numba twins of `backends.rng` and `backends.fixed_point`, and bit-counting intrinsics.

Each twin returns the same bits as the NumPy function of the same name. numba notices a
change of a function's own file only, so after editing this one, clear the caches of its
callers (`__pycache__/*.nbi`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from htmrun.backends.fixed_point import EXP2_MAX, EXP2_MIN, EXP2_POLY

JIT: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "boundscheck": False,
    "error_model": "numpy",
}
"""Options of every compiled function: no fastmath, so floats mean what IEEE says."""

_P0, _P1, _P2, _P3, _P4, _P5, _P6 = EXP2_POLY
_SCALE = math.log2(math.e) * 2.0**24


def _popcount(typingctx: Any, x: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), codegen


def _trailing_zeros(typingctx: Any, x: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), codegen


def _float_of_bits(typingctx: Any, x: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.uint32), codegen


def _bits_of_float(typingctx: Any, x: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(32))

    return types.uint32(types.float32), codegen


popcount: Any = intrinsic(_popcount)
"""The number of ones in a uint64, as uint64."""

trailing_zeros: Any = intrinsic(_trailing_zeros)
"""The index of the lowest one of a uint64 that is not 0, as uint64."""

float_of_bits: Any = intrinsic(_float_of_bits)
"""The float32 whose IEEE representation is a given uint32."""

bits_of_float: Any = intrinsic(_bits_of_float)
"""The IEEE representation of a float32, as uint32."""


@njit(**JIT)
def mix(z: np.uint64) -> np.uint64:
    """Return `rng.mix` of one uint64."""
    x = np.uint64(z) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(**JIT)
def exp2_bits(a: np.int64) -> np.uint32:
    """Return the uint32 representation of `fixed_point.exp2` of one int64."""
    x = min(max(np.int64(a), np.int64(EXP2_MIN)), np.int64(EXP2_MAX))
    exponent = x >> 24
    f = (x & 0xFFFFFF) << 6
    r = _P5 + ((_P6 * f) >> 30)
    r = _P4 + ((r * f) >> 30)
    r = _P3 + ((r * f) >> 30)
    r = _P2 + ((r * f) >> 30)
    r = _P1 + ((r * f) >> 30)
    r = min(_P0 + ((r * f) >> 30), np.int64((1 << 31) - 1))
    return np.uint32(((exponent + 127) << 23) | ((r >> 7) & 0x7FFFFF))


@njit(**JIT)
def exp2(a: np.int64) -> np.float32:
    """Return `fixed_point.exp2` of one int64, as float32."""
    return float_of_bits(exp2_bits(a))


@njit(**JIT)
def exp_f32(x: np.float32) -> np.float32:
    """Return `fixed_point.exp_f32` of one float32 <= 0, as float32."""
    scaled = math.floor(max(np.float64(x) * _SCALE, float(EXP2_MIN)))
    return exp2(np.int64(scaled))
