"""Columns that burst: which of their segments has most synapses on active cells.

Signatures tell, 64 bytes a step, which segments may match; only these are counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from htmrun.backends.cpu.common.numeric import popcount, trailing_zeros
from htmrun.backends.cpu.common.prefetch import ask_for
from htmrun.backends.cpu.memory.arrays import CHUNK
from htmrun.backends.cpu.memory.dendrites import other_entries, set_marks
from htmrun.backends.cpu.memory.index import INLINE
from htmrun.backends.cpu.memory.look_up import LOOKS_UP, look_up, pack_groups
from htmrun.backends.cpu.memory.signatures import ALWAYS, byte_of

_LINE = 64
_LOW, _HALF, _ONE = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(1)
_BYTES = 255  # that synapses may have
_AHEAD = 6  # chunks that are asked for
_ROWS_AHEAD = 4  # segments whose rows are


@njit(**INLINE)
def best_of_bursts(columns: Any, active: Any, burst_segments: int, rules: Any, memory: Any) -> int:
    """Note in `matching_head` the best matching segment of each column without an active one.

    Those have most synapses on `active` cells, ties to the lowest id. Returns how many columns have
    one, which `scratch.columns` lists; -1, and nothing done, if lists of cells are less to read.
    """
    groups, segments = memory.scratch.groups, memory.segments
    on = set_groups(active, rules.cells_per_column, rules.group_bits, groups)
    # Where by chance alone about as many bytes are found as make a match, all segments pass.
    if not LOOKS_UP or on * rules.segment_size > _BYTES * rules.matching_threshold:
        others = other_entries(active, memory.cells.listeners)
        if others <= burst_segments * rules.entries_per_segment:
            clear_groups(groups)
            return -1
    pack_groups(groups)
    chunks = list_chunks(columns, memory.scratch.active_head, memory)
    passed = list_passed(chunks, rules, memory)
    clear_groups(groups)
    if passed == 0:
        return 0
    set_marks(active, 1, rules.cells_per_column, memory.cells.mark)
    found = _best_of_columns(segments.matching[:passed], rules, memory)
    set_marks(active, 0, rules.cells_per_column, memory.cells.mark)
    return found


@njit(**INLINE)
def set_groups(active: Any, per_column: int, group_bits: int, groups: Any) -> int:
    """Set the bytes of the groups of ascending cells in `groups`; return how many there are."""
    shift = np.uint64(group_bits)
    more = np.int64(per_column - 1)
    n = active.shape[0]
    on = 0
    q = 0
    while q < n:
        first = np.uint64(active[q])
        last = first
        q += 1
        # Ascending without repeats: so far apart, they are all that lie between.
        if q + more <= n and np.int64(active[q + more - 1]) == np.int64(first) + more:
            last += np.uint64(more)
            q += more
        for group in range(first >> shift, (last >> shift) + _ONE):
            byte = np.uint64(byte_of(np.int64(group << shift), group_bits))
            on += 1 - np.int64(groups[byte])
            groups[byte] = 1
    return on


@njit(**INLINE)
def clear_groups(groups: Any) -> None:
    groups[:ALWAYS] = 0


@njit(**INLINE)
def list_chunks(columns: Any, active_head: Any, memory: Any) -> int:
    """List the chunks of the columns without an active segment; return how many."""
    signatures, chunk_of = memory.signatures, memory.cells.chunk
    n = 0
    for q in range(columns.shape[0]):
        column = columns[q]
        if active_head[column] < 0:
            chunk = np.int64(chunk_of[column])
            while chunk >= 0:
                signatures.listed[n] = chunk
                n += 1
                chunk = np.int64(signatures.before[chunk])
    return n


@njit(**INLINE)
def list_passed(chunks: int, rules: Any, memory: Any) -> int:
    """List in `segments.matching` whose signatures pass, of the listed chunks; return how many."""
    signatures, groups = memory.signatures, memory.scratch.groups
    matching = memory.segments.matching
    width = rules.signature
    reached = np.uint64(min(rules.matching_threshold, width))
    size = CHUNK * width
    m = 0
    for q in range(chunks):
        if q + _AHEAD < chunks:
            soon = np.int64(signatures.listed[q + _AHEAD]) * size
            for at in range(soon, soon + size, _LINE):
                ask_for(signatures.byte, at)
        chunk = np.int64(signatures.listed[q])
        left = _passed(chunk * size, width, reached, signatures.byte, groups)
        while left != 0:
            matching[m] = signatures.owner[chunk * CHUNK + np.int64(trailing_zeros(left))]
            m += 1
            left &= left - _ONE
    return m


@njit(**INLINE)
def _passed(at: int, width: int, reached: Any, byte: Any, groups: Any) -> Any:
    """Return a bit for each signature of the chunk that has `reached` bytes of `groups`."""
    passed = np.uint64(0)
    if width == _LINE:
        for k in range(CHUNK):
            hits = popcount(look_up(byte, at + k * _LINE, groups))
            passed |= np.uint64(hits >= reached) << np.uint64(k)
        return passed
    for k in range(CHUNK // 2):
        hits = look_up(byte, at + k * _LINE, groups)
        passed |= np.uint64(popcount(hits & _LOW) >= reached) << np.uint64(2 * k)
        passed |= np.uint64(popcount(hits >> _HALF) >= reached) << np.uint64(2 * k + 1)
    return passed


@njit(**INLINE)
def _best_of_columns(passed: Any, rules: Any, memory: Any) -> int:
    """Count the synapses of each segment on cells marked 1, keep the best of each column."""
    segments, synapses, scratch, mark = (
        memory.segments,
        memory.synapses,
        memory.scratch,
        memory.cells.mark,
    )
    head = scratch.matching_head
    columns = 0
    for q in range(passed.shape[0]):
        if q + _ROWS_AHEAD < passed.shape[0]:
            row = np.int64(segments.row[passed[q + _ROWS_AHEAD]])
            ask_for(synapses.cell, row)
            ask_for(synapses.cell, row + _LINE // 4)
        s = np.uint64(passed[q])
        row = np.uint64(segments.row[s])
        n = np.int64(0)
        for y in range(row, row + np.uint64(segments.room[s])):
            n += np.int64(mark[np.uint64(synapses.cell[y])])
        if n < rules.matching_threshold:
            continue
        column = segments.cell[s] // rules.cells_per_column
        best = np.int64(head[column])
        if best < 0:
            scratch.columns[columns] = column
            columns += 1
        elif n < segments.chain[best] or (n == segments.chain[best] and best < np.int64(s)):
            continue
        head[column] = s
        segments.chain[s] = n
    return columns
