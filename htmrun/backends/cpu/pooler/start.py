"""Where the CPU spatial pooler starts: its arrays, potential pools, permanences."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends import rng, topology
from htmrun.backends.cpu.common.numeric import JIT, mix, trailing_zeros
from htmrun.backends.cpu.pooler.compact import number_places, whole_word
from htmrun.backends.cpu.pooler.layout import (
    BYTES,
    I64,
    SHARED,
    SHIFT,
    SLACK,
    U64,
    Memory,
    row_words,
    zeros,
)
from htmrun.backends.cpu.pooler.listed import list_inputs, lists
from htmrun.backends.cpu.pooler.rows import adapt_word
from htmrun.backends.cpu.pooler.simd import WORDS
from htmrun.backends.cpu.pooler.window import turn_block
from htmrun.backends.fixed_point import NO_SYNAPSE, PERMANENCE_ONE, permanence
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.sp_contract import pool_size

_PARALLEL_FROM = 1 << 22
"""Synapses from which starting threads pays."""


def empty_memory(columns: int, inputs: int, words: int, places: int | None = None) -> Memory:
    """Return the arrays of a pooler of `inputs` -> `columns`: no synapse, neutral boost.

    words: of a column's row, see `compact.words`. places: of it, see `listed.places`; usually all.
    """
    cw, iw = row_words(columns), -(-inputs // 64)
    c, i, p = cw * 64, iw * 64, 64 * words if places is None else places
    pool = zeros((c, iw), np.uint64)
    memory = Memory(
        x=zeros((c, p), np.int16),
        pool=pool,
        synapses=pool if words == iw else zeros((c, words), np.uint64),
        first=zeros((c, 0 if words == iw else iw + 1), np.uint32),
        look=zeros((c, 2 * p if lists(inputs, words) else 0), np.uint8),
        connected=zeros((c, words), np.uint64),
        by_input=zeros((i + 1, cw), np.uint64),
        active_duty=zeros(c, np.uint32),
        overlap_duty=zeros(c, np.uint32),
        min_overlap_duty=zeros(c, np.uint32),
        boost=zeros(c, np.float32),
        reached=zeros(c, np.int64),
        planes=zeros((8 * BYTES + 1, cw), np.uint64),
        overlap_bytes=zeros((BYTES, c // 8), np.uint64),
        scores=zeros(c, np.float32),
        levels=zeros(c, np.uint8),
        candidates=zeros(cw, np.uint64),
        selected=zeros(cw, np.uint64),
        level=zeros(cw, np.uint64),
        within=zeros(cw, np.uint64),
        below=zeros(cw, np.uint64),
        starts=zeros(2 * cw + 1, np.int64),
        counts=zeros((8 * BYTES + 1, WORDS), np.uint64),
        list_keys=zeros(c, np.uint32),
        change=zeros(i, np.int16),
        window_planes=zeros((8 * BYTES + 1, -(-iw // 8) * 8), np.uint64),
        totals=zeros(i, np.int64),
        packed=zeros(iw + 1, np.uint64),
        flips=zeros(-(-iw // 64) * 64, np.uint64),
        noted=zeros((64, words), np.uint64),
        touched=zeros(-(-iw // 64), np.uint64),
        flip_inputs=zeros(i, np.int32),
        wins=zeros(c, np.uint32),
        sums=zeros(c, np.int64),
        line=zeros(3 * c, np.int64),
        listed=zeros(2 * c + SLACK, np.int32),
        difference=zeros(c, np.int32),
        places=zeros(256, np.int64),
        hint=np.array([0.0, 0.9, 0.2, 0.6]),
    )
    memory.x[:] = -SHIFT
    memory.boost[:] = 1
    return memory


def helping(m: Memory, reached: I64) -> Memory:
    """Return what another thread works with: the same state, scratch and `reached` of its own."""
    own = {name: _copied(array) for name, array in m._asdict().items() if name not in SHARED}
    return m._replace(**{**own, "reached": reached})


def _copied(values: np.ndarray) -> np.ndarray:
    out = zeros(values.shape, values.dtype.type)
    out[:] = values
    return out


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


class Pools(NamedTuple):
    """Which inputs columns can reach, and how many of these are in a pool.

    Column c reaches inputs reach[offsets[c]:offsets[c + 1]], ascending; of one entry, all the same.
    """

    reach: I64
    offsets: I64
    sizes: I64


def pools_of(p: SpatialPoolerParameters, input_shape: tuple[int, ...], inputs: int) -> Pools:
    """Return the pools' sizes; raises UserError where one would be empty."""
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
    return Pools(reach, offsets, sizes)


def draw(p: SpatialPoolerParameters, pools: Pools, inputs: int, seed: int, m: Memory) -> None:
    """Fill pools and initial permanences; the result does not depend on the number of threads."""
    reach, offsets, sizes = pools
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
        m.synapses,
        m.first,
    )
    connect(p, m)


def connect(p: SpatialPoolerParameters, m: Memory) -> None:
    """Bring both bit matrices in line with permanences and pools."""
    m.by_input[:] = 0
    if m.look.shape[1] > 0:
        _in_parallel(p.columns, m.x.size, list_inputs, m.pool, m.look)
    threshold = permanence(p.connected)
    _in_parallel(p.columns, m.x.size, _connect, threshold, m.x, m.synapses, m.connected)
    _in_parallel(p.columns, m.pool.size * 64, _transpose, m.connected, m.pool, m.first, m.by_input)


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
    synapses: U64,
    first: npt.NDArray[np.uint32],
) -> None:
    compact = synapses.shape[1] != pool.shape[1]
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
        place = 0
        for j in range(len(near)):
            # Without a branch: half the inputs are in the pool, which cannot be predicted.
            i = near[j]
            inside = words[j] <= limit
            pool[c, i >> 6] |= np.uint64(inside) << np.uint64(i & 63)
            value = _start_value(mix(prefix ^ np.uint64(i)), threshold, spread, connected_below)
            x[c, place if compact else i] = np.int16(value - SHIFT)
            place += np.int64(inside)
        if compact:
            x[c, place] = np.int16(-SHIFT)  # The last one outside may have left its own there.
            number_places(pool[c], first[c], synapses[c])


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
    start: int, stop: int, threshold: int, x: npt.NDArray[np.int16], synapses: U64, connected: U64
) -> None:
    for c in range(start, stop):
        for w in range(synapses.shape[1]):
            mask = adapt_word(x, c, w, np.uint64(0), (0, 0), threshold)
            connected[c, w] = mask & synapses[c, w]


@njit(**JIT)
def _transpose(
    start: int,
    stop: int,
    connected: U64,
    pool: U64,
    first: npt.NDArray[np.uint32],
    by_input: U64,
) -> None:
    compact = connected.shape[1] != pool.shape[1]
    block = np.empty(64, np.uint64)
    for a in range(start, stop, 64):
        for w in range(pool.shape[1]):
            for c in range(a, a + 64):
                if compact:
                    block[c - a] = whole_word(c, w, connected, pool, first)
                else:
                    block[c - a] = connected[c, w]
            turn_block(block)
            for b in range(64):
                by_input[w * 64 + b, a >> 6] = block[b]


@njit(**JIT)
def largest_pool(source: npt.NDArray[np.int16]) -> int:
    """Return the most potential synapses of a column of canonical permanences."""
    most = 0
    for c in range(source.shape[0]):
        count = 0
        for i in range(source.shape[1]):
            count += np.int64(source[c, i] != NO_SYNAPSE)
        most = max(most, count)
    return most


@njit(**JIT)
def take_permanences(source: npt.NDArray[np.int16], m: Memory) -> None:
    """Fill `m.x` and the pools from canonical permanences, int16 (columns, inputs)."""
    m.pool[:] = np.uint64(0)
    m.x[:] = np.int16(-SHIFT)
    compact = m.synapses.shape[1] != m.pool.shape[1]
    for c in range(source.shape[0]):
        place = 0
        for i in range(source.shape[1]):
            if source[c, i] != NO_SYNAPSE:
                m.x[c, place if compact else i] = np.int16(source[c, i] - SHIFT)
                m.pool[c, i >> 6] |= np.uint64(1) << np.uint64(i & 63)
                place += 1
        if compact:
            number_places(m.pool[c], m.first[c], m.synapses[c])


@njit(**JIT)
def give_permanences(out: npt.NDArray[np.int16], m: Memory) -> None:
    """Write canonical permanences, int16 (columns, inputs), to `out`."""
    inputs, none = out.shape[1], np.int16(NO_SYNAPSE)
    compact = m.synapses.shape[1] != m.pool.shape[1]
    for c in range(out.shape[0]):
        place = 0
        for w in range((inputs + 63) >> 6):
            pool, first = m.pool[c, w], w * 64
            if compact:
                out[c, first : min(first + 64, inputs)] = none
                while pool != np.uint64(0):
                    b = np.int64(trailing_zeros(pool))
                    out[c, first + b] = np.int16(m.x[c, place] + SHIFT)
                    place += 1
                    pool &= pool - np.uint64(1)
                continue
            # Word by word, without a jump inside: the compiler does many inputs at once.
            for b in range(min(64, inputs - first)):
                there = (pool >> np.uint64(b)) & np.uint64(1)
                value = np.int16(m.x[c, first + b] + SHIFT)
                out[c, first + b] = value if there else none
