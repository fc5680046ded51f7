"""Vector steps of the spatial pooler, written out in LLVM's terms.

A loop over int16 permanences that also packs its comparisons into bits is one that
compilers leave scalar. LLVM's vector types say it directly and on every processor: a
comparison of 64 lanes *is* a 64-bit mask, so one word of a bit matrix comes out of each
step. Positions count elements from the start of the (contiguous) array.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_I64 = ir.IntType(64)
_LANES16 = ir.VectorType(ir.IntType(16), 64)
_MASK = ir.VectorType(ir.IntType(1), 64)
LINE = ir.VectorType(_I64, 8)
"""A step of a bit plane: a cache line."""
WORDS = 8
"""64-bit words of a bit plane that one step handles."""


def place_of(context: Any, builder: Any, kind: Any, array: Any, position: Any, lanes: Any) -> Any:
    """Return a pointer to `lanes` from element `position` of `array` on."""
    start = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(start, [position]), lanes.as_pointer())


def load(builder: Any, place: Any, align: int) -> Any:
    """Load from `place`, which is only aligned to `align` bytes."""
    value = builder.load(place)
    value.align = align
    return value


def splat(builder: Any, value: Any, lanes: Any) -> Any:
    one = builder.insert_element(ir.Constant(lanes, ir.Undefined), value, _I64(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes.count), None)
    return builder.shuffle_vector(one, ir.Constant(lanes, ir.Undefined), zeros)


def call_lanes(builder: Any, name: str, a: Any, b: Any) -> Any:
    """Return what LLVM's `name` makes of two vectors of integers."""
    lanes = a.type
    suffix = f"v{lanes.count}i{lanes.element.width}"
    kind = ir.FunctionType(lanes, [lanes, lanes])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.{suffix}")
    return builder.call(function, [a, b])


def _move(builder: Any, place: Any, change: Any, top: Any, threshold: Any) -> Any:
    """Add with saturation at the lower bound, clip at `top`; return the mask of connected."""
    lanes = change.type
    moved = call_lanes(builder, "sadd.sat", load(builder, place, 2), change)
    moved = call_lanes(builder, "smin", moved, splat(builder, top, lanes))
    builder.store(moved, place, align=2)
    connected = builder.icmp_signed(">=", moved, splat(builder, threshold, lanes))
    word = builder.bitcast(connected, ir.IntType(lanes.count))
    return word if lanes.count == 64 else builder.zext(word, _I64)


def _adapting_by_bits(count: int) -> Any:
    """Make the step for so many permanences."""
    lanes = ir.VectorType(ir.IntType(16), count)

    def typed(
        typingctx: Any, x: Any, at: Any, bits: Any, up: Any, down: Any, top: Any, threshold: Any
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            array, position, mask, rise, fall, most, limit = args
            place = place_of(context, builder, signature.args[0], array, position, lanes)
            mask = mask if count == 64 else builder.trunc(mask, ir.IntType(count))
            on = builder.bitcast(mask, ir.VectorType(ir.IntType(1), count))
            change = builder.select(on, splat(builder, rise, lanes), splat(builder, fall, lanes))
            return _move(builder, place, change, most, limit)

        i16 = types.int16
        return types.uint64(x, types.intp, types.uint64, i16, i16, i16, i16), codegen

    return intrinsic(typed)


def _adapting_by_change(count: int) -> Any:
    """Make the step for so many permanences."""
    lanes = ir.VectorType(ir.IntType(16), count)

    def typed(
        typingctx: Any, x: Any, at: Any, change: Any, change_at: Any, top: Any, threshold: Any
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            array, position, changes, first, most, limit = args
            place = place_of(context, builder, signature.args[0], array, position, lanes)
            source = place_of(context, builder, signature.args[2], changes, first, lanes)
            return _move(builder, place, load(builder, source, 2), most, limit)

        i16 = types.int16
        return types.uint64(x, types.intp, change, types.intp, i16, i16), codegen

    return intrinsic(typed)


def _add_where(typingctx: Any, change: Any, at: Any, bits: Any, amount: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array, position, mask, rise = args
        place = place_of(context, builder, signature.args[0], array, position, _LANES16)
        before = load(builder, place, 2)
        after = call_lanes(builder, "sadd.sat", before, splat(builder, rise, _LANES16))
        builder.store(builder.select(builder.bitcast(mask, _MASK), after, before), place, align=2)
        return context.get_dummy_value()

    return types.void(change, types.intp, types.uint64, types.int16), codegen


def _at_least(bits: int) -> Any:
    """Make the step for unsigned numbers of so many bits."""
    lanes = ir.VectorType(ir.IntType(bits), 64)
    number: Any = {8: types.uint8, 32: types.uint32}[bits]

    def typed(typingctx: Any, keys: Any, at: Any, threshold: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            array, position, limit = args
            place = place_of(context, builder, signature.args[0], array, position, lanes)
            value = load(builder, place, bits // 8)
            reached = builder.icmp_unsigned(">=", value, splat(builder, limit, lanes))
            return builder.bitcast(reached, _I64)

        return types.uint64(keys, types.intp, number), codegen

    return intrinsic(typed)


def _turn_64(typingctx: Any, block: Any) -> Any:
    def halves(step: int) -> tuple[Any, Any]:
        low = sum(((1 << step) - 1) << b for b in range(0, 64, 2 * step))
        return ir.Constant(LINE, [low] * 8), ir.Constant(LINE, [low << step] * 8)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        places = [
            place_of(context, builder, signature.args[0], args[0], _I64(8 * q), LINE)
            for q in range(8)
        ]
        lines = [load(builder, place, 8) for place in places]

        def exchanged(a: Any, b: Any, step: int) -> tuple[Any, Any]:
            """Exchange the upper half of each field of `a` for the lower half of that of `b`."""
            low, high = halves(step)
            shift = ir.Constant(LINE, [step] * 8)
            up = builder.shl(builder.and_(b, low), shift)
            down = builder.lshr(builder.and_(a, high), shift)
            return builder.or_(builder.and_(a, low), up), builder.or_(builder.and_(b, high), down)

        for step in (32, 16, 8):
            for q in (q for q in range(8) if not q & (step // 8)):
                p = q + step // 8
                lines[q], lines[p] = exchanged(lines[q], lines[p], step)
        for step in (4, 2, 1):
            kind = ir.VectorType(ir.IntType(32), 8)
            partners = ir.Constant(kind, [k ^ step for k in range(8)])
            # Lanes 8 and up are those of the second vector.
            blend = ir.Constant(kind, [k + 8 if k & step else k for k in range(8)])
            for q in range(8):
                other = builder.shuffle_vector(lines[q], lines[q], partners)
                first, _ = exchanged(lines[q], other, step)
                _, second = exchanged(other, lines[q], step)
                lines[q] = builder.shuffle_vector(first, second, blend)
        for place, line in zip(places, lines, strict=True):
            builder.store(line, place, align=8)
        return context.get_dummy_value()

    return types.void(block), codegen


turn_64: Any = intrinsic(_turn_64)
"""(block): transpose 64 x 64 bits in place, halves first (Warren, "Hacker's Delight", 7-3)."""

adapt_by_bits: Any = _adapting_by_bits(64)
"""(x, at, bits, up, down, top, threshold): 64 permanences += up where a bit is set, else down.

Saturates at -32768, clips at `top`; returns the uint64 mask of those >= `threshold`.
"""

adapt_half_by_bits: Any = _adapting_by_bits(32)
"""The same of 32 permanences and the lower bits."""

adapt_by_change: Any = _adapting_by_change(64)
"""(x, at, change, change_at, top, threshold): the same with one int16 change per synapse."""

adapt_half_by_change: Any = _adapting_by_change(32)
"""The same of 32 permanences."""

add_where: Any = intrinsic(_add_where)
"""(change, at, bits, amount): 64 int16 values += amount where a bit is set, saturating."""

at_least: Any = _at_least(32)
"""(keys, at, threshold): the uint64 mask of those of 64 uint32 keys that are >= threshold."""

bytes_at_least: Any = _at_least(8)
"""The same of 64 bytes."""
