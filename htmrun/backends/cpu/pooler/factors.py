"""Boost factors, decaying duty cycles and levels of scores, in LLVM's terms.

The exponential is `fixed_point.exp2`, an integer polynomial: each of its steps multiplies, shifts
and adds. VPMADD52HUQ does all three at once, on the upper half of a product of 52 bits each (Intel
64 and IA-32 Architectures Software Developer's Manual, volume 2): shifted up by 22 beforehand, the
fraction leaves the 30 bits that the polynomial drops below that half.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from htmrun.backends.cpu.common.processor import has
from htmrun.backends.cpu.pooler.simd import call_lanes, load, place_of, splat
from htmrun.backends.fixed_point import EXP2_MAX, EXP2_MIN, EXP2_POLY

LANES = 16
MULTIPLIES_AND_ADDS = has("avx512ifma")
"""Whether this processor has VPMADD52HUQ."""
USUAL_GAIN = EXP2_MAX >> 9
"""Up to this gain no difference of 32 bits reaches the bounds of `fixed_point.exp2`."""

_I64 = ir.IntType(64)
_NARROW, _WIDE = ir.VectorType(ir.IntType(32), LANES), ir.VectorType(_I64, LANES)
_HALF = ir.VectorType(_I64, LANES // 2)


def _all(value: int, lanes: Any) -> Any:
    return ir.Constant(lanes, [lanes.element(value)] * lanes.count)


def _put_together(builder: Any, low: Any, r: Any) -> Any:
    """Return the representation of floats: exponents from `low`, 2**24 each, fractions from `r`."""
    r = call_lanes(builder, "umin", r, _all((1 << 31) - 1, _NARROW))
    r = builder.and_(builder.lshr(r, _all(7, _NARROW)), _all(0x7FFFFF, _NARROW))
    exponent = builder.and_(builder.lshr(low, _all(1, _NARROW)), _all(0x7F800000, _NARROW))
    return builder.or_(exponent, r)


def _exp2(builder: Any, difference: Any, gain: Any) -> Any:
    x = builder.sext(difference, _WIDE)
    x = builder.mul(x, builder.sext(splat(builder, gain, _NARROW), _WIDE))
    x = builder.ashr(x, _all(22, _WIDE))
    x = call_lanes(builder, "smax", x, _all(EXP2_MIN, _WIDE))
    x = builder.trunc(call_lanes(builder, "smin", x, _all(EXP2_MAX, _WIDE)), _NARROW)
    f = builder.shl(builder.and_(x, _all(0xFFFFFF, _NARROW)), _all(6, _NARROW))
    f = builder.zext(f, _WIDE)
    r = _all(EXP2_POLY[-1], _WIDE)
    for c in EXP2_POLY[-2::-1]:
        # The mask changes nothing; it allows the cheap 32 x 32 -> 64 bit product.
        product = builder.mul(builder.and_(r, _all(0xFFFFFFFF, _WIDE)), f)
        r = builder.add(_all(c, _WIDE), builder.lshr(product, _all(30, _WIDE)))
    low = builder.add(x, _all(127 << 24, _NARROW))
    return _put_together(builder, low, builder.trunc(r, _NARROW))


def _exp2_of_usual(builder: Any, difference: Any, gain: Any) -> Any:
    """Return the same for gains up to USUAL_GAIN."""
    kind = ir.FunctionType(_HALF, [_HALF] * 3)
    name = "llvm.x86.avx512.vpmadd52h.uq.512"
    function = cgutils.get_or_insert_function(builder.module, kind, name)

    def part(half: int, values: Any) -> Any:
        order = list(range(half * LANES // 2, (half + 1) * LANES // 2))
        return builder.shuffle_vector(
            values, values, ir.Constant(ir.VectorType(ir.IntType(32), LANES // 2), order)
        )

    def narrowed(a: Any, b: Any) -> Any:
        """Return the lower halves of all lanes."""
        a, b = builder.bitcast(a, _NARROW), builder.bitcast(b, _NARROW)
        return builder.shuffle_vector(a, b, ir.Constant(_NARROW, list(range(0, 2 * LANES, 2))))

    gain = builder.zext(gain, _I64)
    factor = splat(builder, builder.shl(gain, _I64(30)), _HALF)
    # A difference goes in 2**31 higher, so that it is not negative.
    less = builder.sub(_I64(127 << 24), builder.shl(gain, _I64(9)))
    start = splat(builder, less, _HALF)
    raised = builder.zext(builder.xor(difference, _all(1 << 31, _NARROW)), _WIDE)
    lows, rests = [], []
    for half in range(2):
        x = builder.call(function, [start, factor, part(half, raised)])
        f = builder.shl(x, _all(28, _HALF))  # only its lower 52 bits are read
        r = _all(EXP2_POLY[-1], _HALF)
        for c in EXP2_POLY[-2::-1]:
            r = builder.call(function, [_all(c, _HALF), r, f])
        lows.append(x)
        rests.append(r)
    return _put_together(builder, narrowed(*lows), narrowed(*rests))


def _lanes_of(exponential: Any) -> Any:
    def typed(typingctx: Any, source: Any, at: Any, target: Any, gain: Any, out: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            given, position, most, factor, target = args
            place = place_of(context, builder, signature.args[0], given, position, _NARROW)
            difference = builder.sub(splat(builder, most, _NARROW), load(builder, place, 4))
            bits = exponential(builder, difference, factor)
            place = place_of(context, builder, signature.args[4], target, position, _NARROW)
            builder.store(bits, place, align=4)
            return context.get_dummy_value()

        return types.void(source, types.intp, types.int32, types.int32, out), codegen

    return intrinsic(typed)


def _decay_lanes(typingctx: Any, duty: Any, at: Any, decay: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given, position, factor = args
        place = place_of(context, builder, signature.args[0], given, position, _NARROW)
        before = load(builder, place, 4)
        pairs, by = builder.bitcast(before, _HALF), splat(builder, factor, _HALF)
        shift, low = _all(32, _HALF), _all(0xFFFFFFFF, _HALF)
        even = builder.lshr(builder.mul(builder.and_(pairs, low), by), shift)
        odd = builder.mul(builder.lshr(pairs, shift), by)
        lost = builder.or_(builder.and_(odd, _all(0xFFFFFFFF << 32, _HALF)), even)
        builder.store(builder.sub(before, builder.bitcast(lost, _NARROW)), place, align=4)
        return context.get_dummy_value()

    return types.void(duty, types.intp, types.uint64), codegen


def _levels(
    typingctx: Any, overlaps: Any, at: Any, least: Any, factors: Any, scale: Any, out: Any
) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds, (given, position, smallest, boost, stretch, target) = signature.args, args
        narrow, wide = ir.VectorType(ir.IntType(8), 64), ir.VectorType(ir.FloatType(), 64)
        overlap = load(builder, place_of(context, builder, kinds[0], given, position, narrow), 1)
        factor = load(builder, place_of(context, builder, kinds[3], boost, position, wide), 4)
        score = builder.fmul(builder.uitofp(overlap, wide), factor)
        x, top = builder.fmul(score, splat(builder, stretch, wide)), ir.Constant(wide, [255.0] * 64)
        x = builder.select(builder.fcmp_ordered("<", x, top), x, top)
        able = builder.icmp_unsigned(">=", overlap, splat(builder, smallest, narrow))
        level = builder.select(able, builder.fptoui(x, narrow), ir.Constant(narrow, None))
        place = place_of(context, builder, kinds[5], target, position, narrow)
        builder.store(level, place, align=1)
        return context.get_dummy_value()

    return types.void(overlaps, types.intp, types.uint8, factors, types.float32, out), codegen


exp2_lanes: Any = _lanes_of(_exp2)
"""(source, at, target, gain, out): out[k] = exp2((gain * (target - source[k])) >> 22), float32.

The same bits as `fixed_point.exp2`, for the 16 elements from `at` on; 32-bit integers.
"""

exp2_of_usual: Any = _lanes_of(_exp2_of_usual) if MULTIPLIES_AND_ADDS else exp2_lanes
"""The same for gains up to USUAL_GAIN."""

decay_lanes: Any = intrinsic(_decay_lanes)
"""(duty, at, decay): duty[k] -= (duty[k] * decay) >> 32 for the 16 uint32 elements from `at` on.

decay: uint64 < 2**32.
"""

levels_of: Any = intrinsic(_levels)
"""(overlaps, at, least, factors, scale, out): out[k] = min(overlap * factor * scale, 255), bytes.

0 for overlaps below `least`; for the 64 elements from `at` on. Overlaps are bytes as well.
"""
