"""Samples as the kernels take them, and room for what they make of these."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from htmrun.backends.bits import Bits
from htmrun.backends.cpu.pooler.kernel import Chunk
from htmrun.backends.cpu.pooler.layout import I64, SLACK, U64
from htmrun.backends.cpu.pooler.standing import Flags
from htmrun.backends.plan import Plan

Index = npt.NDArray[np.int32]
Room = tuple[Index, I64, Index, I64]
"""On-bits of samples and where they end; room for winners and for where they end."""


def arrays(bits: Bits) -> tuple[Index, I64]:
    """Return the on-bits of samples, and where each sample's begin."""
    return (
        np.ascontiguousarray(bits.indices, np.int32),
        np.ascontiguousarray(bits.offsets, np.int64),
    )


def flags(plan: Plan) -> tuple[Flags, Flags]:
    """Return after which samples windows end, and after which boost factors follow."""
    commit, boost = plan.commit, plan.boost
    return np.ascontiguousarray(commit, np.uint8), np.ascontiguousarray(boost, np.uint8)


def winners_room(samples: int, before: Bits | None, slot: int) -> tuple[Index, I64]:
    """Return room for `slot` winners of each sample, and for where they end.

    `before` are the winners of the open window, which come first.
    """
    if before is None:
        return np.empty(samples * slot, np.int32), np.empty(samples + 1, np.int64)
    start, known = len(before), len(before.indices)
    winners = np.empty(known + samples * slot, np.int32)
    ends = np.empty(start + samples + 1, np.int64)
    winners[:known], ends[: start + 1] = before.indices, before.offsets
    return winners, ends


def fitting(winners: Index, count: int) -> Index:
    """Return the first so many, without keeping much room that nobody needs."""
    found = winners[:count]
    return found if 2 * count >= len(winners) else found.copy()


def turning(x: Chunk) -> tuple[U64, Index]:
    """Return scratch for a thread that learns from windows of `x`."""
    blocks = -(-len(x.won) // 64)
    return np.empty((blocks, 64), np.uint64), np.empty(len(x.won) + SLACK, np.int32)


def pieces(cuts: range, bits: Bits) -> list[tuple[int, int]]:
    """Return from where to where the pieces of samples go that begin at `cuts`."""
    return [(a, min(a + cuts.step, len(bits))) for a in cuts]


def copied(bits: Bits) -> Bits:
    """Return the same with arrays of its own."""
    return Bits(bits.size, bits.indices.copy(), bits.offsets.copy())
