"""Nests of named tuples as one array of numbers, for calls that are made sample by sample.

numba takes a named tuple apart at every call, array by array: half a hundred of them cost as
much as a sample. A table has a row for each array (where it lies, its lengths) or number, in the
order of the fields, and the compiled code makes the same named tuples from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import typeof, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

Table = npt.NDArray[np.int64]
_WIDTH = 3  # of a row: address and two lengths, or a number


class Layout:
    """The fields of a nest of named tuples: contiguous arrays of one or two dimensions, integers.

    `example` has the types that all of them have.
    """

    def __init__(self, example: Any) -> None:
        self._kinds = [_kind(part) for part in _leaves(example)]
        self.unpack = _unpacker(example)
        """For compiled code: of a table, the named tuple that it was made of."""

    def table(self, nest: Any) -> Table:
        """Return the table of `nest`, (rows, 3) int64; right for as long as its arrays live.

        TypeError if a field is of another type than that of the example.
        """
        parts = list(_leaves(nest))
        if [_kind(part) for part in parts] != self._kinds:
            raise TypeError(f"found fields of other types in {type(nest).__name__}")
        return np.array([_row(part) for part in parts], np.uint64).view(np.int64)


def _leaves(part: Any) -> Iterator[Any]:
    if isinstance(part, tuple):
        for field in part:
            yield from _leaves(field)
    else:
        yield part


def _kind(part: Any) -> Any:
    """Return what tells the types of compiled code apart."""
    return (part.dtype, part.ndim, part.flags.carray) if isinstance(part, np.ndarray) else int


def _row(part: Any) -> tuple[int, int, int]:
    if not isinstance(part, np.ndarray):
        return int(part) % 2**64, 0, 0
    return part.ctypes.data, len(part), part.shape[1] if part.ndim > 1 else 0


def _unpacker(example: Any) -> Any:
    def unpack(typingctx: Any, table: Any) -> Any:
        kind = typeof(example)

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            start = context.make_array(table)(context, builder, args[0]).data
            return _made(context, builder, kind, _words(builder, start))

        return kind(table), codegen

    return intrinsic(unpack)


def _words(builder: Any, start: Any) -> Iterator[list[Any]]:
    """Yield the words of one row after the other."""
    for row in count():
        places = range(row * _WIDTH, (row + 1) * _WIDTH)
        yield [builder.load(cgutils.gep_inbounds(builder, start, at)) for at in places]


def _made(context: Any, builder: Any, kind: Any, words: Iterator[list[Any]]) -> Any:
    if isinstance(kind, types.BaseTuple):
        parts = [_made(context, builder, field, words) for field in kind]
        return context.make_tuple(builder, kind, parts)
    first, *lengths = next(words)
    if not isinstance(kind, types.Array):
        return first  # integers have 64 bits
    array = context.make_array(kind)(context, builder)
    item = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    shape = lengths[: kind.ndim]
    strides = [first.type(item)]
    for length in shape[:0:-1]:
        strides.insert(0, builder.mul(strides[0], length))
    populate_array(
        array,
        data=builder.inttoptr(first, array.data.type),
        shape=shape,
        strides=strides,
        itemsize=first.type(item),
        meminfo=None,
    )
    return array._getvalue()
