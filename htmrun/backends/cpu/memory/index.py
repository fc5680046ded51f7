"""The inverted index and its blocks: who listens to a cell, found without a search.

An entry is ``segment << slot_bits | slot``. The list of a cell holds its connected entries
first, so a permanence that crosses the threshold swaps two entries. A synapse knows the
low 16 bits of its entry's place; longer lists are probed in strides of 65536.

A block is one of four sizes per octave. A freed block goes on the list of its size; when
the array runs out, everything live is moved together into a new one (`gather_*`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from htmrun.backends.cpu.common.numeric import JIT
from htmrun.backends.cpu.memory.arrays import (
    CONNECTED,
    LENGTH,
    LONGEST,
    POOL_END,
    ROOM,
    ROWS_END,
    START,
    Cells,
    Segments,
    Synapses,
)

UNCOUNTED: dict[str, Any] = {**JIT, "_nrt": False}
"""No reference counts: nothing here allocates, and counting dozens of arrays at every inner
call took most of the time."""

INLINE: dict[str, Any] = {**UNCOUNTED, "forceinline": True}
"""For inner functions that take dozens of arrays: a call would copy every one of them."""

STRIDE = 1 << 16


@njit(**INLINE)
def set_border(cell: int, border: int, index: Any, heard: Any) -> None:
    """Set how many entries of the list of `cell` are connected."""
    word, bit = np.uint64(cell) >> np.uint64(6), np.uint64(1) << (np.uint64(cell) & np.uint64(63))
    index[cell, CONNECTED] = border
    if border == 0:
        heard[word] &= ~bit
    elif border == 1:
        heard[word] |= bit


@njit(**INLINE)
def block_class(n: int) -> int:
    """Return the smallest size class that holds `n` places."""
    if n <= 4:
        return 0
    octave = 0
    while (8 << octave) <= n:
        octave += 1
    return 4 * octave + ((n - (4 << octave) + (1 << octave) - 1) >> octave)


@njit(**INLINE)
def block_size(c: int) -> int:
    """Return the places of a block of class `c`: 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, ..."""
    return (4 + (c & 3)) << (c >> 2)


@njit(**INLINE)
def take_block(c: int, free: Any, links: Any, scalars: Any, end: int) -> int:
    """Return the first place of a block of class `c`; the caller has checked the room."""
    start = free[c]
    if start >= 0:
        free[c] = np.int64(links[start]) - 1
        return start
    start = scalars[end]
    scalars[end] = start + block_size(c)
    return start


@njit(**INLINE)
def free_block(start: int, size: int, free: Any, links: Any) -> None:
    """Give a block back; its first place links to the next free one, plus 1."""
    c = block_class(size)
    links[start] = free[c] + 1
    free[c] = start


@njit(**INLINE)
def longer(length: int) -> int:
    """Return the size of the block for a list that is full with `length` entries."""
    return block_size(block_class(length + (length >> 2) + 8))


@njit(**INLINE)
def _find(pool: Any, start: int, entry: int, hint: int) -> int:
    place = hint
    while np.int64(pool[start + place]) != entry:
        place += STRIDE
    return place


@njit(**INLINE)
def _put(
    entry: int, place: int, start: int, bits: int, pool: Any, segments: Any, synapses: Any
) -> None:
    """Write an entry and tell its synapse."""
    pool[start + place] = entry
    slot = segments.row[entry >> bits] + (entry & ((1 << bits) - 1))
    synapses.place[slot] = place & (STRIDE - 1)


@njit(**INLINE)
def lengthen_list(
    cell: int, length: int, index: Any, pool: Any, free_lists: Any, scalars: Any
) -> None:
    """Move the list of `cell` to a block for `length` entries, more than it has, and to spare."""
    old, used, before = index[cell, START], index[cell, LENGTH], index[cell, ROOM]
    room = longer(np.int64(length) - 1)
    start = take_block(block_class(room), free_lists, pool, scalars, POOL_END)
    for q in range(used):
        pool[start + q] = pool[old + q]
    if before > 0:
        free_block(old, np.int64(before), free_lists, pool)
    index[cell, START] = start
    index[cell, ROOM] = room
    scalars[LONGEST] = max(scalars[LONGEST], room)


@njit(**INLINE)
def add_entry(
    cell: int,
    entry: int,
    slot: int,
    connected: bool,
    bits: int,
    index: Any,
    heard: Any,
    pool: Any,
    segments: Any,
    synapses: Any,
    free_lists: Any,
    scalars: Any,
) -> None:
    """Append the entry of the synapse at `slot` to the list of `cell`."""
    length = index[cell, LENGTH]
    start = index[cell, START]
    if length == index[cell, ROOM]:
        lengthen_list(cell, length + 1, index, pool, free_lists, scalars)
        start = index[cell, START]
    place = length
    if connected:
        place = index[cell, CONNECTED]
        if place < length:
            _put(np.int64(pool[start + place]), length, start, bits, pool, segments, synapses)
        set_border(cell, place + 1, index, heard)
    pool[start + place] = entry
    synapses.place[slot] = place & (STRIDE - 1)
    index[cell, LENGTH] = length + 1


@njit(**INLINE)
def remove_entry(
    cell: int,
    entry: int,
    slot: int,
    bits: int,
    index: Any,
    heard: Any,
    pool: Any,
    segments: Any,
    synapses: Any,
) -> None:
    """Take the entry of the synapse at `slot` out of the list of `cell`."""
    start = index[cell, START]
    hole = _find(pool, start, entry, np.int64(synapses.place[slot]))
    last = index[cell, LENGTH] - 1
    connected = index[cell, CONNECTED] - 1
    if hole <= connected:
        if hole < connected:
            moved = np.int64(pool[start + connected])
            _put(moved, hole, start, bits, pool, segments, synapses)
        set_border(cell, connected, index, heard)
        hole = connected
    if hole < last:
        _put(np.int64(pool[start + last]), hole, start, bits, pool, segments, synapses)
    index[cell, LENGTH] = last


@njit(**INLINE)
def cross_threshold(
    cell: int,
    entry: int,
    slot: int,
    connected: bool,
    bits: int,
    index: Any,
    heard: Any,
    pool: Any,
    segments: Any,
    synapses: Any,
) -> None:
    """Move the entry of the synapse at `slot` to the connected entries, or away from them."""
    start = index[cell, START]
    place = _find(pool, start, entry, np.int64(synapses.place[slot]))
    border = index[cell, CONNECTED]
    if connected:
        set_border(cell, border + 1, index, heard)
    else:
        border -= 1
        set_border(cell, border, index, heard)
    if place != border:
        _put(np.int64(pool[start + border]), place, start, bits, pool, segments, synapses)
        _put(entry, border, start, bits, pool, segments, synapses)


@njit(**JIT)
def gathered_pool_size(index: Any) -> int:
    """Return the places that `gather_pool` needs."""
    total = 0
    for cell in range(index.shape[0]):
        total += _gathered_room(index[cell, LENGTH])
    return total


@njit(**INLINE)
def _gathered_room(length: int) -> int:
    if length == 0:
        return 0
    return block_size(block_class(length + (length >> 3) + 1))


@njit(**JIT)
def gather_pool(old: Any, new: Any, cells: Cells, free_lists: Any, scalars: Any) -> None:
    """Move every list from `old` to `new`, in the order of the cells, with a little room."""
    index = cells.listeners
    end = 0
    longest = 0
    for cell in range(index.shape[0]):
        length = index[cell, LENGTH]
        room = _gathered_room(length)
        start = index[cell, START]
        for q in range(length):
            new[end + q] = old[start + q]
        index[cell, START] = end
        index[cell, ROOM] = room
        longest = max(longest, room)
        end += room
    free_lists[:] = -1
    scalars[POOL_END] = end
    scalars[LONGEST] = longest


@njit(**JIT)
def gather_rows(
    old: Synapses, new: Synapses, segments: Segments, next_id: int, free_rows: Any, scalars: Any
) -> None:
    """Move every segment's row from `old` to `new`, in the order of their ids."""
    end = 0
    for s in range(next_id):
        if segments.cell[s] < 0:
            continue
        row = segments.row[s]
        for k in range(segments.room[s]):
            new.cell[end + k] = old.cell[row + k]
            new.permanence[end + k] = old.permanence[row + k]
            new.place[end + k] = old.place[row + k]
        segments.row[s] = end
        end += segments.room[s]
    free_rows[:] = -1
    scalars[ROWS_END] = end
