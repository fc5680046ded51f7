"""Bit-sliced counters of the spatial pooler: adding rows of a bit matrix, in LLVM's terms.

One word holds one bit of 64 counts. A full adder takes three bits of one weight and leaves a sum
and a carry of twice the weight (the carry-save tree of Harley and Seal; Warren, "Hacker's
Delight", 5-1).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from htmrun.backends.cpu.pooler.simd import LINE, load, place_of

_I32 = ir.IntType(32)
_I64 = ir.IntType(64)
GROUP = 16
"""Rows of one tree."""
LOW = 4
"""Planes below the weight of a whole group."""
KEPT = 8
"""Planes that stay in registers while rows are counted."""
BLOCK = 15 * GROUP
"""Rows that are counted at a time: fewer than KEPT planes can hold."""

_XOR, _MAJORITY = 0x96, 0xE8
"""Truth tables of the two results of a full adder."""


class Adder:
    """Full and half adders of one function; one instruction each where the processor has it."""

    def __init__(self, context: Any, builder: Any) -> None:
        self.builder = builder
        self._any_of_three = "+avx512f" in context.codegen().magic_tuple()[2]

    def full(self, a: Any, b: Any, c: Any) -> tuple[Any, Any]:
        """Return (sum, carry) of three bits per position."""
        if self._any_of_three:
            return self._table(_XOR, a, b, c), self._table(_MAJORITY, a, b, c)
        builder = self.builder
        carry = builder.or_(builder.and_(a, b), builder.and_(builder.or_(a, b), c))
        return builder.xor(builder.xor(a, b), c), carry

    def half(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Return (sum, carry) of two bits per position."""
        return self.builder.xor(a, b), self.builder.and_(a, b)

    def tree(self, layer: list[Any], totals: list[Any]) -> tuple[list[Any], Any]:
        """Add 2**k rows to k planes of counters; return the planes and what overflows them."""
        planes = []
        for total in totals:
            carries = []
            for a, b in zip(layer[::2], layer[1::2], strict=True):
                total, out = self.full(total, a, b)
                carries.append(out)
            planes.append(total)
            layer = carries
        return planes, layer[0]

    def _table(self, table: int, *bits: Any) -> Any:
        kind = ir.FunctionType(LINE, [LINE, LINE, LINE, _I32])
        name = "llvm.x86.avx512.pternlog.q.512"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, [*bits, _I32(table)])


def _store(builder: Any, value: Any, place: Any) -> None:
    builder.store(value, place, align=8)


def _count_block(more: bool) -> Any:
    """Make the step that counts up to BLOCK rows, from zero or on top of what is there."""

    def typed(
        typingctx: Any,
        matrix: Any,
        places: Any,
        count: Any,
        planes: Any,
        width: Any,
        at: Any,
        carry: Any,
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            bits, offsets, rows, counters, pitch, word, overflow = args
            adder = Adder(context, builder)

            def plane(p: Any) -> Any:
                where = builder.add(builder.mul(p, pitch), word)
                return place_of(context, builder, signature.args[3], counters, where, LINE)

            start = context.make_array(signature.args[0])(context, builder, bits).data
            base = builder.gep(start, [word])
            starts = context.make_array(signature.args[1])(context, builder, offsets).data
            kept = [cgutils.alloca_once(builder, LINE) for _ in range(KEPT)]
            beyond = cgutils.alloca_once(builder, LINE)
            for p, counter in enumerate(kept):
                before = load(builder, plane(_I64(p)), 8) if more else ir.Constant(LINE, None)
                builder.store(before, counter)
            builder.store(ir.Constant(LINE, None), beyond)

            def add(first: Any, number: int) -> None:
                layer = []
                for j in range(number):
                    place = builder.load(builder.gep(starts, [builder.add(first, _I64(j))]))
                    row = builder.bitcast(builder.gep(base, [place]), LINE.as_pointer())
                    layer.append(load(builder, row, 8))
                used = number.bit_length() - 1
                sums, out = adder.tree(layer, [builder.load(x) for x in kept[:used]])
                for counter in kept[used:]:
                    value, out = adder.half(builder.load(counter), out)
                    sums.append(value)
                for counter, value in zip(kept, sums, strict=True):
                    builder.store(value, counter)
                if more:
                    builder.store(builder.or_(builder.load(beyond), out), beyond)

            # More than half a group is filled up with rows of zeros.
            groups = builder.lshr(builder.add(rows, _I64(GROUP // 2 - 1)), _I64(LOW))
            done = builder.shl(groups, _I64(LOW))
            with cgutils.for_range(builder, groups) as loop:
                add(builder.mul(loop.index, _I64(GROUP)), GROUP)
            left = builder.sub(rows, done)
            few = builder.icmp_unsigned("<=", builder.sub(left, _I64(1)), _I64(3))
            with builder.if_then(builder.icmp_signed(">", left, _I64(4))):
                add(done, 8)
            with builder.if_then(few):
                add(done, 4)
            for p, counter in enumerate(kept):
                _store(builder, builder.load(counter), plane(_I64(p)))
            if more:
                _store(builder, builder.load(beyond), plane(overflow))
            return context.get_dummy_value()

        i = types.intp
        return types.void(matrix, places, i, planes, i, i, i), codegen

    return intrinsic(typed)


def _count_16_rows(
    typingctx: Any,
    matrix: Any,
    places: Any,
    first: Any,
    planes: Any,
    width: Any,
    at: Any,
    carry: Any,
) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits, offsets, begin, counters, pitch, word, overflow = args

        def plane(p: Any) -> Any:
            where = builder.add(builder.mul(p, pitch), word)
            return place_of(context, builder, signature.args[3], counters, where, LINE)

        starts = context.make_array(signature.args[1])(context, builder, offsets).data
        layer = []
        for j in range(GROUP):
            start = builder.load(builder.gep(starts, [builder.add(begin, _I64(j))]))
            where = builder.add(start, word)
            row = place_of(context, builder, signature.args[0], bits, where, LINE)
            layer.append(load(builder, row, 8))
        totals = [load(builder, plane(_I64(p)), 8) for p in range(LOW)]
        sums, out = Adder(context, builder).tree(layer, totals)
        for p, value in enumerate(sums):
            _store(builder, value, plane(_I64(p)))
        _store(builder, out, plane(overflow))
        return context.get_dummy_value()

    i = types.intp
    return types.void(matrix, places, i, planes, i, i, i), codegen


def _carry_into(typingctx: Any, planes: Any, width: Any, at: Any, plane: Any, carry: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        counters, pitch, word, target, overflow = args

        def place(row: Any) -> Any:
            where = builder.add(builder.mul(row, pitch), word)
            return place_of(context, builder, signature.args[0], counters, where, LINE)

        total, out = load(builder, place(target), 8), load(builder, place(overflow), 8)
        total, out = Adder(context, builder).half(total, out)
        _store(builder, total, place(target))
        _store(builder, out, place(overflow))
        return context.get_dummy_value()

    i = types.intp
    return types.void(planes, i, i, i, i), codegen


count_block: Any = _count_block(more=False)
"""(matrix, places, count, planes, width, at, carry): count rows of a bit matrix from zero.

The rows start at the words `places` of `matrix`; behind the `count` <= BLOCK ones stand the places
of GROUP rows of zeros. `width` is the words of a plane; words at..at + 8 are handled. Planes 0 to
KEPT - 1 are overwritten. The counters stay in registers meanwhile. `carry` is not used.
"""

count_more: Any = _count_block(more=True)
"""The same on top of planes 0 to KEPT - 1; what overflows them is left in plane `carry`."""

count_16_rows: Any = intrinsic(_count_16_rows)
"""(matrix, places, first, planes, width, at, carry): add the 16 rows from places[first] on.

The low 4 planes change, the carry of weight 16 is left in plane `carry`.
"""

carry_into: Any = intrinsic(_carry_into)
"""(planes, width, at, plane, carry): add plane `carry` into `plane`; `carry` holds the overflow."""
