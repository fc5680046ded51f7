"""Long-lived arrays handed to compiled code as one array of words instead of one by one.

Every array among the arguments of a compiled call costs as much as ten lines of Python: a record of
fifty took longer than all that is done with one sample. `Held` writes down once where the arrays
lie and how long they are; compiled code reads that with what `unpacker` returns.

Addresses are as safe as the arrays themselves as long as two rules are kept. Who calls holds the
`Held` in a variable of its own until the call is over, so that no other thread can let the arrays
go meanwhile; and an array that is replaced needs a new `Held`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import typeof, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

I64 = npt.NDArray[np.int64]


class Held:
    """Keeps a record (a named tuple of arrays, numbers and such records) alive, as `words`."""

    def __init__(self, record: Any, prototype: Any) -> None:
        """`prototype`: a record of the same kind. Raises TypeError where they differ in types."""
        if typeof(record) != typeof(prototype):
            raise TypeError(f"{type(record).__name__}: found other types than its prototype has")
        self.record = record
        self.words: I64 = np.array([*_words(record)], np.int64)


def _words(value: Any) -> Iterator[int]:
    if isinstance(value, tuple):
        for part in value:
            yield from _words(part)
    elif isinstance(value, np.ndarray):
        yield value.ctypes.data
        yield from value.shape
    elif isinstance(value, float):
        yield int(np.float64(value).view(np.int64))
    else:
        yield int(value)


def unpacker(prototype: Any) -> Any:
    """Return a function for compiled code: the words of a `Held` in, the record out."""
    kind = typeof(prototype)

    def unpack(typingctx: Any, words: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            start = make_array(signature.args[0])(context, builder, args[0]).data
            return _Reader(context, builder, start).value(kind)

        return kind(words), codegen

    return intrinsic(unpack)


class _Reader:
    """Reads words one after the other, in LLVM's terms."""

    def __init__(self, context: Any, builder: Any, start: Any) -> None:
        self._context, self._builder, self._start, self._at = context, builder, start, 0

    def value(self, kind: Any) -> Any:
        if isinstance(kind, types.NamedTuple):
            parts = [self.value(part) for part in kind.types]
            return self._context.make_tuple(self._builder, kind, parts)
        if isinstance(kind, types.Array):
            return self._array(kind)
        word = self._word()
        if kind == types.boolean:
            return self._builder.icmp_signed("!=", word, word.type(0))
        if kind == types.float64:
            return self._builder.bitcast(word, ir.DoubleType())
        return word

    def _word(self) -> Any:
        place = self._builder.gep(self._start, [ir.Constant(ir.IntType(64), self._at)])
        self._at += 1
        return self._builder.load(place)

    def _array(self, kind: Any) -> Any:
        """Return an array in rows without gaps, which owns nothing."""
        made = make_array(kind)(self._context, self._builder)
        data = self._builder.inttoptr(self._word(), made.data.type)
        size = self._context.get_abi_sizeof(self._context.get_data_type(kind.dtype))
        shape = [self._word() for _ in range(kind.ndim)]
        strides: list[Any] = []
        step = ir.Constant(ir.IntType(64), size)
        for length in reversed(shape):
            strides.insert(0, step)
            step = self._builder.mul(step, length)
        item = ir.Constant(ir.IntType(64), size)
        populate_array(made, data, shape, strides, item, None)
        return made._getvalue()
