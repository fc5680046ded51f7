"""What bit planes of overlaps say of each column, in LLVM's terms.

One word of a plane holds one bit of 64 overlaps. As a mask of 64 lanes it adds that bit to 64
bytes in one step where the processor has masks, and a bound is compared with 512 columns at once.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from htmrun.backends.cpu.pooler.adders import Adder
from htmrun.backends.cpu.pooler.simd import LINE, WORDS, load, place_of, splat

_I64 = ir.IntType(64)
_BYTES = ir.VectorType(ir.IntType(8), 64)
_MASK = ir.VectorType(ir.IntType(1), 64)


def _call(builder: Any, name: str, kind: Any, value: Any) -> Any:
    declared = ir.FunctionType(kind, [LINE])
    return builder.call(cgutils.get_or_insert_function(builder.module, declared, name), [value])


def _spread_word(
    typingctx: Any, planes: Any, first: Any, count: Any, width: Any, word: Any, out: Any, at: Any
) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, low, used, pitch, column, target, position = args
        start = context.make_array(signature.args[0])(context, builder, source).data
        total = cgutils.alloca_once(builder, _BYTES)
        builder.store(ir.Constant(_BYTES, None), total)
        for p in range(8):
            with builder.if_then(builder.icmp_signed("<", _I64(p), used)):
                row = builder.mul(builder.add(low, _I64(p)), pitch)
                bits = builder.load(builder.gep(start, [builder.add(row, column)]))
                before = builder.load(total)
                more = builder.add(before, ir.Constant(_BYTES, [1 << p] * 64))
                builder.store(builder.select(builder.bitcast(bits, _MASK), more, before), total)
        place = place_of(context, builder, signature.args[5], target, position, _BYTES)
        builder.store(builder.load(total), place, align=1)
        return context.get_dummy_value()

    i = types.intp
    return types.void(planes, i, i, i, i, out, i), codegen


class _Bound:
    """A bound that overlaps in bit planes are compared with, a line of columns at a time."""

    def __init__(self, context: Any, builder: Any, kind: Any, args: Any) -> None:
        self.context, self.builder, self.kind = context, builder, kind
        self.planes, self.count, self.limit, self.pitch = args
        none, every = ir.Constant(LINE, None), ir.Constant(LINE, [-1] * WORDS)
        beyond = builder.icmp_signed(">=", builder.ashr(self.limit, self.count), _I64(1))
        self._start = builder.select(beyond, none, every)
        self._above, self._equal = (cgutils.alloca_once(builder, LINE) for _ in range(2))

    def reached(self, at: Any) -> Any:
        """Return which of the columns of the line from word `at` on reach the bound."""
        builder = self.builder
        builder.store(ir.Constant(LINE, None), self._above)
        builder.store(self._start, self._equal)
        with cgutils.for_range(builder, self.count) as loop:
            p = builder.sub(builder.sub(self.count, _I64(1)), loop.index)
            where = builder.add(builder.mul(p, self.pitch), at)
            place = place_of(self.context, builder, self.kind, self.planes, where, LINE)
            plane = load(builder, place, 8)
            bit = builder.and_(builder.ashr(self.limit, p), _I64(1))
            one = splat(builder, builder.neg(bit), LINE)
            same, over = builder.load(self._equal), builder.load(self._above)
            more = builder.and_(builder.and_(same, plane), builder.not_(one))
            builder.store(builder.or_(over, more), self._above)
            differs = builder.xor(plane, one)
            builder.store(builder.and_(same, builder.not_(differs)), self._equal)
        return builder.or_(builder.load(self._above), builder.load(self._equal))


def _reaching(typingctx: Any, planes: Any, used: Any, bound: Any, width: Any, out: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds, pitch = signature.args, args[3]
        limit = _Bound(context, builder, kinds[0], args[:4])
        with cgutils.for_range_slice(builder, _I64(0), pitch, _I64(WORDS), inc=True) as (at, _):
            place = place_of(context, builder, kinds[4], args[4], at, LINE)
            builder.store(limit.reached(at), place, align=8)
        return context.get_dummy_value()

    i = types.intp
    return types.void(planes, i, i, i, out), codegen


def _fewer_in_line(
    typingctx: Any, counts: Any, used: Any, limits: Any, number: Any, width: Any, at: Any,
    within: Any, below: Any,
) -> Any:  # fmt: skip
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds = signature.args
        counted, planes, bounds, known, pitch, word, *out = args
        adder = Adder(context, builder)
        # What a count less its limit, and less one more, carries.
        carries = [cgutils.alloca_once(builder, LINE) for _ in out]
        for carry, bit in zip(carries, (0, -1), strict=True):
            builder.store(ir.Constant(LINE, [bit] * WORDS), carry)

        def line_of(number: int, array: Any, where: Any) -> Any:
            return load(builder, place_of(context, builder, kinds[number], array, where, LINE), 8)

        with cgutils.for_range(builder, known) as loop:
            count = line_of(0, counted, builder.mul(loop.index, _I64(WORDS)))
            limit = line_of(2, bounds, builder.add(builder.mul(loop.index, pitch), word))
            for carry in carries:
                _, after = adder.full(count, builder.not_(limit), builder.load(carry))
                builder.store(after, carry)
        with cgutils.for_range_slice(builder, known, planes, _I64(1), inc=True) as (p, _):
            count = line_of(0, counted, builder.mul(p, _I64(WORDS)))
            for carry in carries:
                builder.store(builder.or_(count, builder.load(carry)), carry)
        for number, array, carry in zip((6, 7), out, carries, strict=True):
            place = place_of(context, builder, kinds[number], array, word, LINE)
            builder.store(builder.not_(builder.load(carry)), place, align=8)
        return context.get_dummy_value()

    i = types.intp
    return types.void(counts, i, limits, i, i, i, within, below), codegen


def _better_in_line(
    typingctx: Any, planes: Any, used: Any, width: Any, at: Any, column: Any, near: Any, mask: Any,
    won: Any,
) -> Any:  # fmt: skip
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds = signature.args
        source, count, pitch, word, own, masks, mask_at, winners = args
        own_word, bit = builder.ashr(own, _I64(6)), builder.and_(own, _I64(63))
        lower = builder.sub(builder.shl(_I64(1), bit), _I64(1))
        lanes = ir.Constant(LINE, list(range(WORDS)))
        there = splat(builder, builder.sub(own_word, word), LINE)
        none, every = ir.Constant(LINE, None), ir.Constant(LINE, [-1] * WORDS)
        here = builder.select(
            builder.icmp_signed("==", lanes, there), splat(builder, lower, LINE), none
        )
        better = cgutils.alloca_once(builder, LINE)
        before = builder.select(builder.icmp_signed("<", lanes, there), every, here)
        place = place_of(context, builder, kinds[7], winners, word, LINE)
        # What stays where overlaps are equal.
        builder.store(builder.and_(before, load(builder, place, 8)), better)
        start = context.make_array(kinds[0])(context, builder, source).data
        adder = Adder(context, builder)
        with cgutils.for_range(builder, count) as loop:
            plane = builder.mul(loop.index, pitch)
            value = builder.load(builder.gep(start, [builder.add(plane, own_word)]))
            value = builder.and_(builder.lshr(value, bit), _I64(1))
            zero = splat(builder, builder.sub(value, _I64(1)), LINE)
            place = place_of(context, builder, kinds[0], source, builder.add(plane, word), LINE)
            _, carry = adder.full(load(builder, place, 8), zero, builder.load(better))
            builder.store(carry, better)
        place = place_of(context, builder, kinds[5], masks, mask_at, LINE)
        found = builder.and_(builder.load(better), load(builder, place, 8))
        ones = _call(builder, "llvm.ctpop.v8i64", LINE, found)
        return _call(builder, "llvm.vector.reduce.add.v8i64", _I64, ones)

    i = types.intp
    return types.int64(planes, i, i, i, i, near, i, won), codegen


spread_word: Any = intrinsic(_spread_word)
"""(planes, first, count, width, word, out, at): out[at:at + 64] = a byte for each column of a word.

Its bits are those of planes first, first + 1 and so on, `count` of them, 8 at most.
"""

reaching: Any = intrinsic(_reaching)
"""(planes, used, bound, width, out): leave in `out` the columns whose overlap is at least `bound`.

Overlaps are in the lowest `used` < 63 planes, of `width` words each.
"""

fewer_in_line: Any = intrinsic(_fewer_in_line)
"""(counts, used, limits, number, width, at, within, below): compare the counts of a line.

Counts are in `used` planes of 8 words, limits in words at..at + 8 of `number` planes of `width`.
Leaves in within[at:at + 8] where counts are at most the limit, in `below` where they are less. If
`number` is more than `used`, planes of counts between are read as well.
"""

better_in_line: Any = intrinsic(_better_in_line)
"""(planes, used, width, at, column, near, mask_at, won): how many of a line beat `column`.

More overlap does, and as much at a lower index that is set in `won`. The line is words at..at + 8
of the lowest `used` planes, of `width` words each; only columns in near[mask_at:mask_at + 8] count.
"""
