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

from htmrun.backends.cpu.pooler.simd import LINE, WORDS, load, place_of

_I64 = ir.IntType(64)
_BYTES = ir.VectorType(ir.IntType(8), 64)
_MASK = ir.VectorType(ir.IntType(1), 64)


def _splat(builder: Any, word: Any) -> Any:
    one = builder.insert_element(ir.Constant(LINE, ir.Undefined), word, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WORDS), None)
    return builder.shuffle_vector(one, ir.Constant(LINE, ir.Undefined), zeros)


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
            one = _splat(builder, builder.neg(bit))
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


def _count_reaching(
    typingctx: Any, planes: Any, used: Any, bound: Any, width: Any, rows: Any, row: Any
) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds, pitch = signature.args, args[3]
        limit = _Bound(context, builder, kinds[0], args[:4])
        total = cgutils.alloca_once_value(builder, ir.Constant(LINE, None))
        builder.store(ir.Constant(LINE, None), total)
        first = builder.mul(args[5], pitch)
        with cgutils.for_range_slice(builder, _I64(0), pitch, _I64(WORDS), inc=True) as (at, _):
            place = place_of(context, builder, kinds[4], args[4], builder.add(first, at), LINE)
            found = builder.and_(limit.reached(at), load(builder, place, 8))
            ones = _call(builder, "llvm.ctpop.v8i64", LINE, found)
            builder.store(builder.add(builder.load(total), ones), total)
        return _call(builder, "llvm.vector.reduce.add.v8i64", _I64, builder.load(total))

    i = types.intp
    return types.int64(planes, i, i, i, rows, i), codegen


spread_word: Any = intrinsic(_spread_word)
"""(planes, first, count, width, word, out, at): out[at:at + 64] = a byte for each column of a word.

Its bits are those of planes first, first + 1 and so on, `count` of them, 8 at most.
"""

reaching: Any = intrinsic(_reaching)
"""(planes, used, bound, width, out): leave in `out` the columns whose overlap is at least `bound`.

Overlaps are in the lowest `used` < 63 planes, of `width` words each.
"""

count_reaching: Any = intrinsic(_count_reaching)
"""(planes, used, bound, width, rows, row): how many of the columns in rows[row] reach `bound`."""
