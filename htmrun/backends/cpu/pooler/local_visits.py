"""Visits of local inhibition, four columns at a time, with all counters in registers.

Where LINES lines hold all columns and a few planes every count, they are loaded once for many
visits. Adding four columns' neighbourhoods at once takes as many additions as two of them one by
one would. What is lost is the order of the four; `history` tells the few that it decides about.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from htmrun.backends.cpu.pooler.adders import Adder
from htmrun.backends.cpu.pooler.simd import LINE, WORDS, load, place_of

_I64 = ir.IntType(64)
LINES = 4
"""Lines that hold all columns: 2048 of them at most."""
PLANES = (3, 4)
"""Planes of counters: fewer than 8 or 16 winners around each column."""
TOGETHER = 4
"""Columns that are visited at a time."""
VISITS = 32
"""Visits that are remembered; after so many, winners are told and the end is looked for."""


def _add(adder: Adder, rows: list[Any], counts: list[Any]) -> tuple[list[Any], Any]:
    """Add four rows to planes of counters; return the planes and where they overflow."""
    a, b, c, d = rows
    one, two = adder.full(a, b, c)
    low, more = adder.full(one, d, counts[0])
    middle, out = adder.full(two, more, counts[1])
    planes = [low, middle]
    for count in counts[2:]:
        value, out = adder.half(count, out)
        planes.append(value)
    return planes, out


def _visits(planes: int) -> Any:
    """Make the step for counters of so many planes."""

    def typed(
        typingctx: Any, rows: Any, columns: Any, first: Any, last: Any, counters: Any, alive: Any,
        history: Any,
    ) -> Any:  # fmt: skip
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kinds = signature.args
            adder = Adder(context, builder)

            def line_of(number: int, word: Any) -> Any:
                return place_of(context, builder, kinds[number], args[number], word, LINE)

            def kept(number: int, lines: int) -> list[tuple[Any, Any]]:
                """Return pairs of a place in memory and one in a register, which is filled."""
                pairs = []
                for line in range(lines):
                    place = line_of(number, _I64(WORDS * line))
                    register = cgutils.alloca_once(builder, LINE)
                    builder.store(load(builder, place, 8), register)
                    pairs.append((place, register))
                return pairs

            wide = LINES * WORDS
            counts, living = kept(4, planes * LINES), kept(5, LINES)
            start = context.make_array(kinds[1])(context, builder, args[1]).data
            step = _I64(TOGETHER)
            with cgutils.for_range_slice(builder, args[2], args[3], step, inc=True) as (j, number):
                starts = []
                for k in range(TOGETHER):
                    item = builder.load(builder.gep(start, [builder.add(j, _I64(k))]))
                    column = builder.and_(item, _I64(0xFFFFFFFF))
                    starts.append(builder.mul(column, _I64(wide)))
                before = builder.mul(number, _I64(wide))
                for line in range(LINES):
                    places = [line_of(0, builder.add(x, _I64(WORDS * line))) for x in starts]
                    found = [load(builder, place, 8) for place in places]
                    registers = [counts[p * LINES + line][1] for p in range(planes)]
                    sums, out = _add(adder, found, [builder.load(x) for x in registers])
                    for value, register in zip(sums, registers, strict=True):
                        builder.store(value, register)
                    left = builder.load(living[line][1])
                    place = line_of(6, builder.add(before, _I64(WORDS * line)))
                    builder.store(left, place, align=8)
                    builder.store(builder.and_(left, builder.not_(out)), living[line][1])
            for place, register in counts + living:
                builder.store(builder.load(register), place, align=8)
            return context.get_dummy_value()

        i = types.intp
        return types.void(rows, columns, i, i, counters, alive, history), codegen

    return intrinsic(typed)


visit_3_planes: Any = _visits(3)
"""(rows, columns, first, last, counters, alive, history): visit columns[first:last], by fours.

The low halves of `columns`, uint64, are columns; rows[c], LINES lines, are the neighbours of c.
What is alive before each four goes to the next row of `history`; then their neighbours' counters, 3
planes of LINES lines, go up by 1 for each, and those that overflow are no longer alive. The last
four may reach beyond `last`.
"""

visit_4_planes: Any = _visits(4)
"""The same with counters of 4 planes."""
