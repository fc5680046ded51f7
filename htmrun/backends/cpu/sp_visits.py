"""Visits of local inhibition with all counters in registers, in LLVM's terms.

Each visit depends on the one before. Through memory that takes several times as long as the few
operations it needs, so where LINES lines hold all columns and PLANES planes every count, they
are loaded once for many visits.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from htmrun.backends.cpu.sp_lanes import LINE, WORDS, load, place_of

_I64 = ir.IntType(64)
LINES = 4
"""Lines that hold all columns: 2048 of them at most."""
PLANES = 4
"""Planes of counters: fewer than 16 winners around each column."""


def _splat(builder: Any, word: Any) -> Any:
    one = builder.insert_element(ir.Constant(LINE, ir.Undefined), word, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WORDS), None)
    return builder.shuffle_vector(one, ir.Constant(LINE, ir.Undefined), zeros)


def _visit_near(
    typingctx: Any, rows: Any, columns: Any, first: Any, last: Any, counters: Any, alive: Any,
    selected: Any,
) -> Any:  # fmt: skip
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds = signature.args

        def kept(number: int, words: int) -> list[tuple[Any, Any]]:
            """Return pairs of a place in memory and one in a register, which is filled."""
            pairs = []
            for line in range(words // WORDS):
                at = _I64(WORDS * line)
                place = place_of(context, builder, kinds[number], args[number], at, LINE)
                register = cgutils.alloca_once(builder, LINE)
                builder.store(load(builder, place, 8), register)
                pairs.append((place, register))
            return pairs

        wide = LINES * WORDS
        counts, living, chosen = kept(4, PLANES * wide), kept(5, wide), kept(6, wide)
        start = context.make_array(kinds[1])(context, builder, args[1]).data
        with cgutils.for_range_slice(builder, args[2], args[3], _I64(1), inc=True) as (j, _):
            column = builder.sext(builder.load(builder.gep(start, [j])), _I64)
            bit = builder.shl(_I64(1), builder.and_(column, _I64(63)))
            bit, word = _splat(builder, bit), _splat(builder, builder.lshr(column, _I64(6)))
            for line in range(LINES):
                at = builder.add(builder.mul(column, _I64(wide)), _I64(WORDS * line))
                out = load(builder, place_of(context, builder, kinds[0], args[0], at, LINE), 8)
                numbers = ir.Constant(LINE, [WORDS * line + k for k in range(WORDS)])
                here = builder.select(
                    builder.icmp_unsigned("==", word, numbers), bit, ir.Constant(LINE, None)
                )
                left, won = (builder.load(x[line][1]) for x in (living, chosen))
                won = builder.or_(won, builder.and_(left, here))
                builder.store(won, chosen[line][1])
                for plane in range(PLANES):
                    register = counts[plane * LINES + line][1]
                    count = builder.load(register)
                    builder.store(builder.xor(count, out), register)
                    out = builder.and_(count, out)
                builder.store(builder.and_(left, builder.not_(out)), living[line][1])
        for place, register in counts + living + chosen:
            builder.store(builder.load(register), place, align=8)
        return context.get_dummy_value()

    i = types.intp
    return types.void(rows, columns, i, i, counters, alive, selected), codegen


visit_near: Any = intrinsic(_visit_near)
"""(rows, columns, first, last, counters, alive, selected): visit columns[first:last] in order.

rows[c], LINES lines, are the neighbours of column c, itself included. A column that is alive is
selected; then its neighbours' counters, PLANES planes of LINES lines, go up by 1, and those that
overflow are no longer alive.
"""
