"""The arrays of the CPU temporal memory, grouped as the compiled code takes them.

Segments own a row of synapse slots, a block of `synapses` that grows with the segment.
The inverted index lists, for each presynaptic cell, the synapses that listen to it: first
the connected ones, then the others, so that prediction reads connected ones only. Rows
and lists are blocks of a few sizes, taken from one array each (see `index`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from htmrun.backends.cpu.common import lanes
from htmrun.backends.cpu.common.packed import Layout
from htmrun.backends.cpu.memory.rules import INDEX_LIMIT
from htmrun.errors import UserError

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]

# Places in `Memory.scalars`; the counters come first, in the order of `tm_contract.COUNTERS`.
SEGMENTS_CREATED, SEGMENTS_DESTROYED, SEGMENTS_EVICTED = 0, 1, 2
SYNAPSES_CREATED, SYNAPSES_DESTROYED, EVENTS_DROPPED = 3, 4, 5
NEXT_ID, FREE_TOP = 6, 7  # FREE_TOP: id freed last, -1: none; `Segments.next` links the rest
ROWS_END, POOL_END = 8, 9  # first place of `synapses` and `pool` that no block ever took
LONGEST = 10  # at least the size of the largest list
EVENTS, SNAPSHOTS, CURSOR = 11, 12, 13  # of the queue; CURSOR: next event to commit
CREATED, GONE = 14, 15  # segments created and destroyed in the running commit
NEED = 16  # places missing in the array that ran short
SWEPT = 17  # 1: the running commit has evicted; `Segments.gone` is then cleared as a whole
FRESH = 18  # new segments that have yet to get their synapses
CHUNKS_END, FREE_CHUNK = 19, 20  # of signatures: chunks ever taken; the one freed last, -1: none
SCALARS = 21

# Places in the position of a chunk: its sample, the sample counter, a commit was cut short.
SAMPLE, TIME, COMMITTING = 0, 1, 2

# Places in a row of `Cells.listeners`.
START, ROOM, LENGTH, CONNECTED = 0, 1, 2, 3

BLOCK_CLASSES = 128

CHUNK = 8
"""Signatures of a chunk."""

FRESH_MOST = 64
"""New segments that get their synapses together, at most."""

JOINED = 4096
"""Entries that are counted together."""

_SYNAPSES_MOST = 255  # of a segment: `Segments.size` holds no more


# Arrays of segments, slots and entries are laid out with so many times their spare places behind
# them, which they take without a move. What nobody has written to takes address space only.
_RESERVED = 7


class Spare(NamedTuple):
    """Places that new arrays have, and that arrays gain at least when they run short."""

    segments: int = 16384
    slots: int = 1 << 17
    entries: int = 1 << 17
    events: int = 256
    snapshots: int = 16
    cells: int = 4096


SPARE = Spare()
"""Large, for moving a young memory again and again would slow it down."""


class Cells(NamedTuple):
    """By cell: its list in the pool, its segments; by column: how many segments it has."""

    listeners: I32  # (cells, 4): START, ROOM, LENGTH, CONNECTED
    first: I32  # (cells,) a segment, -1: none; `Segments.next` links the rest
    owned: I32  # (cells,) number of segments
    mark: U8  # (cells + 1,) scratch, 0 outside of a call: 1 active, 2 winner, 4 on the segment
    column_segments: I32  # (columns,)
    chunk: I32  # (columns,) newest of `Signatures`, -1: none; `Signatures.before` links the rest
    heard: U64  # bit by cell: whether it has a connected entry


class Segments(NamedTuple):
    """By segment id."""

    cell: I32  # -1: the id is free
    next: I32  # next segment of the same cell, or next free id; -1: none
    row: I32  # first slot in `Synapses`
    room: npt.NDArray[np.int16]  # slots of the row
    size: U8  # synapses
    last_used: I64
    tally: U8  # scratch, 0 outside of a call: active synapses
    gone: U8  # scratch, 0 outside of a commit: was destroyed in this commit
    matching: I32  # scratch, a list of segments
    chain: I32  # scratch, links the segments of a column
    record: I32  # where its signature is


class Synapses(NamedTuple):
    """By slot. An empty slot has the cell number `cells`, which is never active."""

    cell: I32  # presynaptic
    permanence: npt.NDArray[np.int16]
    place: npt.NDArray[np.uint16]  # low bits of its entry's place in the cell's list


class Signatures(NamedTuple):
    """By column, a chunk of segments after the other: see `signatures`."""

    byte: U8  # (chunks * CHUNK * Rules.signature,)
    owner: I32  # (chunks * CHUNK,) segment
    before: I32  # (chunks,) the next older chunk of the column, or next free chunk; -1: none
    listed: I32  # (chunks,) scratch, a list of chunks


class Scratch(NamedTuple):
    """Room to work in; heads are -1 outside of a call."""

    active_head: I32  # (columns,) segments of a column, linked by `Segments.chain`
    matching_head: I32  # (columns,)
    created_head: I32  # (columns,) places in `Queue.created_*`
    columns: I32  # (columns,) the columns of `matching_head`
    free_rows: I64  # (BLOCK_CLASSES,) first free block of each size, -1: none
    free_lists: I64
    buckets: I32  # (1024,)
    words: npt.NDArray[np.uint64]  # (cells of a column or LANES, whichever is more)
    fresh: I32  # (FRESH_MOST,) new segments that have yet to get their synapses
    chosen: npt.NDArray[np.uint32]  # by synapse of these: place among the winners
    lanes: npt.NDArray[np.uint32]  # see `common.lanes`
    pairs: U8  # the network used last: places that are ordered
    joined: npt.NDArray[np.uint32]  # (JOINED,) entries, copied from lists
    groups: U8  # 1: bytes that synapses on active cells have; 0 outside of a call; see `look_up`
    network: I64  # length of its lists, how many places are sorted, pairs


class Queue(NamedTuple):
    """The pending window; event arrays have one length, snapshot arrays grow apart."""

    snapshot: I32  # by event: index of its snapshot
    kind: U8
    target: I32  # segment, or the cell of a create
    gone: I32  # segments destroyed in the running commit
    created: I32  # segments created in the running commit, -1: destroyed again
    created_snapshot: I32
    created_next: I32  # links those of one column
    sample: I64  # by snapshot
    active_start: I64  # by snapshot, one more than snapshots
    winners_start: I64
    active: I32
    winners: I32
    keys: npt.NDArray[np.uint64]  # scratch, as long as `winners`: candidates as (hash, cell)
    chosen: npt.NDArray[np.uint64]  # scratch, likewise


class Activity(NamedTuple):
    """What a chunk says; row 0 of `active` and `winners` is the sample before the chunk."""

    active: I32
    active_start: I64  # (T + 2,)
    winners: I32
    winners_start: I64
    predicted: I32
    predicted_start: I64  # (T + 1,)
    hits: I32
    bursting: I32


class Memory(NamedTuple):
    """Everything of one temporal memory but its parameters."""

    scalars: I64
    cells: Cells
    segments: Segments
    synapses: Synapses
    pool: npt.NDArray[np.uint32]
    signatures: Signatures
    scratch: Scratch
    queue: Queue


def allocate(cells: int, columns: int, width: int, segments: int = 0, slots: int = 0) -> Memory:
    """Return an empty memory with room for that many segments and synapse slots, and to spare."""
    segments += SPARE.segments
    ids = [
        reserved(segments, SPARE.segments, dtype, np.zeros)
        for dtype in (
            *(np.int32, np.int32, np.int32, np.int16, np.uint8),
            *(np.int64, np.uint8, np.uint8, np.int32, np.int32, np.int32),
        )
    ]
    ids[0][:] = -1
    groups = _on_lines(80).view(np.uint8)
    groups[255] = 1
    scalars = np.zeros(SCALARS, np.int64)
    scalars[FREE_TOP] = scalars[FREE_CHUNK] = -1
    return Memory(
        scalars,
        Cells(
            np.zeros((cells, 4), np.int32),
            np.full(cells, -1, np.int32),
            np.zeros(cells, np.int32),
            np.zeros(cells + 1, np.uint8),
            np.zeros(columns, np.int32),
            np.full(columns, -1, np.int32),
            np.zeros(cells // 64 + 1, np.uint64),
        ),
        Segments(*ids),
        synapses(slots + SPARE.slots),
        entries(SPARE.entries),
        signatures(columns, segments, width),
        Scratch(
            np.full(columns, -1, np.int32),
            np.full(columns, -1, np.int32),
            np.full(columns, -1, np.int32),
            np.empty(columns, np.int32),
            np.full(BLOCK_CLASSES, -1, np.int64),
            np.full(BLOCK_CLASSES, -1, np.int64),
            np.zeros(1024, np.int32),
            np.zeros(max(cells // columns, lanes.LANES), np.uint64),
            np.zeros(FRESH_MOST, np.int32),
            np.zeros(FRESH_MOST * _SYNAPSES_MOST, np.uint32),
            _on_lines(lanes.LANES * lanes.LONGEST),
            np.zeros(2 * lanes.MOST_PAIRS, np.uint8),
            _on_lines(JOINED),
            groups,
            np.zeros(3, np.int64),
        ),
        queue(SPARE.events, SPARE.snapshots, SPARE.cells),
    )


def queue(events: int, snapshots: int, cells: int) -> Queue:
    """Return an empty queue with room for that many events, snapshots and cells in them."""
    return Queue(
        snapshot=np.zeros(events, np.int32),
        kind=np.zeros(events, np.uint8),
        target=np.zeros(events, np.int32),
        gone=np.zeros(events, np.int32),
        created=np.zeros(events, np.int32),
        created_snapshot=np.zeros(events, np.int32),
        created_next=np.zeros(events, np.int32),
        sample=np.zeros(snapshots, np.int64),
        active_start=np.zeros(snapshots + 1, np.int64),
        winners_start=np.zeros(snapshots + 1, np.int64),
        active=np.zeros(cells, np.int32),
        winners=np.zeros(cells, np.int32),
        keys=np.zeros(cells, np.uint64),
        chosen=np.zeros(cells, np.uint64),
    )


def synapses(slots: int) -> Synapses:
    """Return `slots` slots, contents undefined; UserError if they cannot be numbered."""
    check_index("synapse slots", slots)
    spare = SPARE.slots
    return Synapses(
        reserved(slots, spare, np.int32),
        reserved(slots, spare, np.int16),
        reserved(slots, spare, np.uint16),
    )


def entries(number: int) -> npt.NDArray[np.uint32]:
    """Return so many places of the pool, contents undefined; UserError as of `synapses`."""
    check_index("entries of the index", number)
    return reserved(number, SPARE.entries, np.uint32)


def signatures(columns: int, segments: int, width: int) -> Signatures:
    """Return room for the signatures of so many segments, `width` bytes each, all of them empty."""
    lengths = signature_lengths(columns, segments, width)
    spare = signature_lengths(0, SPARE.segments, width)
    return Signatures(
        reserved(lengths[0], spare[0], np.uint8, np.zeros),
        *(reserved(n, more, np.int32) for n, more in zip(lengths[1:], spare[1:], strict=True)),
    )


def signature_lengths(columns: int, segments: int, width: int) -> list[int]:
    """Return the lengths of the arrays of `Signatures`: in every column one chunk may have room."""
    chunks = columns + -(-segments // CHUNK)
    return [chunks * CHUNK * width, chunks * CHUNK, chunks, chunks]


def activity(samples: int, cells: int) -> Activity:
    """Return room for that many samples, and for that many cells or columns on each list."""
    return Activity(
        np.empty(cells, np.int32),
        np.zeros(samples + 2, np.int64),
        np.empty(cells, np.int32),
        np.zeros(samples + 2, np.int64),
        np.empty(cells, np.int32),
        np.zeros(samples + 1, np.int64),
        np.zeros(samples, np.int32),
        np.zeros(samples, np.int32),
    )


def check_index(what: str, number: int) -> None:
    """Raise UserError if `number` of something does not fit an int32."""
    if number > INDEX_LIMIT:
        raise UserError(
            f"temporal_memory: found {number} {what}, expected at most {INDEX_LIMIT}; "
            "lower tm.segments_per_column"
        )


def reserved(length: int, spare: int, dtype: Any, make: Any = np.empty) -> np.ndarray:
    """Return `length` places made by `make`, with more of the kind behind them."""
    return make(length + _RESERVED * spare, dtype)[:length]


def _on_lines(words: int) -> npt.NDArray[np.uint32]:
    """Return uint32 words that begin where a cache line does."""
    line = 64
    whole = np.zeros(words + line // 4, np.uint32)
    begin = -whole.__array_interface__["data"][0] % line // 4
    return whole[begin : begin + words]


def lengthened(arrays: Sequence[np.ndarray], lengths: Sequence[int]) -> list[np.ndarray] | None:
    """Return the arrays with so many places where they lie; None if one has too few behind it."""
    longer = []
    for array, length in zip(arrays, lengths, strict=True):
        whole = array.base
        if not isinstance(whole, np.ndarray) or whole.dtype != array.dtype or len(whole) < length:
            return None
        longer.append(whole[:length])
    return longer


def copy(old: Iterable[Any], new: Iterable[Any], length: int | None = None) -> None:
    """Copy each array of a named tuple, or its first `length` places, to the start of another's."""
    for source, target in zip(old, new, strict=True):
        some = source[:length]
        target[: len(some)] = some


def nbytes(part: object) -> int:
    """Return the bytes of all arrays in a nest of tuples, slack included."""
    if isinstance(part, np.ndarray):
        return part.nbytes
    return sum(nbytes(p) for p in part) if isinstance(part, tuple) else 0


MEMORY = Layout(allocate(1, 1, 32))
ACTIVITY = Layout(activity(0, 0))
