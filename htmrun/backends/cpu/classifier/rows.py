"""Sums of rows of weights, and additions to them, up to eight classes a step, in LLVM's terms.

The sum stays in registers while rows go by, so that a row costs one addition's latency and not a
store and a load besides. Each class adds its weights one by one in the order of the on-bits, as
the reference does. The last step ends where the row ends: classes that it shares with the one
before are added twice over, to the same sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from htmrun.backends.cpu.common.checks import ALONE


def _step_at(builder: Any, data: Any, at: Any, step: Any) -> Any:
    """Return where a step from element `at` of `data` on lies."""
    return builder.bitcast(builder.gep(data, [at]), step.as_pointer())


def _loaded(builder: Any, place: Any) -> Any:
    value = builder.load(place)
    value.align = 4
    return value


def _each_row(context: Any, builder: Any, kinds: Any, table: Any, on: Any) -> Iterator[Any]:
    """Yield, within a loop over the on-bits, a pointer to the row of each."""
    rows = context.make_array(kinds[0])(context, builder, table)
    bits = context.make_array(kinds[1])(context, builder, on)
    _, classes = cgutils.unpack_tuple(builder, rows.shape, 2)
    (count,) = cgutils.unpack_tuple(builder, bits.shape, 1)
    (stride,) = cgutils.unpack_tuple(builder, bits.strides, 1)  # They may be every other of others.
    with cgutils.for_range(builder, count) as loop:
        place = cgutils.pointer_add(builder, bits.data, builder.mul(loop.index, stride))
        bit = builder.sext(builder.load(place), classes.type)
        yield builder.gep(rows.data, [builder.mul(bit, classes)])


def _sum_steps(count: int, lanes: int) -> Callable[..., Any]:
    """Return the intrinsic that sums rows in `count` steps, each from a class of its own on."""
    step = ir.VectorType(ir.FloatType(), lanes)

    def summing(typingctx: Any, table: Any, on: Any, places: Any, out: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            target = context.make_array(signature.args[3])(context, builder, args[3])
            begins = cgutils.unpack_tuple(builder, args[2], count)
            sums = [cgutils.alloca_once_value(builder, ir.Constant(step, None)) for _ in begins]
            for row in _each_row(context, builder, signature.args, *args[:2]):
                for total, begin in zip(sums, begins, strict=True):
                    value = _loaded(builder, _step_at(builder, row, begin, step))
                    builder.store(builder.fadd(builder.load(total), value), total)
            for total, begin in zip(sums, begins, strict=True):
                place = _step_at(builder, target.data, begin, step)
                builder.store(builder.load(total), place).align = 4
            return context.get_dummy_value()

        return types.void(table, on, places, out), codegen

    return intrinsic(summing)


def _add_steps(count: int, lanes: int) -> Callable[..., Any]:
    """Return the intrinsic that adds the same to rows in `count` steps, read before any is written.

    So a class that two steps share is added once.
    """
    step = ir.VectorType(ir.FloatType(), lanes)

    def adding(typingctx: Any, table: Any, on: Any, places: Any, amounts: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            source = context.make_array(signature.args[3])(context, builder, args[3])
            begins = cgutils.unpack_tuple(builder, args[2], count)
            added = [_loaded(builder, _step_at(builder, source.data, b, step)) for b in begins]
            for row in _each_row(context, builder, signature.args, *args[:2]):
                steps = [_step_at(builder, row, begin, step) for begin in begins]
                before = [_loaded(builder, place) for place in steps]
                for place, value, more in zip(steps, before, added, strict=True):
                    builder.store(builder.fadd(value, more), place).align = 4
            return context.get_dummy_value()

        return types.void(table, on, places, amounts), codegen

    return intrinsic(adding)


def _in_steps(make: Callable[[int, int], Any]) -> Any:
    """Return what handles rows of 2 to 32 classes in the fewest steps that `make` makes."""
    four_eights, two_eights, two_fours, two_twos = (
        make(count, lanes) for count, lanes in ((4, 8), (2, 8), (2, 4), (2, 2))
    )

    # Part of its callers, which are kept: by itself it would be compiled for each process anew.
    @njit(**{**ALONE, "cache": False}, forceinline=True)
    def in_steps(table: Any, on: Any, begin: int, end: int, amounts: Any) -> None:
        if end - begin > 16:
            middle = min(begin + 16, end - 8)
            four_eights(table, on, (begin, begin + 8, middle, end - 8), amounts)
        elif end - begin >= 8:
            two_eights(table, on, (begin, end - 8), amounts)
        elif end - begin >= 4:
            two_fours(table, on, (begin, end - 4), amounts)
        else:
            two_twos(table, on, (begin, end - 2), amounts)

    return in_steps


_sum, _add = _in_steps(_sum_steps), _in_steps(_add_steps)
"""(table, on, begin, end, amounts): sum, or add to, the classes from `begin` to before `end`."""


@njit(**ALONE)
def sum_rows(weights: Any, on: Any, out: Any) -> None:
    """Write the sum of the rows `on` of `weights` (float32 (bits, classes)) to `out` (classes,)."""
    classes = out.shape[0]
    if classes == 1:
        out[0] = 0
        for i in range(on.shape[0]):
            out[0] += weights[on[i], 0]
        return
    begin = 0
    while classes - begin > 32:
        _sum(weights, on, begin, begin + 32, out)
        begin += 32
    # A rest of fewer than a step is shared with the step before.
    _sum(weights, on, max(min(begin, classes - 8), 0), classes, out)


@njit(**ALONE)
def add_to_rows(table: Any, on: Any, amounts: Any) -> None:
    """Add `amounts` (float32 (classes,)) to the rows `on`, none of them twice, of `table`."""
    classes = amounts.shape[0]
    if 1 < classes <= 32:
        _add(table, on, 0, classes, amounts)
        return
    for i in range(on.shape[0]):
        row = table[on[i]]
        for c in range(classes):
            row[c] += amounts[c]
