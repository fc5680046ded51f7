"""Sums of rows of weights, up to eight classes a step, in LLVM's terms.

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


_four_eights: Any = _sum_steps(4, 8)
_two_eights: Any = _sum_steps(2, 8)
_eight: Any = _sum_steps(1, 8)
_two_fours: Any = _sum_steps(2, 4)
_four: Any = _sum_steps(1, 4)
_two_twos: Any = _sum_steps(2, 2)
_two: Any = _sum_steps(1, 2)
_one: Any = _sum_steps(1, 1)
_add_four_eights: Any = _add_steps(4, 8)
_add_two_eights: Any = _add_steps(2, 8)
_add_two_fours: Any = _add_steps(2, 4)
_add_two_twos: Any = _add_steps(2, 2)


@njit(**ALONE)
def sum_rows(weights: Any, on: Any, out: Any) -> None:
    """Write the sum of the rows `on` of `weights` (float32 (bits, classes)) to `out` (classes,)."""
    classes = out.shape[0]
    if classes >= 8:
        last, c = classes - 8, 0
        while c + 16 < classes:
            _four_eights(weights, on, (c, c + 8, min(c + 16, last), min(c + 24, last)), out)
            c += 32
        if c + 8 < classes:
            _two_eights(weights, on, (c, min(c + 8, last)), out)
        elif c < classes:
            _eight(weights, on, (min(c, last),), out)
    elif classes > 4:
        _two_fours(weights, on, (0, classes - 4), out)
    elif classes == 4:
        _four(weights, on, (0,), out)
    elif classes == 3:
        _two_twos(weights, on, (0, 1), out)
    elif classes == 2:
        _two(weights, on, (0,), out)
    else:
        _one(weights, on, (0,), out)


@njit(**ALONE)
def add_to_rows(table: Any, on: Any, amounts: Any) -> None:
    """Add `amounts` (float32 (classes,)) to the rows `on`, none of them twice, of `table`."""
    classes = amounts.shape[0]
    if classes > 32 or classes == 1:
        for i in range(on.shape[0]):
            row = table[on[i]]
            for c in range(classes):
                row[c] += amounts[c]
    elif classes > 16:
        last = classes - 8
        _add_four_eights(table, on, (0, 8, min(16, last), last), amounts)
    elif classes >= 8:
        _add_two_eights(table, on, (0, classes - 8), amounts)
    elif classes >= 4:
        _add_two_fours(table, on, (0, classes - 4), amounts)
    else:
        _add_two_twos(table, on, (0, classes - 2), amounts)
