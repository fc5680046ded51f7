"""The loop over a chunk of samples: overlap, inhibition, window, commit, boost."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.sp_learning import advance_duties, input_words, learn_window, update_boost
from htmrun.backends.cpu.sp_local import local_best
from htmrun.backends.cpu.sp_memory import HOT, I64, INNER, U64, Field, Memory, Rules
from htmrun.backends.cpu.sp_overlap import count_overlaps, overlap_of, spread_overlaps
from htmrun.backends.cpu.sp_winners import (
    best_overlaps,
    best_scores,
    score_columns,
    write_columns,
)

Index = npt.NDArray[np.int32]
Flags = npt.NDArray[np.uint8]


@njit(**HOT)
def run_chunk(
    on: Index,
    offsets: I64,
    start: int,
    commit: Flags,
    boost: Flags,
    boosted: bool,
    winners: Index,
    winner_offsets: I64,
    rows: U64,
    members: Index,
    r: Rules,
    f: Field,
    m: Memory,
) -> None:
    """Learn from samples start..end; the ones before are the open window, winners filled in.

    `winners` and `winner_offsets` are continued; `rows` and `members` are scratch for the
    largest window. Flags are indexed from `start`.
    """
    window = 0
    for t in range(start, len(offsets) - 1):
        used = count_overlaps(on[offsets[t] : offsets[t + 1]], m)
        n = offsets[t + 1] - offsets[t]
        winner_offsets[t + 1] = _winners(used, n, boosted, winners, winner_offsets[t], r, f, m)
        if r.bump > 0:
            _note_reached(used, r, m)
        if commit[t - start]:
            samples = t + 1 - window
            for s in range(samples):
                input_words(on[offsets[window + s] : offsets[window + s + 1]], rows[s])
            learn_window(winners, winner_offsets, window, samples, rows, members, r, m)
            won = winners[winner_offsets[window] : winner_offsets[t + 1]]
            advance_duties(won, samples, r, m)
            window = t + 1
        if boost[t - start]:
            update_boost(r, f, m)


@njit(**HOT)
def infer_chunk(
    on: Index,
    offsets: I64,
    boosted: bool,
    winners: Index,
    winner_offsets: I64,
    r: Rules,
    f: Field,
    m: Memory,
) -> None:
    """Write the winners of all samples; touches nothing but scratch."""
    for t in range(len(offsets) - 1):
        used = count_overlaps(on[offsets[t] : offsets[t + 1]], m)
        n = offsets[t + 1] - offsets[t]
        winner_offsets[t + 1] = _winners(used, n, boosted, winners, winner_offsets[t], r, f, m)


@njit(**HOT)
def overlap_chunk(on: Index, offsets: I64, out: npt.NDArray[np.int32], m: Memory) -> None:
    """Write every column's overlap with each sample to `out`, int32 (T, columns)."""
    overlaps = m.overlap_bytes.view(np.uint8)
    for t in range(len(offsets) - 1):
        count = spread_overlaps(count_overlaps(on[offsets[t] : offsets[t + 1]], m), m)
        for c in range(out.shape[1]):
            out[t, c] = overlap_of(c, count, overlaps)


@njit(**INNER)
def _winners(
    used: int, n: int, boosted: bool, out: Index, at: int, r: Rules, f: Field, m: Memory
) -> int:
    if not (boosted or r.local):
        best_overlaps(used, r.k, r.stimulus, m)
        return write_columns(m.selected, out, at)
    score_columns(spread_overlaps(used, m), r.stimulus, m.boost if boosted else m.neutral, m)
    if not r.local:
        return best_scores(r.k, n, m, out, at)
    local_best(n, f, m)
    return write_columns(m.selected, out, at)


@njit(**INNER)
def _note_reached(used: int, r: Rules, m: Memory) -> None:
    count = spread_overlaps(used, m)
    overlaps = m.overlap_bytes.view(np.uint8)
    for c in range(r.columns):
        m.reached[c] += np.int64(overlap_of(c, count, overlaps) >= r.stimulus)
