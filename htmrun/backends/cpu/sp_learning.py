"""Commits and boosting: permanences of winners, duty cycles, weak columns, boost factors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.numeric import JIT, exp2, trailing_zeros
from htmrun.backends.cpu.sp_lanes import adapt_by_bits, adapt_by_change, add_where
from htmrun.backends.cpu.sp_local import neighbourhood_maxima, neighbourhood_sums
from htmrun.backends.cpu.sp_memory import I64, SHIFT, U64, Field, Memory, Rules
from htmrun.fixed_point import DUTY_ONE, PERMANENCE_ONE

_TOP = PERMANENCE_ONE - SHIFT


@njit(**JIT)
def input_words(on: npt.NDArray[np.int32], row: U64) -> None:
    """Set the bits `on` in `row`, clearing all others."""
    row[:] = np.uint64(0)
    for j in range(len(on)):
        row[on[j] >> 6] |= np.uint64(1) << np.uint64(on[j] & 63)


@njit(**JIT)
def _note_connected(c: int, w: int, mask: np.uint64, m: Memory) -> None:
    """Keep both bit matrices in step: `mask` says which of 64 synapses are connected now."""
    mask &= m.pool[c, w]
    flipped = mask ^ m.connected[c, w]
    if flipped == np.uint64(0):
        return
    m.connected[c, w] = mask
    bit = np.uint64(1) << np.uint64(c & 63)
    while flipped != np.uint64(0):
        i = w * 64 + np.int64(trailing_zeros(flipped))
        m.by_input[i, c >> 6] ^= bit
        flipped &= flipped - np.uint64(1)


@njit(**JIT)
def adapt_column(c: int, row: U64, up: int, down: int, threshold: int, m: Memory) -> None:
    """Add `up` to the synapses of column `c` whose bit is set in `row`, `down` to the others."""
    width = m.connected.shape[1]
    for w in range(width):
        mask = adapt_by_bits(
            m.x,
            (c * width + w) * 64,
            row[w],
            np.int16(up),
            np.int16(down),
            np.int16(_TOP),
            np.int16(threshold - SHIFT),
        )
        _note_connected(c, w, mask, m)


@njit(**JIT)
def _adapt_by_window(c: int, threshold: int, m: Memory) -> None:
    width = m.connected.shape[1]
    for w in range(width):
        mask = adapt_by_change(
            m.x,
            (c * width + w) * 64,
            m.change,
            w * 64,
            np.int16(_TOP),
            np.int16(threshold - SHIFT),
        )
        _note_connected(c, w, mask, m)


@njit(**JIT)
def _window_change(samples: npt.NDArray[np.int32], rows: U64, r: Rules, m: Memory) -> None:
    """Leave in `m.change` what a column that won in `samples` adds to each permanence.

    Changes beyond +-32767 saturate: a permanence lies in 0..10000, so they end at the same
    bound. Upwards that holds for every partial sum as well, because only additions follow.
    """
    base = -r.down * len(samples)
    if base >= -32767:
        m.change[:] = np.int16(base)
        for s in samples:
            for w in range(rows.shape[1]):
                add_where(m.change, w * 64, rows[s, w], np.int16(r.up + r.down))
        return
    m.totals[:] = base
    for s in samples:
        for w in range(rows.shape[1]):
            left = rows[s, w]
            while left != np.uint64(0):
                m.totals[w * 64 + np.int64(trailing_zeros(left))] += r.up + r.down
                left &= left - np.uint64(1)
    for i in range(len(m.change)):
        m.change[i] = np.int16(min(max(m.totals[i], -32767), 32767))


@njit(**JIT)
def learn_window(
    winners: npt.NDArray[np.int32],
    offsets: I64,
    first: int,
    samples: int,
    rows: U64,
    members: npt.NDArray[np.int32],
    r: Rules,
    m: Memory,
) -> None:
    """Apply the window of `samples` samples from `first` on: every winner's synapses, once.

    rows: the samples' input words. members: scratch for as many samples as there are wins.
    Leaves the win counts in `m.wins`.
    """
    m.wins[:] = 0
    for j in range(offsets[first], offsets[first + samples]):
        m.wins[winners[j]] += 1
    if samples == 1:
        for j in range(offsets[first], offsets[first + 1]):
            adapt_column(np.int64(winners[j]), rows[0], r.up, -r.down, r.threshold, m)
        return
    m.first[0] = 0
    for c in range(len(m.wins)):
        m.first[c + 1] = m.first[c] + m.wins[c]
    for s in range(samples):
        for j in range(offsets[first + s], offsets[first + s + 1]):
            c = winners[j]
            members[m.first[c]] = s
            m.first[c] += 1
    for c in range(len(m.wins)):
        n = m.wins[c]
        mine = members[m.first[c] - n : m.first[c]]
        if n == 1:
            adapt_column(c, rows[mine[0]], r.up, -r.down, r.threshold, m)
        elif n > 1:
            _window_change(mine, rows, r, m)
            _adapt_by_window(c, r.threshold, m)


@njit(**JIT)
def _advance(duty: npt.NDArray[np.uint32], counts: I64, n: int, period: int) -> None:
    gain = np.uint32(DUTY_ONE // period)
    decay = np.uint64(n * ((1 << 32) // period))
    if decay >> np.uint64(32):
        for c in range(len(duty)):
            duty[c] = np.uint32(counts[c]) * gain
        return
    for c in range(len(duty)):
        d = np.uint64(duty[c])
        lost = (d * (decay & np.uint64(0xFFFFFFFF))) >> np.uint64(32)
        duty[c] = np.uint32(d - lost) + np.uint32(counts[c]) * gain


@njit(**JIT)
def advance_duties(samples: int, r: Rules, m: Memory) -> None:
    """Advance duty cycles by `m.wins` and `m.reached`, then bump weak columns."""
    _advance(m.active_duty, m.wins, samples, r.period)
    if r.bump == 0:
        return
    _advance(m.overlap_duty, m.reached, samples, r.period)
    m.reached[:] = 0
    for c in range(r.columns):
        if m.overlap_duty[c] < m.min_overlap_duty[c]:
            adapt_column(c, m.pool[c], r.bump, 0, r.threshold, m)


@njit(**JIT)
def update_boost(r: Rules, f: Field, m: Memory) -> None:
    """Recompute boost factors and minimum overlap duty cycles from the duty cycles."""
    if r.boost_gain > 0:
        if r.local:
            _local_targets(r, f, m)
            for c in range(r.columns):
                _boost_column(c, m.sums[0, c], r.boost_gain, m)
        else:
            target = r.k * DUTY_ONE // r.columns
            for c in range(r.columns):
                _boost_column(c, target, r.boost_gain, m)
    if r.bump > 0:
        for c in range(r.columns):
            m.sums[0, c] = np.int64(m.overlap_duty[c])
        if r.local:
            neighbourhood_maxima(f.shape, r.radius, r.wrap, m.sums, r.columns)
        else:
            m.sums[0, : r.columns] = m.sums[0, : r.columns].max()
        for c in range(r.columns):
            m.min_overlap_duty[c] = np.uint32((m.sums[0, c] * r.weak_share) >> 16)


@njit(**JIT)
def _boost_column(c: int, target: int, gain: int, m: Memory) -> None:
    m.boost[c] = exp2((gain * (target - np.int64(m.active_duty[c]))) >> 22)


@njit(**JIT)
def _local_targets(r: Rules, f: Field, m: Memory) -> None:
    for c in range(r.columns):
        m.sums[0, c] = np.int64(m.active_duty[c])
    neighbourhood_sums(f.shape, r.radius, r.wrap, m.sums, r.columns)
    for c in range(r.columns):
        m.sums[0, c] //= f.sizes[c]
