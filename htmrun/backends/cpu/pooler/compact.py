"""Compact pools: only the synapses of a column's potential pool are kept, in the order of inputs.

A commit changes every permanence of a row. Where pools hold a small share of the inputs most of
these count for nothing, so rows are packed: place k of a column's row is its k-th potential input.
Rows of inputs come to the same order by PEXT, which gathers the bits of a word under a mask, and
go back by PDEP (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2), unless
inputs are few enough to be listed (see `listed`).
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from htmrun.backends.cpu.common.numeric import JIT, popcount, trailing_zeros
from htmrun.backends.cpu.common.prefetch import ask_for
from htmrun.backends.cpu.common.processor import has
from htmrun.backends.cpu.pooler.layout import INNER, U64, Memory
from htmrun.backends.cpu.pooler.listed import fetch_places, input_at, is_listed, packed_word

SHARE = 0.2
"""Of the words of a row: where packed rows take more, whole rows are faster (measured)."""

# Before their third generation AMD's cores take some hundred cycles for either instruction.
_SLOW = ("znver1", "znver2", "bdver4")


def _at_hand() -> bool:
    """Return whether this processor has PEXT and PDEP, and is fast at them."""
    return has("bmi2") and llvmlite.binding.get_host_cpu_name() not in _SLOW


FAST = _at_hand()


def words(inputs: int, largest: int) -> int:
    """Return the words of a row for pools of at most `largest` inputs, whole or packed.

    A packed row has a place to spare, which filling it may overwrite.
    """
    whole, packed = -(-inputs // 64), largest // 64 + 1
    return packed if FAST and packed <= SHARE * whole else whole


def _by_instruction(name: str) -> Any:
    def typed(typingctx: Any, value: Any, mask: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            word = ir.IntType(64)
            kind = ir.FunctionType(word, [word, word])
            module = builder.module
            function = cgutils.get_or_insert_function(module, kind, f"llvm.x86.bmi.{name}.64")
            return builder.call(function, list(args))

        return types.uint64(types.uint64, types.uint64), codegen

    return intrinsic(typed)


@njit(**JIT)
def pext_plain(value: np.uint64, mask: np.uint64) -> np.uint64:
    """Return the bits of `value` under `mask`, side by side from the lowest place on."""
    out, place = np.uint64(0), np.uint64(0)
    while mask != np.uint64(0):
        bit = mask & (~mask + np.uint64(1))
        out |= np.uint64((value & bit) != np.uint64(0)) << place
        place += np.uint64(1)
        mask ^= bit
    return out


@njit(**JIT)
def pdep_plain(value: np.uint64, mask: np.uint64) -> np.uint64:
    """Return the lowest bits of `value` at the places of `mask`."""
    out = np.uint64(0)
    while mask != np.uint64(0):
        bit = mask & (~mask + np.uint64(1))
        if value & np.uint64(1):
            out |= bit
        value >>= np.uint64(1)
        mask ^= bit
    return out


pext: Any = _by_instruction("pext") if FAST else pext_plain
pdep: Any = _by_instruction("pdep") if FAST else pdep_plain


@njit(**INNER)
def is_compact(m: Memory) -> bool:
    """Return whether rows of `m` are packed."""
    return m.connected.shape[1] != m.pool.shape[1]


@njit(**INNER)
def pack(c: int, following: int, row: U64, m: Memory) -> None:
    """Bring `row`, bits of inputs, to the order of column `c`'s packed row, into `m.packed`.

    Nothing where rows are whole. following: the column whose pool is needed next.
    """
    if not is_compact(m):
        return
    if is_listed(m):
        fetch_places(following, m)
        for w in range(m.connected.shape[1]):
            m.packed[w] = packed_word(c, w, row, m)
        return
    width = m.pool.shape[1]
    for w in range(0, width, 8):
        ask_for(m.pool, following * width + w)
    for w in range(0, width + 1, 16):
        ask_for(m.first, following * (width + 1) + w)
    # Free of branches: where a word of the packed row ends cannot be predicted. What is written
    # before it is full is written again.
    word, place = np.uint64(0), np.uint64(0)
    for w in range(width):
        bits = pext(row[w], m.pool[c, w])
        shift = place & np.uint64(63)
        out = place >> np.uint64(6)
        word |= bits << shift
        m.packed[np.int64(out)] = word
        place = np.uint64(m.first[c, w + 1])
        over = (bits >> np.uint64(1)) >> (np.uint64(63) - shift)
        word = over if place >> np.uint64(6) != out else word
    m.packed[np.int64(place >> np.uint64(6))] = word
    for w in range(np.int64(place >> np.uint64(6)) + 1, m.connected.shape[1]):
        m.packed[w] = np.uint64(0)


@njit(**INNER)
def inputs_of(count: int, c: int, m: Memory) -> None:
    """Turn the first `count` of `m.flip_inputs`, ascending places of a packed row, into inputs."""
    if is_listed(m):
        for k in range(count):
            m.flip_inputs[k] = np.int32(input_at(c, np.int64(m.flip_inputs[k]), m))
        return
    w = 0
    for k in range(count):
        place = np.uint32(m.flip_inputs[k])
        while place >= m.first[c, w + 1]:
            w += 1
        bit = pdep(np.uint64(1) << np.uint64(place - m.first[c, w]), m.pool[c, w])
        m.flip_inputs[k] = np.int32(w * 64 + np.int64(trailing_zeros(bit)))


@njit(**JIT)
def number_places(pool: U64, first: npt.NDArray[np.uint32], synapses: U64) -> None:
    """Note how many synapses of a pool come before each word, and which places they take."""
    count = 0
    for w in range(len(pool)):
        first[w] = np.uint32(count)
        count += np.int64(popcount(pool[w]))
    first[len(pool)] = np.uint32(count)
    for w in range(len(synapses)):
        left = min(max(count - 64 * w, 0), 64)
        ones = (np.uint64(1) << np.uint64(left)) - np.uint64(1)
        synapses[w] = ~np.uint64(0) if left == 64 else ones


@njit(**JIT)
def whole_word(c: int, w: int, packed: U64, pool: U64, first: npt.NDArray[np.uint32]) -> np.uint64:
    """Return word `w` of column `c`'s row of inputs, which is `packed`."""
    at = np.int64(first[c, w])
    word, shift = at >> 6, np.uint64(at & 63)
    bits = packed[c, word] >> shift if word < packed.shape[1] else np.uint64(0)
    if shift and word + 1 < packed.shape[1]:
        bits |= packed[c, word + 1] << (np.uint64(64) - shift)
    return pdep(bits, pool[c, w])
