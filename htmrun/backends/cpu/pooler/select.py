"""Radix selection on bit planes, in LLVM's terms: two planes, a digit of base 4, at a time.

How many candidates reach each digit decides which digit the k-th best has, and only then can the
next one be looked at: the steps wait for each other, so there should be few of them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from htmrun.backends.cpu.pooler.simd import LINE, WORDS, load, place_of

_I64 = ir.IntType(64)


class _Lines:
    """Access to arrays of words, a line at a time."""

    def __init__(self, context: Any, builder: Any, signature: Any) -> None:
        self.context, self.builder, self.kinds = context, builder, signature.args

    def place(self, number: int, array: Any, at: Any) -> Any:
        """Return a pointer to the line from word `at` of argument `number` on."""
        return place_of(self.context, self.builder, self.kinds[number], array, at, LINE)

    def load(self, number: int, array: Any, at: Any) -> Any:
        return load(self.builder, self.place(number, array, at), 8)

    def store(self, number: int, array: Any, at: Any, value: Any) -> None:
        self.builder.store(value, self.place(number, array, at), align=8)


def _reach(lines: _Lines, planes: Any, pitch: Any, digit: Any, at: Any, among: Any) -> list[Any]:
    """Return which of `among` have at least 1, 2 and 3 in planes digit + 1 and digit."""
    builder = lines.builder
    low = lines.load(0, planes, builder.add(builder.mul(digit, pitch), at))
    high = builder.add(builder.mul(builder.add(digit, _I64(1)), pitch), at)
    two = builder.and_(among, lines.load(0, planes, high))
    three = builder.and_(two, low)
    return [builder.or_(two, builder.and_(among, low)), two, three]


class _Counts:
    """Three sums of ones over lines."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self._sums = [cgutils.alloca_once(builder, LINE) for _ in range(3)]
        for total in self._sums:
            builder.store(ir.Constant(LINE, None), total)

    def add(self, masks: list[Any]) -> None:
        for total, mask in zip(self._sums, masks, strict=True):
            ones = self._call("llvm.ctpop.v8i64", LINE, mask)
            self.builder.store(self.builder.add(self.builder.load(total), ones), total)

    def result(self, context: Any, kind: Any) -> Any:
        sums = [
            self._call("llvm.vector.reduce.add.v8i64", _I64, self.builder.load(x))
            for x in self._sums
        ]
        return context.make_tuple(self.builder, kind, sums)

    def _call(self, name: str, kind: Any, value: Any) -> Any:
        declared = ir.FunctionType(kind, [LINE])
        function = cgutils.get_or_insert_function(self.builder.module, declared, name)
        return self.builder.call(function, [value])


def _each_line(builder: Any, words: Any) -> Any:
    return cgutils.for_range_slice(builder, _I64(0), words, _I64(WORDS), inc=True)


def _first_digit(typingctx: Any, planes: Any, width: Any, digit: Any, c: Any, s: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, pitch, low, candidates, selected = args
        lines, counts = _Lines(context, builder, signature), _Counts(builder)
        every = ir.Constant(LINE, [-1] * 8)
        with _each_line(builder, pitch) as (at, _):
            lines.store(3, candidates, at, every)
            lines.store(4, selected, at, ir.Constant(LINE, None))
            counts.add(_reach(lines, source, pitch, low, at, every))
        return counts.result(context, signature.return_type)

    i = types.intp
    return types.UniTuple(types.int64, 3)(planes, i, i, c, s), codegen


def _splat(builder: Any, word: Any) -> Any:
    one = builder.insert_element(ir.Constant(LINE, ir.Undefined), word, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), 8), None)
    return builder.shuffle_vector(one, ir.Constant(LINE, ir.Undefined), zeros)


def _settle_digit(
    typingctx: Any, planes: Any, width: Any, digit: Any, high: Any, low: Any, c: Any, s: Any
) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, pitch, place, above_high, above_low, candidates, selected = args
        lines, counts = _Lines(context, builder, signature), _Counts(builder)
        takes = [_splat(builder, above_high), _splat(builder, above_low)]
        following = builder.sub(place, _I64(2))
        last = builder.icmp_signed("<", following, _I64(0))
        following = builder.select(last, _I64(0), following)
        with _each_line(builder, pitch) as (at, _):
            left, taken = lines.load(5, candidates, at), lines.load(6, selected, at)
            for step, take in zip((1, 0), takes, strict=True):
                row = builder.mul(builder.add(place, _I64(step)), pitch)
                here = builder.and_(left, lines.load(0, source, builder.add(row, at)))
                # Those with this bit are in and the others go on, or the others are out.
                taken = builder.or_(taken, builder.and_(here, take))
                left = builder.xor(here, builder.and_(left, take))
            lines.store(5, candidates, at, left)
            lines.store(6, selected, at, taken)
            counts.add(_reach(lines, source, pitch, following, at, left))
        return counts.result(context, signature.return_type)

    i, word = types.intp, types.uint64
    return types.UniTuple(types.int64, 3)(planes, i, i, word, word, c, s), codegen


first_digit: Any = intrinsic(_first_digit)
"""(planes, width, digit, candidates, selected): all become candidates, none is selected.

Returns how many columns have at least 1, 2 and 3 in planes digit + 1 and digit.
"""

settle_digit: Any = intrinsic(_settle_digit)
"""(planes, width, digit, above_high, above_low, candidates, selected): what a digit decides.

Where `above_high` is all ones, candidates with a one in plane digit + 1 are selected and those
with a zero go on; where it is 0, those with a one go on and the others are out. Then the same for
`above_low` and plane digit. Returns how many candidates that are left have at least 1, 2 and 3
in the two planes below.
"""
