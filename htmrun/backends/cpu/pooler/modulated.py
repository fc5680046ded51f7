"""A commit that is told how good each sample was: the reference's `modulate`, compiled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.common.numeric import trailing_zeros
from htmrun.backends.cpu.pooler.boosting import update_boost
from htmrun.backends.cpu.pooler.compact import is_compact, pack
from htmrun.backends.cpu.pooler.flips import flip, list_flips
from htmrun.backends.cpu.pooler.layout import HOT, I64, U64, Field, Memory, Rules
from htmrun.backends.cpu.pooler.learning import adapt_by_window, adapt_inputs, advance_duties
from htmrun.backends.cpu.pooler.window import input_words

Index = npt.NDArray[np.int32]


@njit(**HOT)
def modulated_window(
    on: Index,
    offsets: I64,
    winners: Index,
    columns: I64,
    starts: I64,
    members: I64,
    reward: I64,
    rows: U64,
    boost: bool,
    r: Rules,
    f: Field,
    m: Memory,
) -> None:
    """Apply a window whose sample t had reward[t], -1, 0 or 1.

    Column columns[k] won in the samples members[starts[k]:starts[k + 1]]. `winners` are those of
    all samples, one after the other; `rows` is scratch, a row of input words for each sample.
    """
    samples = len(offsets) - 1
    for t in range(samples):
        input_words(on[offsets[t] : offsets[t + 1]], rows[t])
    for k in range(len(columns)):
        c, following = columns[k], columns[min(k + 1, len(columns) - 1)]
        mine = members[starts[k] : starts[k + 1]]
        if len(mine) == 1:
            g = reward[mine[0]]
            if g == 0:
                continue
            change = (g * r.up, -g * r.down)
            adapt_inputs(c, following, rows[mine[0]], change, r.threshold, m)
        else:
            _total_change(c, following, mine, reward, rows, r, m)
            adapt_by_window(c, following, r.threshold, m)
        flip(list_flips(c, m), c, m)
    m.wins[:] = np.uint32(0)
    for j in range(len(winners)):
        m.wins[winners[j]] += np.uint32(1)
    advance_duties(winners, samples, r, m)
    if boost:
        update_boost(r, f, m)


@njit(**HOT)
def _total_change(
    c: int, following: int, mine: I64, reward: I64, rows: U64, r: Rules, m: Memory
) -> None:
    """Leave in `m.change` what column `c`, which won in the samples `mine`, adds to each place."""
    total = np.int64(0)
    m.totals[:] = 0
    for s in mine:
        g = reward[s]
        total += g
        if g == 0:
            continue
        step = g * (r.up + r.down)
        pack(c, following, rows[s], m)
        row = m.packed if is_compact(m) else rows[s]
        for w in range(m.connected.shape[1]):
            left = row[w]
            while left != np.uint64(0):
                m.totals[w * 64 + np.int64(trailing_zeros(left))] += step
                left &= left - np.uint64(1)
    # Beyond +-32767 a change saturates: permanences lie in 0..10000 and end at the same bound.
    for i in range(len(m.change)):
        m.change[i] = np.int16(min(max(m.totals[i] - total * r.down, -32767), 32767))
