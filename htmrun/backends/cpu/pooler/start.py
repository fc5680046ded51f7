"""Where the CPU spatial pooler starts: potential pools, permanences, neighbourhood masks."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends import rng, topology
from htmrun.backends.cpu.common.numeric import JIT, mix
from htmrun.backends.cpu.pooler.layout import BYTES, I64, SHARED, SHIFT, SLACK, U64, Field, Memory
from htmrun.backends.cpu.pooler.local_visits import LINES, PLANES, TOGETHER, VISITS
from htmrun.backends.cpu.pooler.simd import WORDS, adapt_by_bits
from htmrun.backends.cpu.pooler.torus_masks import torus_masks
from htmrun.backends.cpu.pooler.torus_neighbours import NEAR
from htmrun.backends.cpu.pooler.window import turn_block
from htmrun.backends.fixed_point import NO_SYNAPSE, PERMANENCE_ONE, permanence
from htmrun.backends.parameters import SpatialPoolerParameters, round_half_up
from htmrun.backends.sp_contract import pool_size

_PARALLEL_FROM = 1 << 22
"""Synapses from which starting threads pays."""


_LINE = 64
"""Bytes of a cache line."""


def empty_memory(columns: int, inputs: int) -> Memory:
    """Return the arrays of a pooler of `inputs` -> `columns`: no synapse, neutral boost."""
    cw, iw = _row_words(columns), -(-inputs // 64)
    c, i = cw * 64, iw * 64
    memory = Memory(
        x=_zeros((c, i), np.int16),
        pool=_zeros((c, iw), np.uint64),
        connected=_zeros((c, iw), np.uint64),
        by_input=_zeros((i + 1, cw), np.uint64),
        active_duty=_zeros(c, np.uint32),
        overlap_duty=_zeros(c, np.uint32),
        min_overlap_duty=_zeros(c, np.uint32),
        boost=_zeros(c, np.float32),
        reached=_zeros(c, np.int64),
        planes=_zeros((8 * BYTES + 1, cw), np.uint64),
        wrapped=_zeros((8 * BYTES, cw + NEAR), np.uint64),
        overlap_bytes=_zeros((BYTES, c // 8), np.uint64),
        scores=_zeros(c, np.float32),
        candidates=_zeros(cw, np.uint64),
        selected=_zeros(cw, np.uint64),
        level=_zeros(cw, np.uint64),
        lower=_zeros(cw, np.uint64),
        upper=_zeros(cw, np.uint64),
        visited=_zeros(cw, np.uint64),
        history=_zeros((VISITS // TOGETHER + 1, cw), np.uint64),
        list_keys=_zeros(c, np.uint32),
        change=_zeros(i, np.int16),
        window_planes=_zeros((8 * BYTES + 1, -(-iw // 8) * 8), np.uint64),
        totals=_zeros(i, np.int64),
        flips=_zeros(iw + 1, np.uint64),
        flip_words=_zeros(iw + 1, np.int32),
        flip_inputs=_zeros(i, np.int32),
        wins=_zeros(c, np.uint32),
        sums=_zeros(c, np.int64),
        line=_zeros(3 * c, np.int64),
        listed=_zeros(c + SLACK, np.int32),
        keyed=_zeros(c + 1, np.uint64),
        ranked=_zeros(c + SLACK, np.uint64),
        buckets=_zeros(256 + 1, np.uint64),
        difference=_zeros(c, np.int32),
        places=_zeros(256, np.int64),
        hint=np.array([0.0, 0.9, 0.2, 0.6]),
    )
    memory.x[:] = -SHIFT
    memory.boost[:] = 1
    return memory


def helping(m: Memory, f: Field, reached: I64) -> tuple[Memory, Field]:
    """Return what another thread works with: the same state, scratch and `reached` of its own."""
    own = {name: _aligned(array) for name, array in m._asdict().items() if name not in SHARED} | {
        "reached": reached
    }
    return m._replace(**own), f._replace(counters=_aligned(f.counters))


def _zeros(shape: int | tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
    """Return zeros that start at a cache line: a step over two lines takes twice as long."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + _LINE, np.uint8)
    start = -room.ctypes.data % _LINE
    return room[start : start + size].view(dtype).reshape(shape)


def _aligned(values: np.ndarray) -> np.ndarray:
    out = _zeros(values.shape, values.dtype.type)
    out[:] = values
    return out


def _row_words(columns: int) -> int:
    """Return the words of a padded row of columns: whole steps of 8.

    An odd number of steps if it is large: rows a power of two apart would share few places in
    the caches, and a column's changed connections lie in many rows.
    """
    steps = -(-columns // 512)
    return 8 * (steps + 1 if steps >= 16 and steps % 2 == 0 else steps)


def _in_parallel(columns: int, work: int, task: object, *arguments: object) -> None:
    """Call task(first, last, *arguments) over ranges of columns, on the cores there are."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if work < _PARALLEL_FROM:
        threads = 1
    # Whole words of columns: no two threads write to the same word of a bit matrix.
    step = -(-columns // (threads * 64)) * 64
    ranges = [(a, min(a + step, columns)) for a in range(0, columns, step)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda r: task(*r, *arguments), ranges))  # type: ignore[operator]


def draw(
    p: SpatialPoolerParameters, input_shape: tuple[int, ...], inputs: int, seed: int, m: Memory
) -> None:
    """Fill pools and initial permanences; the result does not depend on the number of threads."""
    if p.potential_radius is None:
        reach = np.arange(inputs)
        offsets = np.array([0, inputs])
    else:
        assert p.column_shape is not None
        reach, offsets = topology.reachable(input_shape, p.column_shape, p.potential_radius, p.wrap)
    by_reach = {
        int(n): pool_size(p.potential_fraction, int(n)) for n in np.unique(np.diff(offsets))
    }
    sizes = np.array([by_reach[int(n)] for n in np.diff(offsets)])
    _in_parallel(
        p.columns,
        p.columns * inputs,
        _draw_columns,
        reach,
        offsets,
        sizes,
        rng.key(seed, rng.Purpose.SP_POOL),
        rng.key(seed, rng.Purpose.SP_PERMANENCE),
        permanence(p.connected),
        permanence(p.initial_spread),
        int(p.initial_connected * 2**32),
        m.x,
        m.pool,
    )
    connect(p, m)


def connect(p: SpatialPoolerParameters, m: Memory) -> None:
    """Bring both bit matrices in line with permanences and pools."""
    m.by_input[:] = 0
    threshold = permanence(p.connected) - SHIFT
    _in_parallel(p.columns, m.x.size, _connect, threshold, m.x, m.pool, m.connected)
    _in_parallel(p.columns, m.x.size, _transpose, m.connected, m.by_input)


@njit(**JIT)
def _draw_columns(
    start: int,
    stop: int,
    reach: I64,
    offsets: I64,
    sizes: I64,
    pool_key: np.uint64,
    value_key: np.uint64,
    threshold: int,
    spread: int,
    connected_below: int,
    x: npt.NDArray[np.int16],
    pool: U64,
) -> None:
    longest = 0
    for c in range(len(sizes)):
        longest = max(longest, offsets[c + 1] - offsets[c])
    words = np.empty(longest, np.uint64)
    scratch = np.empty(longest, np.uint64)
    shared = len(sizes) == 1
    for c in range(start, stop):
        near = reach if shared else reach[offsets[c] : offsets[c + 1]]
        prefix = mix(pool_key ^ np.uint64(c))
        for j in range(len(near)):
            words[j] = mix(prefix ^ np.uint64(near[j]))
        limit = _smallest(words[: len(near)], scratch, sizes[0] if shared else sizes[c])
        prefix = mix(value_key ^ np.uint64(c))
        for j in range(len(near)):
            # Without a branch: half the inputs are in the pool, which cannot be predicted.
            i = near[j]
            pool[c, i >> 6] |= np.uint64(words[j] <= limit) << np.uint64(i & 63)
            value = _start_value(mix(prefix ^ np.uint64(i)), threshold, spread, connected_below)
            x[c, i] = np.int16(value - SHIFT)


@njit(**JIT)
def _smallest(words: U64, scratch: U64, size: int) -> np.uint64:
    """Return the size-th smallest word.

    The words are hashes of distinct inputs by a bijection: all differ, and they are evenly
    spread, so that one histogram of their top bits leaves a handful.
    """
    counts = np.zeros(1024, np.int64)
    for j in range(len(words)):
        counts[np.int64(words[j] >> np.uint64(54))] += 1
    need = size
    bucket = 0
    while counts[bucket] < need:
        need -= counts[bucket]
        bucket += 1
    n = 0
    for j in range(len(words)):
        scratch[n] = words[j]
        n += np.int64(np.int64(words[j] >> np.uint64(54)) == bucket)
        n = min(n, len(scratch) - 1)
    scratch[: counts[bucket]].sort()
    return scratch[need - 1]


@njit(**JIT)
def _start_value(word: np.uint64, threshold: int, spread: int, connected_below: int) -> int:
    low = np.int64(word & np.uint64(0xFFFFFFFF))
    if np.int64(word >> np.uint64(32)) < connected_below:
        value = threshold + ((low * (spread + 1)) >> 32)
    else:
        value = threshold - 1 - ((low * spread) >> 32)
    return min(max(value, 0), PERMANENCE_ONE)


@njit(**JIT)
def _connect(
    start: int, stop: int, threshold: int, x: npt.NDArray[np.int16], pool: U64, connected: U64
) -> None:
    limit = np.int16(threshold)
    for c in range(start, stop):
        for w in range(pool.shape[1]):
            at = (c * pool.shape[1] + w) * 64
            none = np.int16(0)
            mask = adapt_by_bits(x, at, np.uint64(0), none, none, np.int16(32767), limit)
            connected[c, w] = mask & pool[c, w]


@njit(**JIT)
def _transpose(start: int, stop: int, connected: U64, by_input: U64) -> None:
    block = np.empty(64, np.uint64)
    for first in range(start, stop, 64):
        for w in range(connected.shape[1]):
            for c in range(64):
                block[c] = connected[first + c, w]
            turn_block(block)
            for b in range(64):
                by_input[w * 64 + b, first >> 6] = block[b]


@njit(**JIT)
def take_permanences(source: npt.NDArray[np.int16], m: Memory) -> None:
    """Fill `m.x` and `m.pool` from canonical permanences, int16 (columns, inputs)."""
    m.pool[:] = np.uint64(0)
    m.x[:] = np.int16(-SHIFT)
    for c in range(source.shape[0]):
        for i in range(source.shape[1]):
            if source[c, i] != NO_SYNAPSE:
                m.x[c, i] = np.int16(source[c, i] - SHIFT)
                m.pool[c, i >> 6] |= np.uint64(1) << np.uint64(i & 63)


@njit(**JIT)
def give_permanences(out: npt.NDArray[np.int16], m: Memory) -> None:
    """Write canonical permanences, int16 (columns, inputs), to `out`."""
    inputs, none = out.shape[1], np.int16(NO_SYNAPSE)
    for c in range(out.shape[0]):
        # Word by word, without a jump inside: the compiler does many inputs at once.
        for w in range((inputs + 63) >> 6):
            pool, first = m.pool[c, w], w * 64
            for b in range(min(64, inputs - first)):
                there = (pool >> np.uint64(b)) & np.uint64(1)
                value = np.int16(m.x[c, first + b] + SHIFT)
                out[c, first + b] = value if there else none


def make_field(p: SpatialPoolerParameters) -> Field:
    """Return the neighbourhoods of local inhibition; empty under global inhibition."""
    if p.inhibition == "global":
        none, words = np.zeros(0, np.int64), np.zeros((0, 8), np.uint64)
        return Field(none, words, none, none, none, none, words, words, words, words)
    assert p.column_shape is not None
    assert p.inhibition_radius is not None
    rows = topology.neighbourhoods(p.column_shape, p.inhibition_radius, p.wrap)
    sizes = np.diff(rows[1])
    places = _places(p, sizes)
    start = _counters(places, _row_words(p.columns))
    shape = np.array(p.column_shape, np.int64)
    words, masks, offsets = _masks(*rows)
    near = _aligned(torus_masks(p, int(places.max())))
    return Field(
        words,
        _aligned(masks),
        offsets,
        sizes,
        places,
        shape,
        _aligned(start),
        _zeros(start.shape, np.uint64),
        _rows(words, masks, offsets, start, len(near) == 0),
        near,
    )


def _rows(words: I64, masks: U64, offsets: I64, start: U64, needed: bool) -> U64:
    """Return each column's neighbours as a whole row, if `needed` and if registers hold them.

    A column is not among its own neighbours: it would seem to be beaten by itself.
    """
    if not needed or start.shape[0] not in PLANES or start.shape[1] != LINES * WORDS:
        return np.zeros((0, 8), np.uint64)
    columns = np.arange(len(offsets) - 1)
    rows = _zeros((len(columns) + 1, start.shape[1]), np.uint64)
    owners = np.repeat(columns, np.diff(offsets))
    rows[owners[:, None], words[:, None] + np.arange(WORDS)] = masks
    rows[columns, columns // 64] ^= np.uint64(1) << (columns % 64).astype(np.uint64)
    return rows


def _places(p: SpatialPoolerParameters, sizes: I64) -> I64:
    by_size = {int(n): max(1, round_half_up(p.density * int(n))) for n in np.unique(sizes)}
    return np.array([by_size[int(n)] for n in sizes])


def _counters(places: I64, words: int) -> U64:
    """Return bit-sliced counters that overflow after `places` additions."""
    planes = int(places.max()).bit_length()
    if words == LINES * WORDS:
        planes = max(planes, min(PLANES))
    values = np.zeros(words * 64, np.int64)
    values[: len(places)] = (1 << planes) - places
    bits = (values >> np.arange(planes)[:, None] & 1).astype(np.uint8)
    return np.packbits(bits, axis=1, bitorder="little").view(np.uint64)


def _blocks(shape: tuple[int, ...], radius: int, wrap: bool) -> I64:
    """Return each column's block; two columns of a block are at most `radius` apart."""
    block = np.zeros(1, np.int64)
    for n in shape:
        whole = 2 * radius + 1 >= n if wrap else radius + 1 >= n
        parts = 1 if whole else -(-n // (radius + 1))
        block = (block[:, None] * parts + np.arange(n) * parts // n).ravel()
    return block


@njit(**JIT)
def _masks(indices: I64, offsets: I64) -> tuple[I64, U64, I64]:
    """Turn ascending index lists into lists of (first word, mask of 8 words), none empty."""
    out = np.zeros(len(offsets), np.int64)
    for row in range(len(offsets) - 1):
        out[row + 1] = out[row]
        for j in range(offsets[row], offsets[row + 1]):
            new = j == offsets[row] or indices[j] // 512 != indices[j - 1] // 512
            out[row + 1] += np.int64(new)
    words = np.zeros(out[-1], np.int64)
    masks = np.zeros((out[-1], 8), np.uint64)
    n = -1
    for row in range(len(offsets) - 1):
        for j in range(offsets[row], offsets[row + 1]):
            i = indices[j]
            n += np.int64(j == offsets[row] or i // 512 != indices[j - 1] // 512)
            words[n] = i // 512 * 8
            masks[n, i // 64 % 8] |= np.uint64(1) << np.uint64(i & 63)
    return words, masks, out


def most_winners(p: SpatialPoolerParameters, f: Field) -> int:
    """Return a bound on the winners of one sample: a block's best ones at most win."""
    if p.inhibition == "global":
        return min(p.active_columns, p.columns)
    assert p.column_shape is not None
    assert p.inhibition_radius is not None
    block = _blocks(p.column_shape, p.inhibition_radius, p.wrap)
    most = np.zeros(int(block.max()) + 1, np.int64)
    np.maximum.at(most, block, _places(p, f.sizes))
    return int(np.minimum(np.bincount(block), most).sum())
