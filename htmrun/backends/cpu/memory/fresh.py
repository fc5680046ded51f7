"""The synapses of a sample's new segments, all at once.

They all listen to the same cells, the winners of the sample before. So each of these has its
list looked up and lengthened once, whatever the number of segments; and as nothing is on the
segments yet, the choices are made side by side (`common.lanes`). Nothing else asks for the synapses
of a new segment until the events of its sample are over: a segment is queued before it is
created, and the sample's other events are about other segments.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from htmrun.backends.cpu.common.lanes import LANES, LONGEST, network, order
from htmrun.backends.cpu.common.numeric import mix
from htmrun.backends.cpu.common.prefetch import ask_to_write
from htmrun.backends.cpu.memory.arrays import (
    FRESH,
    LENGTH,
    NEED,
    POOL_END,
    ROOM,
    ROWS_END,
    START,
    SYNAPSES_CREATED,
)
from htmrun.backends.cpu.memory.index import (
    INLINE,
    add_entry,
    block_class,
    block_size,
    lengthen_list,
    longer,
    take_block,
)
from htmrun.backends.cpu.memory.sample import hash_places, smallest
from htmrun.backends.cpu.memory.signatures import byte_of, sign, sign_always

_LOW = np.uint64(0x00000000FFFFFFFF)

# Low bits of a lane's word: the place among the winners. The bits above are of its hash: two that
# have the same of them are told apart by the whole hash.
_PLACE = np.uint32(LONGEST - 1)

_HALF, _ONE, _TWO = np.uint64(32), np.uint64(1), np.uint64(2)
_LANES = np.uint64(LANES)

# For fewer segments than this it is quicker to sort one by one.
_FEW = 3

_LINE = 64  # bytes of a cache line


@njit(**INLINE)
def add_fresh(s: int, winners: int, rules: Any, memory: Any) -> None:
    """Take a row for the new segment, and note that it has yet to get its synapses."""
    segments, synapses, scalars = memory.segments, memory.synapses, memory.scalars
    n = min(rules.new_synapses, winners)  # parameters ask for no more than a segment holds
    c = block_class(n)
    room = block_size(c)
    row = take_block(c, memory.scratch.free_rows, synapses.cell, scalars, ROWS_END)
    for y in range(np.uint64(row + n), np.uint64(row + room)):
        synapses.cell[y] = rules.cells
    for y in range(row, row + n, _LINE // 4):
        ask_to_write(synapses.cell, y)
    for y in range(row, row + n, _LINE // 2):
        ask_to_write(synapses.permanence, y)
        ask_to_write(synapses.place, y)
    segments.row[s] = row
    segments.room[s] = room
    memory.scratch.fresh[scalars[FRESH]] = s
    scalars[FRESH] += 1


@njit(**INLINE)
def connect_fresh(word: Any, winners: Any, rules: Any, memory: Any) -> bool:
    """Give the noted segments their synapses; word = mix(key ^ sample).

    False, and nothing done, if the pool needs `scalars[NEED]` more places first.
    """
    scalars, scratch = memory.scalars, memory.scratch
    segments = scratch.fresh[: scalars[FRESH]]
    n = min(rules.new_synapses, np.int64(winners.shape[0]))
    _choose(word, winners, n, segments, memory)
    if not _make_room(winners, n * segments.shape[0], memory):
        return False
    if rules.initial >= rules.connected:
        _write_connected(segments, winners, n, rules, memory)
    else:
        _write(segments, winners, n, rules, memory)
    scalars[SYNAPSES_CREATED] += n * segments.shape[0]
    scalars[FRESH] = 0
    return True


@njit(**INLINE)
def _choose(word: Any, winners: Any, n: int, segments: Any, memory: Any) -> None:
    """Write to `scratch.chosen`, segment after segment, the `n` places among the winners."""
    scratch = memory.scratch
    m = winners.shape[0]
    for q in range(m):
        ask_to_write(memory.cells.listeners, 4 * np.int64(winners[q]))
    at = 0
    while at < segments.shape[0]:
        some = min(np.int64(LANES), segments.shape[0] - at)
        if m > LONGEST or some < _FEW or n > LONGEST:
            _choose_one(mix(word ^ np.uint64(segments[at])), winners, n, at, memory)
            at += 1
            continue
        for lane in range(some):
            scratch.words[lane] = mix(word ^ np.uint64(segments[at + lane]))
        _hash(winners, scratch.words, scratch.lanes)
        _sort(m, min(n + 1, m), scratch)
        for lane in range(some):
            _read(np.uint64(lane), np.uint64(n), np.uint64(at + lane), scratch)
        # Of the first place that is left out, too, the choice has to be certain.
        if _ambiguous(min(n, m - 1), scratch.lanes):
            for lane in range(some):
                _choose_one(scratch.words[lane], winners, n, at + lane, memory)
        at += some


@njit(**INLINE)
def _choose_one(word: Any, winners: Any, n: int, at: int, memory: Any) -> None:
    queue, chosen = memory.queue, memory.scratch.chosen
    hash_places(word, winners, queue.keys)
    smallest(queue.keys, winners.shape[0], n, queue.chosen, memory.scratch.buckets)
    for k in range(np.uint64(n)):
        chosen[np.uint64(at * n) + k] = queue.chosen[k] & _LOW


@njit(**INLINE)
def _hash(winners: Any, words: Any, lanes: Any) -> None:
    for q in range(np.uint64(winners.shape[0])):
        cell = np.uint64(winners[q])
        place = np.uint32(q)
        for lane in range(_LANES):
            hashed = np.uint32(mix(words[lane] ^ cell) >> _HALF)
            lanes[q * _LANES + lane] = (hashed & ~_PLACE) | place


@njit(**INLINE)
def _sort(m: int, n: int, scratch: Any) -> None:
    """Sort the first `m` words of all lanes as far as the `n` smallest."""
    if scratch.network[0] != m or scratch.network[1] != n:
        scratch.network[0], scratch.network[1] = m, n
        scratch.network[2] = network(m, n, scratch.pairs)
    for c in range(np.uint64(scratch.network[2])):
        low, high = scratch.pairs[_TWO * c], scratch.pairs[_TWO * c + _ONE]
        order(scratch.lanes, np.int64(low), np.int64(high))


@njit(**INLINE)
def _read(lane: Any, n: Any, at: Any, scratch: Any) -> None:
    for k in range(n):
        scratch.chosen[at * n + k] = scratch.lanes[k * _LANES + lane] & _PLACE


@njit(**INLINE)
def _ambiguous(n: int, lanes: Any) -> bool:
    """Return whether in a lane two of the first words, up to word `n`, have the same of a hash."""
    same = False
    for at in range(np.uint64(n) * _LANES):
        same |= (lanes[at] ^ lanes[at + _LANES]) <= _PLACE
    return same


@njit(**INLINE)
def _make_room(winners: Any, synapses: int, memory: Any) -> bool:
    """Lengthen the winners' lists by their new entries; False if the pool is too short."""
    index, scalars, scratch, queue = (
        memory.cells.listeners,
        memory.scalars,
        memory.scratch,
        memory.queue,
    )
    ends = queue.keys  # free once the choice is made
    m = np.uint64(winners.shape[0])
    for q in range(m):
        ends[q] = 0
    for k in range(np.uint64(synapses)):
        ends[np.uint64(scratch.chosen[k])] += _ONE
    need = 0
    for q in range(m):
        header = index[winners[q]]
        length = header[LENGTH] + np.int64(ends[q])
        if length > header[ROOM]:
            need += longer(length - 1)
    if need > memory.pool.shape[0] - scalars[POOL_END]:
        scalars[NEED] = need
        return False
    for q in range(m):
        cell = np.int64(winners[q])
        length = index[cell, LENGTH] + np.int64(ends[q])
        if length > index[cell, ROOM]:
            lengthen_list(cell, length, index, memory.pool, scratch.free_lists, scalars)
    return True


@njit(**INLINE)
def _write(segments: Any, winners: Any, n: int, rules: Any, memory: Any) -> None:
    synapses, pool, index = memory.synapses, memory.pool, memory.cells.listeners
    chosen, ends, starts = memory.scratch.chosen, memory.queue.keys, memory.queue.chosen
    for q in range(np.uint64(winners.shape[0])):
        cell = np.uint64(winners[q])
        start = np.uint64(index[cell, START])
        # Where its list begins, and the byte of synapses on it above.
        starts[q] = start | np.uint64(byte_of(np.int64(cell), rules.group_bits)) << _HALF
        end = start + np.uint64(index[cell, LENGTH])
        index[cell, LENGTH] += np.int64(ends[q])
        for at in range(end, end + ends[q], _LINE // 4):
            ask_to_write(pool, at)
        ends[q] = end
    at = np.uint64(0)
    bits = np.uint64(rules.slot_bits)
    byte, width = memory.signatures.byte, np.uint64(rules.signature)  # a power of two
    for f in range(np.uint64(segments.shape[0])):
        s = np.uint64(segments[f])
        row = np.uint64(memory.segments.row[s])
        memory.segments.size[s] = n
        signature = np.uint64(memory.segments.record[s]) * width
        synapses.permanence[row : row + np.uint64(n)] = rules.initial
        for k in range(np.uint64(n)):
            q = np.uint64(chosen[at + k])
            place = ends[q]
            ends[q] = place + _ONE
            pool[place] = (s << bits) | k
            synapses.cell[row + k] = winners[q]
            synapses.place[row + k] = place - (starts[q] & _LOW)
            byte[signature + (k & (width - _ONE))] = starts[q] >> _HALF
        if np.uint64(n) > width:
            sign_always(np.int64(s), rules.signature, memory)
        at += np.uint64(n)


@njit(**INLINE)
def _write_connected(segments: Any, winners: Any, n: int, rules: Any, memory: Any) -> None:
    synapses, scratch = memory.synapses, memory.scratch
    for f in range(segments.shape[0]):
        s = np.int64(segments[f])
        row = np.int64(memory.segments.row[s])
        memory.segments.size[s] = n
        for k in range(n):
            cell = np.int64(winners[scratch.chosen[f * n + k]])
            synapses.cell[row + k] = cell
            synapses.permanence[row + k] = rules.initial
            sign(s, k, cell, rules, memory)
            add_entry(
                cell,
                (s << rules.slot_bits) | k,
                row + k,
                True,
                rules.slot_bits,
                memory.cells.listeners,
                memory.cells.heard,
                memory.pool,
                memory.segments,
                synapses,
                scratch.free_lists,
                memory.scalars,
            )
