"""Packed rows whose inputs are listed: 64 bits of a row of inputs looked up at once.

Two registers hold a row of up to 1024 inputs, and VPERMI2B looks 64 of its bytes up at once (Intel
64 and IA-32 Architectures Software Developer's Manual, volume 2). So of each place the byte of the
row in which its input lies is listed, and the bit in it. A row takes whole steps of 32 places: of
its last word half may not be there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from htmrun.backends.cpu.common.numeric import JIT, trailing_zeros
from htmrun.backends.cpu.common.prefetch import ask_for, ask_to_write
from htmrun.backends.cpu.common.processor import has
from htmrun.backends.cpu.pooler.layout import INNER, U64, Memory
from htmrun.backends.cpu.pooler.simd import load, place_of

Bytes = npt.NDArray[np.uint8]

LOOKS_UP = has("avx512vbmi")
"""Whether this processor looks up bytes in two registers of 64."""
LISTED = 1024
"""Inputs up to which they are listed: the bits of two registers."""
HALF = 32
"""Places of a step."""


def lists(inputs: int, words_of_row: int) -> bool:
    """Return whether the input at each place is listed, for rows of so many words."""
    return LOOKS_UP and inputs <= LISTED and words_of_row < -(-inputs // 64)


def places(inputs: int, words_of_row: int, largest: int) -> int:
    """Return the places of a row of so many words, for pools of at most `largest` inputs.

    As in `compact.words`, there is one to spare.
    """
    return -(-(largest + 1) // HALF) * HALF if lists(inputs, words_of_row) else 64 * words_of_row


def _look_up(lanes: int) -> Any:
    """Make the step for a word of so many places."""
    byte = ir.IntType(8)
    register, asked = ir.VectorType(byte, 64), ir.VectorType(byte, lanes)

    def typed(typingctx: Any, row: Any, second: Any, look: Any, at: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kinds, (of_row, upper, of_places, position) = signature.args, args
            first = ir.Constant(upper.type, 0)
            place = place_of(context, builder, kinds[0], of_row, first, register)
            low = load(builder, place, 8)
            place = place_of(context, builder, kinds[0], of_row, upper, register)
            high = load(builder, place, 8)
            # Of half a word the other half is what stands behind: the bits.
            place = place_of(context, builder, kinds[2], of_places, position, register)
            which = load(builder, place, 1)
            kind = ir.FunctionType(register, [register] * 3)
            name = "llvm.x86.avx512.vpermi2var.qi.512"
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            found = builder.call(function, [low, which, high])
            if lanes < 64:
                order = ir.Constant(ir.VectorType(ir.IntType(32), lanes), list(range(lanes)))
                found = builder.shuffle_vector(found, found, order)
            behind = builder.add(position, ir.Constant(position.type, lanes))
            place = place_of(context, builder, kinds[2], of_places, behind, asked)
            bits = builder.and_(found, load(builder, place, 1))
            on = builder.icmp_unsigned("!=", bits, ir.Constant(asked, None))
            word = builder.bitcast(on, ir.IntType(lanes))
            return word if lanes == 64 else builder.zext(word, ir.IntType(64))

        return types.uint64(row, types.intp, look, types.intp), codegen

    return intrinsic(typed)


def _plainly(lanes: int) -> Any:
    """Make the same step without the instruction."""

    @njit(**JIT)
    def look_up_plain(row: U64, second: int, look: Bytes, at: int) -> np.uint64:
        out, width = np.uint64(0), look.shape[1]
        for b in range(lanes):
            byte = np.int64(look[at // width, at % width + b])
            word = row[(byte >> 3) if byte < 64 else second + ((byte - 64) >> 3)]
            bits = (word >> np.uint64(8 * (byte & 7))) & np.uint64(255)
            on = (bits & np.uint64(look[at // width, at % width + lanes + b])) != np.uint64(0)
            out |= np.uint64(on) << np.uint64(b)
        return out

    return look_up_plain


look_up_plain, look_up_half_plain = _plainly(64), _plainly(HALF)
look_up: Any = _look_up(64) if LOOKS_UP else look_up_plain
"""(row, second, look, at): the uint64 mask of the bits of `row` that 64 places name.

look: bytes, 64 of them from element `at` on, and behind them as many with a bit set. second: the
word of `row` from which its second half is taken: 8, or 0 where it has none.
"""
look_up_half: Any = _look_up(HALF) if LOOKS_UP else look_up_half_plain
"""The same of HALF places."""


@njit(**INNER)
def is_listed(m: Memory) -> bool:
    """Return whether the input at each place of the packed rows of `m` is listed."""
    return m.look.shape[1] > 0


@njit(**INNER)
def fetch_places(c: int, m: Memory) -> None:
    """Fetch the list of inputs of column `c`, which is needed soon."""
    width = m.look.shape[1]
    for at in range(0, width, 64):
        ask_for(m.look, c * width + at)


@njit(**INNER)
def fetch_row(c: int, m: Memory) -> None:
    """Fetch all that is read or changed where column `c` learns."""
    fetch_places(c, m)
    pitch, words = m.x.shape[1], m.connected.shape[1]
    for at in range(0, pitch, 32):
        ask_to_write(m.x, c * pitch + at)
    ask_to_write(m.connected, c * words)
    ask_for(m.synapses, c * words)


@njit(**INNER)
def packed_word(c: int, w: int, row: U64, m: Memory) -> np.uint64:
    """Return word `w` of `row`, bits of inputs, in the order of column `c`'s listed inputs."""
    second = 8 if m.pool.shape[1] > 8 else 0
    at = c * m.look.shape[1] + 128 * w
    if 64 * w + 64 <= m.x.shape[1]:
        return look_up(row, second, m.look, at)
    return look_up_half(row, second, m.look, at)


@njit(**INNER)
def input_at(c: int, place: int, m: Memory) -> int:
    """Return the input at a place of column `c`'s packed row."""
    lanes = np.int64(64 if (place & ~63) + 64 <= m.x.shape[1] else HALF)
    at = 2 * (place & ~63) + (place & 63)
    bit = np.int64(trailing_zeros(np.uint64(m.look[c, at + lanes])))
    return 8 * np.int64(m.look[c, at]) + bit


@njit(**JIT)
def list_inputs(start: int, stop: int, pool: U64, look: Bytes) -> None:
    """List the inputs of the pools of columns start..stop, ascending, and no bits behind them."""
    places = look.shape[1] // 2
    for c in range(start, stop):
        look[c, :] = np.uint8(0)
        place = 0
        for w in range(pool.shape[1]):
            left = pool[c, w]
            while left != np.uint64(0):
                i = 64 * w + np.int64(trailing_zeros(left))
                at = 2 * (place & ~63) + (place & 63)
                look[c, at] = np.uint8(i >> 3)
                lanes = 64 if (place & ~63) + 64 <= places else HALF
                look[c, at + lanes] = np.uint8(1 << (i & 7))
                left &= left - np.uint64(1)
                place += 1
