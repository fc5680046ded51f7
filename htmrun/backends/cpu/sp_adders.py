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

from htmrun.backends.cpu.sp_lanes import LINE, load, place_of

_I64 = ir.IntType(64)
GROUP = 16
"""Rows of one tree."""
LOW = 4
"""Planes below the weight of a whole group."""
BLOCK = 15 * GROUP
"""Rows whose groups can be counted in LOW planes."""


def _full_add(builder: Any, a: Any, b: Any, c: Any) -> tuple[Any, Any]:
    """Return (sum, carry) of three bits per position."""
    carry = builder.or_(builder.and_(a, b), builder.and_(builder.or_(a, b), c))
    return builder.xor(builder.xor(a, b), c), carry


def _store(builder: Any, value: Any, place: Any) -> None:
    builder.store(value, place, align=8)


def _half_add(builder: Any, a: Any, b: Any) -> tuple[Any, Any]:
    return builder.xor(a, b), builder.and_(a, b)


def _tree(builder: Any, layer: list[Any], totals: list[Any]) -> tuple[list[Any], Any]:
    """Add 2**k rows to k planes of counters; return the planes and what overflows them."""
    planes = []
    for total in totals:
        carries = []
        for a, b in zip(layer[::2], layer[1::2], strict=True):
            total, out = _full_add(builder, total, a, b)
            carries.append(out)
        planes.append(total)
        layer = carries
    return planes, layer[0]


def _count_groups(
    typingctx: Any,
    matrix: Any,
    places: Any,
    groups: Any,
    planes: Any,
    width: Any,
    at: Any,
    carry: Any,
) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits, offsets, count, counters, pitch, word, overflow = args

        def plane(p: Any) -> Any:
            where = builder.add(builder.mul(p, pitch), word)
            return place_of(context, builder, signature.args[3], counters, where, LINE)

        rows = builder.gep(
            context.make_array(signature.args[0])(context, builder, bits).data, [word]
        )
        starts = context.make_array(signature.args[1])(context, builder, offsets).data
        low = [cgutils.alloca_once(builder, LINE) for _ in range(LOW)]
        high = [cgutils.alloca_once(builder, LINE) for _ in range(LOW)]
        for p, counter in enumerate(low):
            builder.store(load(builder, plane(_I64(p)), 8), counter)
        for counter in high:
            builder.store(ir.Constant(LINE, None), counter)
        with cgutils.for_range(builder, count) as loop:
            first = builder.mul(loop.index, _I64(GROUP))
            layer = []
            for j in range(GROUP):
                start = builder.load(builder.gep(starts, [builder.add(first, _I64(j))]))
                row = builder.bitcast(builder.gep(rows, [start]), LINE.as_pointer())
                layer.append(load(builder, row, 8))
            sums, out = _tree(builder, layer, [builder.load(x) for x in low])
            for counter, value in zip(low, sums, strict=True):
                builder.store(value, counter)
            for counter in high:
                value, out = _half_add(builder, builder.load(counter), out)
                builder.store(value, counter)
        for p, counter in enumerate(low):
            _store(builder, builder.load(counter), plane(_I64(p)))
        out = ir.Constant(LINE, None)
        for p, counter in enumerate(high):
            before = load(builder, plane(_I64(LOW + p)), 8)
            value, out = _full_add(builder, before, builder.load(counter), out)
            _store(builder, value, plane(_I64(LOW + p)))
        _store(builder, out, plane(overflow))
        return context.get_dummy_value()

    i = types.intp
    return types.void(matrix, places, i, planes, i, i, i), codegen


def _count_rows(rows: int) -> Any:
    """Make the step that adds `rows` (4, 8 or 16) rows of a bit matrix to bit-sliced counters.

    What overflows goes to the plane `carry`, to be added by `carry_into`.
    """

    def typed(
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
            for j in range(rows):
                start = builder.load(builder.gep(starts, [builder.add(begin, _I64(j))]))
                where = builder.add(start, word)
                row = place_of(context, builder, signature.args[0], bits, where, LINE)
                layer.append(load(builder, row, 8))
            used = rows.bit_length() - 1
            totals = [load(builder, plane(_I64(p)), 8) for p in range(used)]
            sums, out = _tree(builder, layer, totals)
            for p, value in enumerate(sums):
                _store(builder, value, plane(_I64(p)))
            _store(builder, out, plane(overflow))
            return context.get_dummy_value()

        i = types.intp
        return types.void(matrix, places, i, planes, i, i, i), codegen

    return intrinsic(typed)


def _carry_into(typingctx: Any, planes: Any, width: Any, at: Any, plane: Any, carry: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        counters, pitch, word, target, overflow = args

        def place(row: Any) -> Any:
            where = builder.add(builder.mul(row, pitch), word)
            return place_of(context, builder, signature.args[0], counters, where, LINE)

        total, out = load(builder, place(target), 8), load(builder, place(overflow), 8)
        total, out = _half_add(builder, total, out)
        _store(builder, total, place(target))
        _store(builder, out, place(overflow))
        return context.get_dummy_value()

    i = types.intp
    return types.void(planes, i, i, i, i), codegen


count_groups: Any = intrinsic(_count_groups)
"""(matrix, places, groups, planes, width, at, carry): add `groups` groups of 16 rows to counters.

Rows start at the words `places` of `matrix`; there are at most BLOCK of them. `width` is the words
of a plane; words at..at + 8 are handled. Planes 0 to 7 change, what overflows them, of weight 256,
is left in plane `carry`. The counters stay in registers meanwhile.
"""

count_16_rows: Any = _count_rows(16)
"""(matrix, places, first, planes, width, at, carry): add the 16 rows from places[first] on.

The low 4 planes change, the carry of weight 16 is left in plane `carry`.
"""

count_8_rows: Any = _count_rows(8)
"""The same for 8 rows: the low 3 planes change, the carry has weight 8."""

count_4_rows: Any = _count_rows(4)
"""The same for 4 rows: the low 2 planes change, the carry has weight 4."""

carry_into: Any = intrinsic(_carry_into)
"""(planes, width, at, plane, carry): add plane `carry` into `plane`; `carry` holds the overflow."""
