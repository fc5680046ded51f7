"""The CPU layout of a spatial pooler: its arrays and its rules as plain integers.

Inputs and columns are padded: inputs to whole 64-bit words, columns to whole steps of
`sp_lanes`. Padding has no potential synapse, so it never wins, and never leaves this layout.

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


SLACK = 4
"""Places behind a list of columns that writing it may overwrite."""


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


class Memory(NamedTuple):
    """State and scratch. C, I: padded columns and inputs; CW, IW: their 64-bit words."""

    x: npt.NDArray[np.int16]  # (C, I) permanence - SHIFT
    pool: U64  # (C, IW) bit set: potential synapse
    connected: U64  # (C, IW) bit set: connected
    by_input: U64  # (I + 1, CW) the same transposed; the last row is zero
    active_duty: npt.NDArray[np.uint32]  # (C,)
    overlap_duty: npt.NDArray[np.uint32]  # (C,)
    min_overlap_duty: npt.NDArray[np.uint32]  # (C,)
    boost: npt.NDArray[np.float32]  # (C,)
    reached: I64  # (C,) samples of the open window with overlap >= stimulus threshold
    planes: U64  # (8 * BYTES + 1, CW) overlaps, one bit per plane; the last carries
    wrapped: U64  # (8 * BYTES, CW + NEAR) overlaps for `sp_torus`, with the first words again
    overlap_bytes: U64  # (BYTES, C / 8) overlaps, byte by byte, eight columns a word
    scores: npt.NDArray[np.float32]  # (C,) boosted scores, 0: cannot win
    candidates: U64  # (CW,)
    selected: U64  # (CW,)
    level: U64  # (CW,)
    lower: U64  # (CW,)
    upper: U64  # (CW,)
    visited: U64  # (CW,) columns that local inhibition has visited, or is in doubt about
    history: U64  # (VISITS / TOGETHER + 1, CW) what was alive before each visit of `sp_visits`
    list_keys: npt.NDArray[np.uint32]  # (C,) under global inhibition
    keyed: U64  # (C + 1,) columns under local inhibition, key << 32 | column, ascending
    change: npt.NDArray[np.int16]  # (I,)
    window_planes: U64  # (8 * BYTES + 1, IW in whole steps of 8) how often inputs were on
    totals: I64  # (I,)
    flips: U64  # (IW + 1,) words of one column's connected synapses that changed: what changed
    flip_words: npt.NDArray[np.int32]  # (IW + 1,) and which words they are
    flip_inputs: npt.NDArray[np.int32]  # (I,) the inputs of these synapses
    wins: npt.NDArray[np.uint32]  # (C,) wins in a window of several samples
    sums: I64  # (C,)
    line: I64  # (3 * C,)
    listed: npt.NDArray[np.int32]  # (C + SLACK,)
    ranked: U64  # (C + SLACK,) the same, best first
    buckets: U64  # (256 + 1,)
    difference: npt.NDArray[np.int32]  # (C,) target less active duty cycle
    places: I64  # (256,) where rows start that are being counted
    hint: npt.NDArray[np.float64]  # (4,) where to look for the best scores first; speed only


SHARED = ("x", "pool", "connected", "by_input", "active_duty", "overlap_duty", "min_overlap_duty")
SHARED += ("boost", "wins")
"""Arrays that all threads see; of everything else each has its own."""


class Field(NamedTuple):
    """Local inhibition: neighbourhoods as sparse bit masks over the columns.

    Compressed rows, one per column, of masks of 8 words: (first word, mask) pairs.
    """

    words: I64
    masks: U64  # (masks, 8)
    offsets: I64  # (columns + 1,)
    sizes: I64  # (columns,) of the neighbourhood
    places: I64  # (columns,) winners that are allowed around each column
    shape: I64  # column grid
    start: U64  # (planes, CW) 2**planes - places
    counters: U64  # (planes, CW) scratch
    rows: U64  # (columns + 1, CW) neighbours of each column, then zeros; for `sp_visits` only
    near: U64  # (kinds of column, 2 * NEAR) masks of `sp_torus_masks`; for `sp_torus` only
