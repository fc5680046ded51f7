"""Which bits of a word are set, as a list: the smallest step of writing winners."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from htmrun.backends.cpu.common.numeric import JIT, popcount, trailing_zeros
from htmrun.backends.cpu.common.processor import has
from htmrun.backends.cpu.pooler.layout import SLACK
from htmrun.backends.cpu.pooler.simd import place_of, splat

COMPRESSES = has("avx512vbmi2")
"""Whether this processor brings chosen bytes of a register together: VPCOMPRESSB."""

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_FEW = 4
"""Numbers that are written whether or not they are there, where it does not."""


def _write_word(typingctx: Any, word: Any, first: Any, out: Any, at: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        mask, start, target, position = args
        lanes, few = ir.VectorType(ir.IntType(8), 64), ir.VectorType(_I32, SLACK)
        which = ir.VectorType(ir.IntType(1), 64)
        kind = ir.FunctionType(lanes, [lanes, lanes, which])
        name = "llvm.x86.avx512.mask.compress.v64i8"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        every = ir.Constant(lanes, list(range(64)))
        bits = [every, ir.Constant(lanes, None), builder.bitcast(mask, which)]
        places, base = builder.call(function, bits), splat(builder, start, few)
        count = builder.ctpop(mask)

        def write(part: int) -> None:
            order = ir.Constant(few, list(range(SLACK * part, SLACK * (part + 1))))
            numbers = builder.zext(builder.shuffle_vector(places, places, order), few)
            where = builder.add(position, position.type(SLACK * part))
            place = place_of(context, builder, signature.args[2], target, where, few)
            builder.store(builder.add(numbers, base), place, align=4)

        write(0)
        for part in range(1, 64 // SLACK):
            with builder.if_then(builder.icmp_unsigned(">", count, _I64(SLACK * part)), False):
                write(part)
        return context.get_dummy_value()

    return types.void(types.uint64, types.int32, out, types.intp), codegen


@njit(**JIT)
def write_word_plain(word: np.uint64, first: np.int32, out: npt.NDArray[np.int32], at: int) -> None:
    """Write `first` + the place of each bit set in `word` to out[at:], ascending.

    Up to SLACK places beyond them are overwritten.
    """
    n = np.int64(popcount(word))
    for j in range(_FEW):
        out[at + j] = first + np.int32(trailing_zeros(word))
        word &= word - np.uint64(1)
    for j in range(_FEW, n):
        out[at + j] = first + np.int32(trailing_zeros(word))
        word &= word - np.uint64(1)


write_word: Any = intrinsic(_write_word) if COMPRESSES else write_word_plain
"""The same in a few steps for each SLACK of them."""
