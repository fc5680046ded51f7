"""Commits: permanences of winners, duty cycles, weak columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.common.numeric import trailing_zeros
from htmrun.backends.cpu.common.prefetch import ask_to_write
from htmrun.backends.cpu.pooler.compact import (
    is_compact,
    pack,
)
from htmrun.backends.cpu.pooler.factors import LANES, decay_lanes
from htmrun.backends.cpu.pooler.flips import flip, flip_noted, list_flips, note_flips
from htmrun.backends.cpu.pooler.layout import HOT, INNER, SHIFT, U64, Memory, Rules
from htmrun.backends.cpu.pooler.listed import fetch_places, fetch_row, is_listed, packed_word
from htmrun.backends.cpu.pooler.overlap import count_rows
from htmrun.backends.cpu.pooler.rows import adapt_half, adapt_whole, adapt_word, change_word
from htmrun.backends.cpu.pooler.simd import add_where
from htmrun.backends.cpu.pooler.window import list_samples, turn_winners
from htmrun.backends.fixed_point import DUTY_ONE, PERMANENCE_ONE

_AHEAD = 32
"""Words of 64 permanences, 128 bytes each, between fetching and changing them."""

_COLUMNS_AHEAD = 6
"""Columns whose inputs are listed between fetching and changing their rows."""

_MANY = 6
"""Wins of a column in a window from which its inputs are counted in bit planes first."""


@njit(**INNER)
def _fetch(c: int, following: int, w: int, width: int, m: Memory) -> None:
    """Fetch 64 permanences some way ahead of word `w`, at the end of a column the next one's."""
    ahead = w + min(_AHEAD, width)
    row, word = (c, ahead) if ahead < width else (following, ahead - width)
    at = row * m.x.shape[1] + 64 * word
    ask_to_write(m.x, at)
    ask_to_write(m.x, at + 32)


@njit(**INNER)
def adapt_words(
    c: int, following: int, row: U64, change: tuple[int, int], threshold: int, m: Memory
) -> None:
    """Add change[0] to the synapses of column `c` whose bit is set in `row`, change[1] to others.

    `row` is in the order of the column's row (see `compact.pack`). What was connected or cut is
    noted, see `flips`. `following` is the column to be adapted next: its permanences are fetched
    meanwhile.
    """
    touched = np.uint64(0)
    width = m.connected.shape[1]
    # Half a word is looked for once, not in each step: that alone takes a twentieth of a sample.
    for w in range(m.x.shape[1] >> 6):
        _fetch(c, following, w, width, m)
        mask = adapt_whole(m.x, c, w, row[w], change, threshold)
        touched = note_flips(c, w, mask, touched, m)
    if m.x.shape[1] & 63:
        w = width - 1
        mask = adapt_half(m.x, c, w, row[w], change, threshold)
        touched = note_flips(c, w, mask, touched, m)


@njit(**INNER)
def adapt_inputs(
    c: int, following: int, row: U64, change: tuple[int, int], threshold: int, m: Memory
) -> None:
    """Add change[0] to the synapses of column `c` with inputs that are on, change[1] to others.

    row: bits of inputs. The rest as `adapt_words`.
    """
    if not is_listed(m):
        pack(c, following, row, m)
        packed = m.packed if is_compact(m) else row
        adapt_words(c, following, packed, change, threshold, m)
        return
    touched = np.uint64(0)
    width = m.connected.shape[1]
    fetch_places(following, m)
    for w in range(width):
        _fetch(c, following, w, width, m)
        mask = adapt_word(m.x, c, w, packed_word(c, w, row, m), change, threshold)
        touched = note_flips(c, w, mask, touched, m)


@njit(**INNER)
def learn_alone(winners: npt.NDArray[np.int32], row: U64, r: Rules, m: Memory) -> None:
    """Apply a window of one sample to its winners.

    A column's changes reach the transposed matrix while the next column is on its way, because
    each of them is a line of its own that has to be fetched first.
    """
    if is_listed(m):
        learn_listed(winners, row, r, m)
        return
    flips, before = 0, 0
    for j in range(len(winners)):
        c, following = np.int64(winners[j]), np.int64(winners[min(j + 1, len(winners) - 1)])
        adapt_inputs(c, following, row, (r.up, -r.down), r.threshold, m)
        flip(flips, before, m)
        flips, before = list_flips(c, m), c
    flip(flips, before, m)


@njit(**INNER)
def learn_listed(winners: npt.NDArray[np.int32], row: U64, r: Rules, m: Memory) -> None:
    """The same where inputs are listed, 64 winners at a time: their changes are few.

    Which columns changed cannot be predicted, so a block ends before one is looked at.
    """
    width, last = m.connected.shape[1], len(winners) - 1
    for first in range(0, len(winners), 64):
        touched = np.uint64(0)
        for j in range(first, min(first + 64, len(winners))):
            c = np.int64(winners[j])
            fetch_row(np.int64(winners[min(j + _COLUMNS_AHEAD, last)]), m)
            some = np.uint64(0)
            for w in range(width):
                bits = packed_word(c, w, row, m)
                mask = adapt_word(m.x, c, w, bits, (r.up, -r.down), r.threshold)
                mask &= m.synapses[c, w]
                flipped = mask ^ m.connected[c, w]
                m.connected[c, w] = mask
                m.noted[j - first, w] = flipped
                some |= flipped
            touched |= np.uint64(some != np.uint64(0)) << np.uint64(j - first)
        while touched != np.uint64(0):
            j = np.int64(trailing_zeros(touched))
            touched &= touched - np.uint64(1)
            flip_noted(np.int64(winners[first + j]), j, m)


@njit(**INNER)
def adapt_by_window(c: int, following: int, threshold: int, m: Memory) -> None:
    """Add `m.change` to the permanences of column `c`; the rest as `adapt_words`."""
    touched = np.uint64(0)
    width = m.connected.shape[1]
    for w in range(width):
        _fetch(c, following, w, width, m)
        touched = note_flips(c, w, change_word(m.x, c, w, m.change, threshold), touched, m)


@njit(**INNER)
def _window_change(
    c: int, following: int, samples: npt.NDArray[np.int32], rows: U64, r: Rules, m: Memory
) -> None:
    """Leave in `m.change` what column `c`, which won in `samples`, adds to each permanence.

    Changes beyond +-32767 saturate: a permanence lies in 0..10000, so they end at the same
    bound. Upwards that holds for every partial sum as well, because only additions follow.
    """
    base = -r.down * len(samples)
    width = m.connected.shape[1]
    if base >= -32767 and len(samples) < _MANY:
        m.change[:] = np.int16(base)
        for s in samples:
            pack(c, following, rows[s], m)
            row = m.packed if is_compact(m) else rows[s]
            for w in range(width):
                add_where(m.change, w * 64, row[w], np.int16(r.up + r.down))
        return
    if base >= -32767:
        m.change[:] = np.int16(base)
        used = count_rows(rows, 0, samples, m.window_planes, m.places)
        for p in range(used):
            # Twice 32767 lifts any change to where it saturates, so more is not needed.
            amount = min((r.up + r.down) << p, 2 * 32767)
            pack(c, following, m.window_planes[p], m)
            plane = m.packed if is_compact(m) else m.window_planes[p]
            while amount > 0:
                part = np.int16(min(amount, 32767))
                for w in range(width):
                    add_where(m.change, w * 64, plane[w], part)
                amount -= np.int64(part)
        return
    m.totals[:] = base
    for s in samples:
        pack(c, following, rows[s], m)
        row = m.packed if is_compact(m) else rows[s]
        for w in range(width):
            left = row[w]
            while left != np.uint64(0):
                m.totals[w * 64 + np.int64(trailing_zeros(left))] += r.up + r.down
                left &= left - np.uint64(1)
    for i in range(len(m.change)):
        m.change[i] = np.int16(min(max(m.totals[i], -32767), 32767))


@njit(**INNER)
def learn_words(
    start: int,
    stop: int,
    samples: int,
    rows: U64,
    won: U64,
    turned: U64,
    members: npt.NDArray[np.int32],
    r: Rules,
    m: Memory,
) -> None:
    """Apply a window of several samples to the columns of the words start..stop, each once.

    rows and won: the samples' inputs and winners in bits; rows ends with one of zeros. `turned` and
    `members` are scratch. Leaves in `m.wins` how often each of these columns won.
    """
    flips, before = 0, 0
    for w in range(start, stop):
        for c in range(64 * w, 64 * w + 64):
            m.wins[c] = np.uint32(0)
        left = turn_winners(w, samples, won, turned)
        while left != np.uint64(0):
            b = np.int64(trailing_zeros(left))
            left &= left - np.uint64(1)
            c = 64 * w + b
            following = c if left == np.uint64(0) else 64 * w + np.int64(trailing_zeros(left))
            wins = list_samples(b, samples, turned, members)
            m.wins[c] = np.uint32(wins)
            mine = members[:wins]
            if wins == 1:
                adapt_inputs(c, following, rows[mine[0]], (r.up, -r.down), r.threshold, m)
            else:
                _window_change(c, following, mine, rows, r, m)
                adapt_by_window(c, following, r.threshold, m)
            flip(flips, before, m)
            flips, before = list_flips(c, m), c
    flip(flips, before, m)


@njit(**HOT)
def push_winners(winners: npt.NDArray[np.int32], samples: int, r: Rules, m: Memory) -> None:
    """Move the synapses of the columns that won away from the inflection, `r.push` for each win.

    `winners` are those of a window of one sample; `m.wins` has those of a longer one by column.
    """
    if samples == 1:
        for j in range(len(winners)):
            _push(np.int64(winners[j]), 1, r, m)
    else:
        for c in range(r.columns):
            if m.wins[c] > 0:
                _push(c, np.int64(m.wins[c]), r, m)


@njit(**INNER)
def _push(c: int, wins: int, r: Rules, m: Memory) -> None:
    upwards = m.window_planes[0]  # scratch, done with
    least = np.int16(r.inflection - SHIFT)
    width = m.connected.shape[1]
    for w in range(width):
        word = np.uint64(0)
        for b in range(min(64, m.x.shape[1] - 64 * w)):
            word |= np.uint64(m.x[c, w * 64 + b] >= least) << np.uint64(b)
        upwards[w] = word
    step = min(r.push * wins, PERMANENCE_ONE)
    adapt_words(c, c, upwards, (step, -step), r.threshold, m)
    flip(list_flips(c, m), c, m)


@njit(**INNER)
def _decay(duty: npt.NDArray[np.uint32], n: int, r: Rules) -> None:
    decay = np.uint64(n * ((1 << 32) // r.period))
    if decay >> np.uint64(32):
        duty[:] = np.uint32(0)
        return
    for at in range(0, r.columns, LANES):
        decay_lanes(duty, at, decay)


@njit(**INNER)
def advance_duties(winners: npt.NDArray[np.int32], samples: int, r: Rules, m: Memory) -> None:
    """Advance duty cycles by a window's wins and `m.reached`, then bump weak columns.

    `winners` are those of a window of one sample; `m.wins` has those of a longer one by column.
    """
    gain = np.uint32(DUTY_ONE // r.period)
    _decay(m.active_duty, samples, r)
    if samples == 1:
        for j in range(len(winners)):
            m.active_duty[winners[j]] += gain
    else:
        for c in range(len(m.active_duty)):
            m.active_duty[c] += m.wins[c] * gain
    if r.bump == 0:
        return
    _decay(m.overlap_duty, samples, r)
    for c in range(r.columns):
        m.overlap_duty[c] += np.uint32(m.reached[c]) * gain
        m.reached[c] = 0
    for c in range(r.columns):
        if m.overlap_duty[c] < m.min_overlap_duty[c]:
            adapt_words(c, c, m.synapses[c], (r.bump, 0), r.threshold, m)
            flip(list_flips(c, m), c, m)
