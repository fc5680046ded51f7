"""Many short lists of numbers sorted at once: a list to a lane, by a network that never branches.

A network (Batcher: "Sorting networks and their applications", AFIPS 1968) is a fixed list of
places to compare and to exchange. Each step does so for the same places of `LANES` lists, which
lie side by side: place p of list l is ``p * LANES + l``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from htmrun.backends.cpu.common.numeric import JIT

LANES = 16

LONGEST = 64
"""Places of the longest lists that `network` sorts."""

MOST_PAIRS = 543
"""Pairs that lists of `LONGEST` places take."""


def _order(typingctx: Any, words: Any, low: Any, high: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = context.make_array(signature.args[0])(context, builder, args[0]).data
        row = ir.VectorType(ir.IntType(32), LANES).as_pointer()
        rows = [
            builder.bitcast(builder.gep(start, [builder.mul(at, at.type(LANES))]), row)
            for at in args[1:]
        ]
        a, b = (builder.load(place, align=4) for place in rows)
        less = builder.icmp_unsigned("<", a, b)
        builder.store(builder.select(less, a, b), rows[0], align=4)
        builder.store(builder.select(less, b, a), rows[1], align=4)
        return context.get_dummy_value()

    return types.void(words, types.intp, types.intp), codegen


def _copy(typingctx: Any, source: Any, begin: Any, target: Any, to: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        row = ir.VectorType(ir.IntType(32), LANES).as_pointer()
        rows = [
            builder.bitcast(
                builder.gep(context.make_array(kind)(context, builder, array).data, [at]), row
            )
            for kind, array, at in ((source, *args[:2]), (target, *args[2:]))
        ]
        builder.store(builder.load(rows[0], align=4), rows[1], align=4)
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp), codegen


copy_lanes: Any = intrinsic(_copy)
"""(source, begin, target, to): copy `LANES` words of 32 bits between flat arrays, all at once."""

order: Any = intrinsic(_order)
"""(words, low, high): in each of `LANES` lists of uint32, put the smaller of two places first."""


@njit(**JIT)
def network(length: int, first: int, pairs: Any) -> int:
    """Write the (low, high) places to order, one pair after the other; returns how many.

    They sort lists of `length` places, at most `LONGEST`, as far as the `first` smallest need it.
    """
    n = 0
    p = 1
    while p < length:
        k = p
        while k > 0:
            for j in range(k % p, length - k, 2 * k):
                for low in range(j, min(j + k, length - k)):
                    if low // (2 * p) == (low + k) // (2 * p):
                        pairs[2 * n] = low
                        pairs[2 * n + 1] = low + k
                        n += 1
            k //= 2
        p *= 2
    return _needed(n, first, pairs)


@njit(**JIT)
def _needed(n: int, first: int, pairs: Any) -> int:
    """Keep the pairs on which one of the `first` places depends; returns how many."""
    needed = np.uint64(2**64 - 1) >> np.uint64(LONGEST - first)
    at = n
    for c in range(n - 1, -1, -1):
        low, high = np.uint64(pairs[2 * c]), np.uint64(pairs[2 * c + 1])
        both = np.uint64(1) << low | np.uint64(1) << high
        if needed & both != 0:
            needed |= both
            at -= 1
            pairs[2 * at], pairs[2 * at + 1] = low, high
    for c in range(n - at):
        pairs[2 * c], pairs[2 * c + 1] = pairs[2 * (at + c)], pairs[2 * (at + c) + 1]
    return n - at
