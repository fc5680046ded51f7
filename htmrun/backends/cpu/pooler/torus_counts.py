"""Counts over all neighbourhoods of a torus of 64 x 32 columns, in LLVM's terms.

A row of the torus is a lane of 32 bits, and all 64 rows fill LINES lines: shifting along a row is
a rotation of lanes, shifting across rows a shuffle of them. So 2048 neighbourhoods are counted at
once, by adding up bit planes of counts over twice as many places with each addition.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from htmrun.backends.cpu.pooler.adders import Adder
from htmrun.backends.cpu.pooler.simd import LINE, WORDS, load, place_of, splat

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_ROWS = ir.VectorType(_I32, 16)
ROWS, ROW = 64, 32
"""Rows of the torus and columns of a row."""
LINES = ROWS * ROW // (64 * WORDS)
REACH = 15
"""The largest radius: up to it no row or column of a neighbourhood comes twice."""
_PLANES = 3
MOST = (1 << _PLANES) - 2
"""The most winners around a column that counters of so many planes tell from more of them."""

Counts = list[list[Any]]
"""Lines of planes, lowest first; the one behind the _PLANES others says that there are more."""


class _Torus:
    """Counts of columns, and what they add up to along rows and across."""

    def __init__(self, context: Any, builder: Any) -> None:
        self.builder, self.adder = builder, Adder(context, builder)

    def along(self, counts: Counts, k: int) -> Counts:
        """Return the counts `k` columns further along each row."""
        amount = ir.Constant(_ROWS, [k] * 16)
        return [[self.rotated("fshr", x, amount) for x in planes] for planes in counts]

    def rotated(self, name: str, line: Any, amount: Any) -> Any:
        kind = ir.FunctionType(_ROWS, [_ROWS] * 3)
        f = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}.v16i32")
        rows = self.builder.bitcast(line, _ROWS)
        return self.builder.bitcast(self.builder.call(f, [rows, rows, amount]), LINE)

    def across(self, counts: Counts, k: int) -> Counts:
        """Return the counts `k` <= 16 rows further on."""
        following = counts[1:] + counts[:1]
        if k == 16:
            return following
        return [
            [self._shuffled(a, b, k) for a, b in zip(here, there, strict=True)]
            for here, there in zip(counts, following, strict=True)
        ]

    def _shuffled(self, a: Any, b: Any, k: int) -> Any:
        lanes = ir.Constant(ir.VectorType(_I32, 16), list(range(k, k + 16)))
        rows = (self.builder.bitcast(x, _ROWS) for x in (a, b))
        return self.builder.bitcast(self.builder.shuffle_vector(*rows, lanes), LINE)

    def added(self, a: Counts, b: Counts) -> Counts:
        return [self._added(x, y) for x, y in zip(a, b, strict=True)]

    def _added(self, a: list[Any], b: list[Any]) -> list[Any]:
        """Add planes of counts; one plane more than both have, _PLANES + 1 at most."""
        if len(a) < len(b):
            a, b = b, a
        out, planes = None, []
        for p, plane in enumerate(a[:_PLANES]):
            bits = [plane, *b[p : p + 1], *([] if out is None else [out])]
            if len(bits) == 1:
                planes.append(plane)
                out = None
                continue
            total, out = (self.adder.half if len(bits) == 2 else self.adder.full)(*bits)
            planes.append(total)
        beyond = [x[_PLANES] for x in (a, b) if len(x) > _PLANES] + ([] if out is None else [out])
        for x in beyond[1:]:
            beyond[0] = self.builder.or_(beyond[0], x)
        return planes + beyond[:1]

    def summed(self, counts: Counts, length: Any, moved: Callable[[Counts, int], Counts]) -> Counts:
        """Return the sums over `length` < 32 places from each on; `length` is odd."""
        builder = self.builder
        none = ir.Constant(LINE, None)
        kept = [[cgutils.alloca_once(builder, LINE) for _ in range(_PLANES + 1)] for _ in counts]

        def keep(values: Counts) -> None:
            for places, planes in zip(kept, values, strict=True):
                for p, place in enumerate(places):
                    builder.store(planes[p] if p < len(planes) else none, place)

        keep(counts)
        doubled, known = counts, len(counts[0])
        with ExitStack() as stack:
            for i in range(1, 5):
                left = builder.lshr(length, _I64(i))
                stack.enter_context(builder.if_then(builder.icmp_unsigned(">", left, _I64(0))))
                doubled = self.added(doubled, moved(doubled, 1 << (i - 1)))
                odd = builder.trunc(left, ir.IntType(1))
                with builder.if_then(odd):
                    before = [[builder.load(x) for x in places[:known]] for places in kept]
                    total = self.added(doubled, moved(before, 1 << i))
                    keep(total)
                known = len(total[0])
        return [[builder.load(x) for x in places] for places in kept]

    def fewer(self, counts: list[Any], bound: Any) -> Any:
        """Return where counts are less than `bound` < 2**_PLANES."""
        builder = self.builder
        reached = ir.Constant(LINE, [-1] * WORDS)
        for p, plane in enumerate(counts[:_PLANES]):
            bit = builder.and_(builder.lshr(bound, _I64(p)), _I64(1))
            zero = splat(builder, builder.sub(bit, _I64(1)), LINE)
            _, reached = self.adder.full(plane, zero, reached)
        return builder.not_(builder.or_(reached, counts[_PLANES]))


def _count_near(
    typingctx: Any, chosen: Any, radius: Any, places: Any, within: Any, below: Any
) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, reach, most, *_ = args
        torus = _Torus(context, builder)
        # Behind the last line once more, so that rows `reach` before each are there.
        size = LINES + 1
        room = cgutils.alloca_once(builder, ir.ArrayType(LINE, size))
        for line in range(LINES):
            place = place_of(context, builder, signature.args[0], source, _I64(WORDS * line), LINE)
            value = load(builder, place, 8)
            for at in (line + 1, 0) if line == LINES - 1 else (line + 1,):
                builder.store(value, builder.gep(room, [_I64(0), _I64(at)]))
        start = builder.bitcast(room, _I32.as_pointer())
        amount = splat(builder, builder.trunc(reach, _I32), _ROWS)
        counts = []
        for line in range(LINES):
            at = builder.sub(_I64(16 * (line + 1)), reach)
            value = load(builder, builder.bitcast(builder.gep(start, [at]), LINE.as_pointer()), 4)
            counts.append([torus.rotated("fshl", value, amount)])
        length = builder.add(builder.shl(reach, _I64(1)), _I64(1))
        # Across first, while there are few planes; along a row, each line is on its own.
        counts = torus.summed(counts, length, torus.across)
        for line, planes in enumerate(counts):
            total = torus.summed([planes], length, torus.along)[0]
            for number, bound in ((3, builder.add(most, _I64(1))), (4, most)):
                place = place_of(
                    context, builder, signature.args[number], args[number], _I64(WORDS * line), LINE
                )
                builder.store(torus.fewer(total, bound), place, align=8)
        return context.get_dummy_value()

    i = types.intp
    return types.void(chosen, i, i, within, below), codegen


count_near: Any = intrinsic(_count_near)
"""(chosen, radius, places, within, below): count the chosen columns of every neighbourhood.

Leaves in `within` where there are at most `places` <= MOST of them, the column itself included,
and in `below` where there are fewer. `radius` <= REACH.
"""
