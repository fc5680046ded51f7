"""How many neighbours on a torus of 64 x 32 columns beat one of them, in LLVM's terms.

A neighbourhood lies in a few words in a row, if the end of the torus is followed by its start:
of the bit planes of overlaps only those are read.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from htmrun.backends.cpu.pooler.adders import Adder
from htmrun.backends.cpu.pooler.simd import LINE, WORDS, load, place_of, splat
from htmrun.backends.cpu.pooler.torus_counts import LINES

_I64 = ir.IntType(64)
NEAR = 2 * WORDS
"""Words that hold every row of a neighbourhood, whether or not the first begins a word."""


def _wrap_planes(typingctx: Any, planes: Any, used: Any, out: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, count, target = args
        kinds = signature.args
        with cgutils.for_range(builder, count) as loop:
            from_, to = (
                builder.mul(loop.index, _I64(words))
                for words in (LINES * WORDS, LINES * WORDS + NEAR)
            )
            for line in range(LINES):
                at = builder.add(from_, _I64(WORDS * line))
                value = load(builder, place_of(context, builder, kinds[0], source, at, LINE), 8)
                for there in range(line, LINES + NEAR // WORDS, LINES):
                    at = builder.add(to, _I64(WORDS * there))
                    place = place_of(context, builder, kinds[2], target, at, LINE)
                    builder.store(value, place, align=8)
        return context.get_dummy_value()

    return types.void(planes, types.intp, out), codegen


def _better_near(
    typingctx: Any, planes: Any, used: Any, column: Any, first: Any, masks: Any, row: Any
) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds = signature.args
        source, count, own, start, near, at = args
        adder = Adder(context, builder)
        pitch = _I64(LINES * WORDS + NEAR)
        word, place = builder.lshr(own, _I64(6)), builder.and_(own, _I64(63))
        parts = range(NEAR // WORDS)

        def line_of(number: int, part: int) -> Any:
            where = builder.add(builder.mul(at, _I64(2 * NEAR)), _I64(number * NEAR + part * WORDS))
            return load(builder, place_of(context, builder, kinds[4], near, where, LINE), 8)

        better = [cgutils.alloca_once(builder, LINE) for _ in parts]
        for k in parts:
            builder.store(line_of(1, k), better[k])
        begin = context.make_array(kinds[0])(context, builder, source).data
        with cgutils.for_range(builder, count) as loop:
            plane = builder.mul(loop.index, pitch)
            value = builder.load(builder.gep(begin, [builder.add(plane, word)]))
            value = builder.and_(builder.lshr(value, place), _I64(1))
            zero = splat(builder, builder.sub(value, _I64(1)), LINE)
            for k in parts:
                where = builder.add(plane, builder.add(start, _I64(k * WORDS)))
                there = load(builder, place_of(context, builder, kinds[0], source, where, LINE), 8)
                _, carry = adder.full(there, zero, builder.load(better[k]))
                builder.store(carry, better[k])
        total = ir.Constant(LINE, None)
        for k in parts:
            found = builder.and_(builder.load(better[k]), line_of(0, k))
            ones = _call(builder, "llvm.ctpop.v8i64", LINE, found)
            total = builder.add(total, ones)
        return _call(builder, "llvm.vector.reduce.add.v8i64", _I64, total)

    i = types.intp
    return types.int64(planes, i, i, i, masks, i), codegen


def _call(builder: Any, name: str, kind: Any, value: Any) -> Any:
    declared = ir.FunctionType(kind, [LINE])
    return builder.call(cgutils.get_or_insert_function(builder.module, declared, name), [value])


wrap_planes: Any = intrinsic(_wrap_planes)
"""(planes, used, out): copy the lowest planes, each continued with its first NEAR words."""

better_near: Any = intrinsic(_better_near)
"""(planes, used, column, first, masks, row): how many neighbours of `column` beat it.

More overlap does, and as much at a lower index. Overlaps are in the lowest `used` planes, as
`wrap_planes` leaves them. From word `first` on, masks[row] are the
neighbours, and behind that those of a lower index.
"""
