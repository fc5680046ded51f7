"""Nests of named tuples as one array of words, for calls that are made sample by sample.

numba takes a named tuple apart at every call, array by array: half a hundred of them cost as
much as a sample. A table has a row for each array (where it lies, its lengths) or number, in the
order of the fields, and the compiled code makes the same named tuples from it.

Addresses are as safe as the arrays themselves as long as two rules are kept. Who calls holds the
`Packed` in a variable of its own until the call is over, so that no other thread can let the
arrays go meanwhile; and an array that is replaced needs a new table, copies of models included.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import typeof, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

_DIMENSIONS = 3
_WIDTH = 1 + _DIMENSIONS  # of a row: address and lengths, or a number


class Layout:
    """The fields of a nest of named tuples: contiguous arrays of up to three dimensions, numbers.

    `example` has the types that all of them have.
    """

    def __init__(self, example: Any) -> None:
        self._kinds = [_kind(part) for part in _leaves(example)]
        self.unpack = _unpacker(example)
        """For compiled code: of a table, the named tuple that it was made of."""

    def packed(self, nest: Any, before: Packed | None = None) -> Packed:
        """Return `nest` with its table; cheaper if most of its arrays are those of `before`.

        TypeError if a field is of another type than that of the example.
        """
        parts = list(_leaves(nest))
        if before is None:
            rows = np.zeros((len(parts), _WIDTH), np.int64)
            same = [False] * len(parts)
        else:
            rows = before.table.copy()
            same = [a is b for a, b in zip(parts, _leaves(before.nest), strict=True)]
        for k, part in enumerate(parts):
            if same[k]:
                continue
            if _kind(part) != self._kinds[k]:
                raise TypeError(f"found another type in field {k} of {type(nest).__name__}")
            rows[k] = _row(part)
        return Packed(nest, rows)


class Packed(NamedTuple):
    """A nest of named tuples and its table, (rows, 4) int64, in which the arrays' addresses are."""

    nest: Any
    table: npt.NDArray[np.int64]

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Refuse: copied addresses would be those of the original. Who holds one makes it anew."""
        raise TypeError("a table of addresses cannot be copied")


def _leaves(part: Any) -> Iterator[Any]:
    if isinstance(part, tuple):
        for field in part:
            yield from _leaves(field)
    else:
        yield part


def _kind(part: Any) -> Any:
    """Return what tells the types of compiled code apart."""
    if isinstance(part, np.ndarray):
        return part.dtype, part.ndim, part.flags.carray
    return next((kind for kind in (bool, float) if isinstance(part, kind)), int)


def _row(part: Any) -> list[int]:
    if isinstance(part, np.ndarray):
        words = [part.__array_interface__["data"][0], *part.shape]
    elif isinstance(part, float):
        words = [int(np.float64(part).view(np.int64))]
    else:
        words = [(int(part) + 2**63) % 2**64 - 2**63]
    return words + [0] * (_WIDTH - len(words))


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
    if isinstance(kind, types.Array):
        return _array(context, builder, kind, *next(words))
    if kind == types.boolean:
        (word, *_) = next(words)
        return builder.icmp_signed("!=", word, word.type(0))
    if kind == types.float64:
        return builder.bitcast(next(words)[0], ir.DoubleType())
    if isinstance(kind, types.Integer):
        return next(words)[0]  # all have 64 bits
    parts = [_made(context, builder, field, words) for field in kind]
    return context.make_tuple(builder, kind, parts)


def _array(context: Any, builder: Any, kind: Any, address: Any, *lengths: Any) -> Any:
    array = context.make_array(kind)(context, builder)
    size = address.type(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [size]
    for length in lengths[kind.ndim - 1 : 0 : -1]:
        strides.insert(0, builder.mul(strides[0], length))
    populate_array(
        array,
        data=builder.inttoptr(address, array.data.type),
        shape=lengths[: kind.ndim],
        strides=strides,
        itemsize=size,
        meminfo=None,
    )
    return array._getvalue()
