"""Which of 64 bytes are those of groups with an active cell, in a few instructions.

Processors differ in what they look up: bytes in four registers of 64 (VPERMI2B), or in two of 16
(VPSHUFB). For the latter there are as many bits in place of bytes, packed once a sample.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from htmrun.backends.cpu.common.processor import has
from htmrun.backends.cpu.memory.index import INLINE, UNCOUNTED

BYTES, BITS = has("avx512vbmi"), has("avx2")
LOOKS_UP = BYTES or BITS
"""Whether this processor looks up bytes in registers at all."""

PACKED = 256
"""Where the bits of all groups begin behind their bytes, in 32 bytes."""

_LINE = 64
Loads = Callable[[int, int, Any], Any]


@njit(**INLINE)
def pack_groups(groups: Any) -> None:
    """Write the bits of `groups`, uint8 (288,) of which 256 are 0 or 1, behind them."""
    if BYTES:
        return
    for k in range(PACKED // 8):
        bits = np.uint64(0)
        for b in range(8):
            bits |= np.uint64(groups[8 * k + b]) << np.uint64(b)
        groups[PACKED + k] = bits


def _intrinsic(found: Callable[[Any, Loads, Any], Any]) -> Any:
    """Return what compiled code calls: (byte, at, groups) to a uint64 mask.

    found: makes it with what loads so many bytes of one of the arrays from a position on.
    """

    def look_up(typingctx: Any, byte: Any, at: Any, groups: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            def load(lanes: int, which: int, position: Any) -> Any:
                start = context.make_array(signature.args[which])(
                    context, builder, args[which]
                ).data
                register = ir.VectorType(ir.IntType(8), lanes)
                place = builder.bitcast(builder.gep(start, [position]), register.as_pointer())
                return builder.load(place, align=1)

            return found(builder, load, args[1])

        return types.uint64(byte, types.intp, groups), codegen

    return intrinsic(look_up)


def _called(builder: Any, name: str, *given: Any) -> Any:
    register = given[0].type
    kind = ir.FunctionType(register, [register] * len(given))
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), given)


def _in_bytes(builder: Any, load: Loads, at: Any) -> Any:
    """The byte of each group, in four registers of 64."""
    which = load(_LINE, 0, at)
    quarters = [load(_LINE, 2, at.type(_LINE * k)) for k in range(4)]
    name = "llvm.x86.avx512.vpermi2var.qi.512"
    lower = _called(builder, name, quarters[0], which, quarters[1])
    upper = _called(builder, name, quarters[2], which, quarters[3])
    none = ir.Constant(which.type, None)
    found = builder.select(builder.icmp_signed("<", which, none), upper, lower)
    return builder.bitcast(builder.icmp_unsigned("!=", found, none), ir.IntType(64))


def _in_bits(builder: Any, load: Loads, at: Any) -> Any:
    """The bit of each group, in two registers of 16 that hold eight groups a byte."""
    lanes, half, word = 32, 16, ir.IntType(64)
    register = ir.VectorType(ir.IntType(8), lanes)
    twice = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [*range(half)] * 2)
    bit_of = ir.Constant(register, [1 << (k % 8) for k in range(half)] * 2)
    tables = []
    for k in range(2):
        table = load(half, 2, at.type(PACKED + half * k))
        tables.append(builder.shuffle_vector(table, ir.Constant(table.type, ir.Undefined), twice))
    mask = ir.Constant(word, 0)
    none = ir.Constant(register, None)
    for k in range(2):
        which = load(lanes, 0, builder.add(at, at.type(lanes * k)))
        place = builder.lshr(which, ir.Constant(register, [3] * lanes))
        lower, upper = (_called(builder, "llvm.x86.avx2.pshuf.b", t, place) for t in tables)
        row = builder.select(builder.icmp_signed("<", which, none), upper, lower)
        within = builder.and_(which, ir.Constant(register, [7] * lanes))
        bit = _called(builder, "llvm.x86.avx2.pshuf.b", bit_of, within)
        hit = builder.icmp_unsigned("!=", builder.and_(row, bit), none)
        hits = builder.zext(builder.bitcast(hit, ir.IntType(lanes)), word)
        mask = builder.or_(mask, builder.shl(hits, ir.Constant(word, lanes * k)))
    return mask


@njit(**UNCOUNTED)
def look_up_plain(byte: Any, at: int, groups: Any) -> Any:
    """The same without such an instruction."""
    hits = np.uint64(0)
    for b in range(_LINE):
        hits |= np.uint64(groups[byte[at + b]]) << np.uint64(b)
    return hits


look_up_bytes, look_up_bits = _intrinsic(_in_bytes), _intrinsic(_in_bits)
look_up: Any = look_up_bytes if BYTES else look_up_bits if BITS else look_up_plain
"""(byte, at, groups): the uint64 mask of those of 64 bytes that `groups` has set."""
