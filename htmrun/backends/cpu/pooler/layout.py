"""The CPU layout of a spatial pooler: its arrays and its rules as plain integers.

Inputs and columns are padded: inputs to whole 64-bit words, columns to whole steps of
`simd`. Padding has no potential synapse, so it never wins, and never leaves this layout.

Permanences are stored as p - 32768, so that an int16 addition saturates exactly at
permanence 0. Places outside the potential pool move along with the others; only `pool`
says which count, which makes the update free of branches.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from htmrun.backends.cpu.common.numeric import JIT

HOT: dict[str, Any] = {**JIT, "_nrt": False}
"""Options of functions that allocate nothing: arrays are borrowed, never reference-counted.

Counting references of the arrays in `Memory` on every access cost most of a step.
"""

INNER: dict[str, Any] = {**HOT, "forceinline": True}
"""Options of functions that are called for every sample: a call would copy every array."""

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

SHIFT = 32768
"""Permanence 0 is stored as -SHIFT."""

BYTES = 4
"""Bytes of an overlap: planes are kept for 8 * BYTES bits."""


SLACK = 16
"""Places behind a list of columns or samples that writing it may overwrite."""


_CACHE_LINE = 64
"""Bytes of it."""


class Rules(NamedTuple):
    """Parameters as the kernels use them: integers, permanences 1.0 = 10000, duty 1.0 = 2**30."""

    inputs: int
    columns: int
    up: int
    down: int
    threshold: int
    stimulus: int
    k: int
    local: bool
    boost_gain: int
    period: int
    bump: int
    weak_share: int
    radius: int
    wrap: bool
    boosts_locally: bool
    boost_radius: int
    boost_drop: int
    push: int
    inflection: int


class Memory(NamedTuple):
    """State and scratch. C, I: padded columns and inputs; CW, IW: their 64-bit words.

    SW: words of a column's row, IW, or fewer where pools are compact (see `compact`).
    P: its places, 64 SW, or half a word less (see `listed`).
    """

    x: npt.NDArray[np.int16]  # (C, P) permanence - SHIFT
    pool: U64  # (C, IW) bit set: potential synapse
    synapses: U64  # (C, SW) bit set: a place of `x` that counts
    first: npt.NDArray[np.uint32]  # (C, IW + 1) synapses before each word; (C, 0) of whole rows
    look: npt.NDArray[np.uint8]  # (C, 2 P) byte and bit of each place's input; (C, 0): not listed
    connected: U64  # (C, SW) bit set: connected
    by_input: U64  # (I + 1, CW) connected inputs, transposed; the last row is zero
    active_duty: npt.NDArray[np.uint32]  # (C,)
    overlap_duty: npt.NDArray[np.uint32]  # (C,)
    min_overlap_duty: npt.NDArray[np.uint32]  # (C,)
    boost: npt.NDArray[np.float32]  # (C,)
    reached: I64  # (C,) samples of the open window with overlap >= stimulus threshold
    planes: U64  # (8 * BYTES + 1, CW) overlaps, one bit per plane; the last carries
    overlap_bytes: U64  # (BYTES, C / 8) overlaps, byte by byte, eight columns a word
    scores: npt.NDArray[np.float32]  # (C,) boosted scores, 0: cannot win
    levels: npt.NDArray[np.uint8]  # (C,) of scores, see `scores`
    candidates: U64  # (CW,)
    selected: U64  # (CW,)
    level: U64  # (CW,)
    within: U64  # (CW,) where the columns of `level` around are no more than may win
    below: U64  # (CW,) where they are fewer
    starts: I64  # (2 * CW + 1,) columns of `level` before each word
    counts: U64  # (8 * BYTES + 1, WORDS) their counts, as `planes`
    list_keys: npt.NDArray[np.uint32]  # (C,) under global inhibition
    change: npt.NDArray[np.int16]  # (I,)
    window_planes: U64  # (8 * BYTES + 1, IW in whole steps of 8) how often inputs were on
    totals: I64  # (I,)
    packed: U64  # (IW + 1,) a row of inputs in the order of a compact pool
    flips: U64  # (IW in whole steps of 64) by word of one column's row: synapses that changed
    noted: U64  # (64, SW) the same of as many columns whose inputs are listed
    touched: U64  # (IW / 64,) by word: whether it changed, one bit each
    flip_inputs: npt.NDArray[np.int32]  # (I,) the inputs of these synapses
    wins: npt.NDArray[np.uint32]  # (C,) wins in a window of several samples
    sums: I64  # (C,)
    line: I64  # (3 * C,)
    listed: npt.NDArray[np.int32]  # (2 * C + SLACK,)
    difference: npt.NDArray[np.int32]  # (C,) active duty cycle less its target, boosting locally
    places: I64  # (256,) where rows start that are being counted
    hint: npt.NDArray[np.float64]  # (4,) where to look for the best scores first; speed only


SHARED = ("x", "pool", "synapses", "first", "look", "connected")
SHARED += ("by_input", "active_duty", "overlap_duty", "min_overlap_duty", "boost", "wins")
"""Arrays that all threads see; of everything else each has its own."""


class Field(NamedTuple):
    """Local inhibition: who is near whom, and how many may win; local boosting: among how many."""

    near: U64  # (rows + 1, WORDS) masks of neighbours in a line; the last row is zero
    blocks: I64  # (lines, 3) words of columns near a line, from and to; a row less its column
    lines: I64  # (pairs, 2) lines near a word's columns, and the row of its first column
    offsets: I64  # (words of lines + 1,) where pairs of a word start
    sizes: I64  # (columns,) of the neighbourhood of local boosting
    places: I64  # (columns,) winners that are allowed around each column
    limits: U64  # (planes, CW) the same, one bit per plane
    usual: I64  # (1,) winners of a sample on average, about
    shape: I64  # column grid


def row_words(columns: int) -> int:
    """Return the words of a padded row of columns: whole steps of 8.

    An odd number of steps if it is large: rows a power of two apart would share few places in
    the caches, and a column's changed connections lie in many rows.
    """
    steps = -(-columns // 512)
    return 8 * (steps + 1 if steps >= 16 and steps % 2 == 0 else steps)


def zeros(shape: int | tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
    """Return zeros that start at a cache line: a step over two lines takes twice as long."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + _CACHE_LINE, np.uint8)
    start = -room.ctypes.data % _CACHE_LINE
    return room[start : start + size].view(dtype).reshape(shape)
