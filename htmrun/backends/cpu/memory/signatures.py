"""One byte of each synapse, by which segments that cannot match are passed over.

Cells lie in groups of a power of two, no larger than a column, and a synapse's byte is a hash of
its cell's group. The bytes of a segment, its signature, have a place of their own for each slot. So
the bytes that are those of groups with an active cell are never fewer than the synapses with an
active cell. A byte may stay when its synapse goes, which only makes them more.

The signatures of a column's segments lie side by side, in chunks of `CHUNK` that are linked, of
which only the newest is not full.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from htmrun.backends.cpu.common.prefetch import ask_to_write
from htmrun.backends.cpu.memory.arrays import CHUNK, CHUNKS_END, FREE_CHUNK
from htmrun.backends.cpu.memory.index import INLINE

NONE, ALWAYS = 0, 255
"""Bytes of a slot that is empty, and of every slot of a segment that has more than bytes."""


@njit(**INLINE)
def byte_of(cell: int, group_bits: int) -> Any:
    """Return the byte of synapses on `cell`: neither `NONE` nor `ALWAYS`."""
    group = np.uint32(np.uint32(cell) >> np.uint32(group_bits))
    hashed = np.uint32(group * np.uint32(2654435769)) >> np.uint32(24)
    return np.uint8(min(max(hashed, np.uint32(1)), np.uint32(254)))


@njit(**INLINE)
def sign(s: int, slot: int, cell: int, rules: Any, memory: Any) -> None:
    """Note that segment `s` has a synapse on `cell` at `slot`."""
    signatures = memory.signatures
    width = rules.signature
    at = np.int64(memory.segments.record[s]) * width
    if slot >= width:
        sign_always(s, width, memory)
    elif signatures.byte[at] != ALWAYS:
        signatures.byte[at + slot] = byte_of(cell, rules.group_bits)


@njit(**INLINE)
def sign_always(s: int, width: int, memory: Any) -> None:
    """Let segment `s`, which has more synapses than bytes, pass whatever is active."""
    at = np.int64(memory.segments.record[s]) * width
    memory.signatures.byte[at : at + width] = ALWAYS


@njit(**INLINE)
def add_record(s: int, column: int, width: int, memory: Any) -> None:
    """Give segment `s`, the newest of its column and not yet counted there, an empty signature."""
    signatures, cells, scalars = memory.signatures, memory.cells, memory.scalars
    k = np.int64(cells.column_segments[column]) & (CHUNK - 1)
    if k == 0:
        chunk = scalars[FREE_CHUNK]
        if chunk >= 0:
            scalars[FREE_CHUNK] = signatures.before[chunk]
        else:
            chunk = scalars[CHUNKS_END]
            scalars[CHUNKS_END] = chunk + 1
        signatures.before[chunk] = cells.chunk[column]
        cells.chunk[column] = chunk
    record = np.int64(cells.chunk[column]) * CHUNK + k
    signatures.owner[record] = s
    memory.segments.record[s] = record
    ask_to_write(signatures.byte, record * width)


@njit(**INLINE)
def remove_record(s: int, column: int, width: int, memory: Any) -> None:
    """Take the signature of segment `s`, still counted in its column, away."""
    signatures, cells, scalars = memory.signatures, memory.cells, memory.scalars
    chunk = np.int64(cells.chunk[column])
    k = (np.int64(cells.column_segments[column]) - 1) & (CHUNK - 1)
    hole, last = np.int64(memory.segments.record[s]), chunk * CHUNK + k
    moved = signatures.owner[last]
    signatures.owner[hole] = moved
    memory.segments.record[moved] = hole
    for b in range(width):
        signatures.byte[hole * width + b] = signatures.byte[last * width + b]
        signatures.byte[last * width + b] = NONE
    if k == 0:
        cells.chunk[column] = signatures.before[chunk]
        signatures.before[chunk] = scalars[FREE_CHUNK]
        scalars[FREE_CHUNK] = chunk
