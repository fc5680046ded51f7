"""How potential pools lie on a card: whole rows of permanences, or the synapses of the pool alone.

A compact pool takes two bytes for a permanence and one or two to say which input it belongs to
(`kernels/pools.cuh`); a whole row two for each input, in the pool or not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from htmrun.backends.cuda.pooler import grid, layout
from htmrun.backends.cuda.rows import words_of
from htmrun.backends.fixed_point import NO_SYNAPSE
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.sp_contract import pool_size
from htmrun.errors import UserError

PoolsAsked = Literal["auto", "dense", "compact"]
NEAR_SHARE = 0.4
"""From so large a share of all inputs on, 32 neighbours of a pool lie within a byte: of 225 inputs,
fewer than 32 are in such a pool with a probability of e**-37."""
WORTH = 0.8
"""Compact pools move at most so many of the bytes that whole rows do, where they are chosen."""
CACHED = 1 << 26
"""Bytes of whole rows up to which caches hold most of them: bytes are not what takes time then."""
DRAWN = 1 << 26
"""Bytes of whole rows, about, that are drawn at a time to become compact pools."""
_BASES, _FAR_INPUTS = 1 << 16, 1 << 16
_RUN = 32

Int16 = npt.NDArray[np.int16]
UInt8 = npt.NDArray[np.uint8]
UInt16 = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class PoolLayout:
    """runs: of 32 synapses, for each column; entry: bytes to say which input is meant, 0 where rows
    are whole; words: of 32 inputs."""

    words: int
    runs: int = 0
    entry: int = 0

    @property
    def places(self) -> int:
        """The permanences of a column's row."""
        return 32 * (self.runs if self.entry else self.words)

    @property
    def steps(self) -> int:
        """The permanences of a column in steps of 32, one for each thread that learns."""
        return self.places // 32

    @property
    def row_bytes(self) -> int:
        """The bytes of a column's permanences and of what says to which inputs they belong."""
        return self.places * (2 + self.entry) + (2 * self.runs if self.entry else 0)

    def read_bytes(self) -> int:
        """Return the bytes that a column reads as it learns: with whole rows its bits, too."""
        return self.row_bytes + (0 if self.entry else 4 * self.words)


def sizes(p: SpatialPoolerParameters, input_shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return how many synapses each column's pool gets, int64 (columns,)."""
    reach = np.full(p.columns, math.prod(input_shape))
    if p.potential_radius is not None:
        assert p.column_shape is not None
        reach = grid.reach_sizes(input_shape, p.column_shape, p.potential_radius, p.wrap)
    by_reach = {int(n): pool_size(p.potential_fraction, int(n)) for n in np.unique(reach)}
    return np.array([by_reach[int(n)] for n in reach], np.int64)


def layouts(
    asked: PoolsAsked, p: SpatialPoolerParameters, input_shape: tuple[int, ...], largest: int
) -> list[PoolLayout]:
    """Return the layouts to try for pools of at most `largest` synapses, best first.

    asked: "auto" makes pools compact where that moves fewer bytes, of rows that caches do not hold.
    """
    inputs = math.prod(input_shape)
    dense, runs = PoolLayout(words_of(inputs)), -(-largest // _RUN)
    if asked == "dense":
        return [dense]
    near, far = (PoolLayout(dense.words, runs, entry) for entry in (1, 2))
    compact = []
    if dense.words <= _BASES and largest >= NEAR_SHARE * inputs:
        compact.append(near)
    if inputs <= _FAR_INPUTS:
        compact.append(far)
    if asked == "compact":
        return compact
    worth = [
        c for c in compact
        if p.columns * dense.row_bytes > CACHED
        and c.read_bytes() <= WORTH * dense.read_bytes()
        # A warp's step with a compact pool takes about as many instructions as two with whole rows.
        and 2 * -(-c.steps // 32) <= -(-dense.steps // 32)
    ]  # fmt: skip
    return [*worth, dense]


def room(parameters: SpatialPoolerParameters, input_shape: tuple[int, ...]) -> PoolLayout:
    """Return the layout for which a pooler makes room, unless its pools do not fit."""
    largest = int(sizes(parameters, input_shape).max())
    return layouts("auto", parameters, input_shape, largest)[0]


def packed(permanences: Int16, to: PoolLayout) -> tuple[Int16, UInt8, UInt16]:
    """Return rows of permanences, int16 (columns, words * 32), as compact pools of `to`.

    That is permanences, int16 (columns, places), their inputs, uint8 (columns, places * entry), and
    where runs begin, uint16 (columns, runs). ValueError where a pool does not fit.
    """
    member = permanences != NO_SYNAPSE
    largest = int(member.sum(1).max(initial=0))
    if largest > to.places:
        raise ValueError(
            f"permanences: found a pool of {largest} inputs, expected at most {to.places}: the "
            "pools of this group are compact"
        )
    column, i = np.nonzero(member)
    place = (np.cumsum(member, axis=1, dtype=np.int32) - 1)[column, i]
    inputs = np.zeros((len(permanences), to.places), np.int64)
    inputs[column, place] = i
    base = inputs[:, ::_RUN] // 32
    behind = np.zeros_like(inputs)
    behind[column, place] = i - 32 * base[column, place // _RUN]
    if int(behind.max(initial=0)) >= 1 << 8 * to.entry:
        raise ValueError(
            f"permanences: found {_RUN} neighbours of a pool over {int(behind.max()) + 1} inputs, "
            f"expected at most {1 << 8 * to.entry}: the pools of this group are compact"
        )
    row = np.full((len(permanences), to.places), NO_SYNAPSE, np.int16)
    row[column, place] = permanences[column, i]
    width = np.uint8 if to.entry == 1 else np.uint16
    return (
        layout.interleaved(row),
        layout.interleaved(behind.astype(width)).view(np.uint8),
        base.astype(np.uint16),
    )


def whole(row: Int16, inputs: UInt8, base: UInt16, of: PoolLayout) -> Int16:
    """Return what `packed` was given."""
    width = np.uint8 if of.entry == 1 else np.uint16
    behind = layout.in_order(np.ascontiguousarray(inputs).view(width))
    i = behind.astype(np.int64) + 32 * np.repeat(base.astype(np.int64), _RUN, axis=1)
    permanences = layout.in_order(row)
    column, place = np.nonzero(permanences != NO_SYNAPSE)
    out = np.full((len(row), of.words * 32), NO_SYNAPSE, np.int16)
    out[column, i[column, place]] = permanences[column, place]
    return out


def first_that_fits(choice: list[PoolLayout], fits: Callable[[PoolLayout], bool]) -> PoolLayout:
    """Return the first layout for which `fits` says so; `UserError` for none."""
    for candidate in choice:
        if fits(candidate):
            return candidate
    raise UserError("pools: found pools that cannot be compact, expected 'auto' or 'dense'")
