"""The loop over a chunk of samples: overlap, inhibition, window, commit, boost.

Up to a commit or a boost nothing that a sample depends on changes: these samples, a *stretch*, can
be spread over threads, and so can the columns that learn from a window.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.common.checks import inside
from htmrun.backends.cpu.pooler.boosting import update_boost
from htmrun.backends.cpu.pooler.layout import HOT, I64, INNER, U64, Field, Memory, Rules
from htmrun.backends.cpu.pooler.learning import (
    advance_duties,
    learn_alone,
    learn_words,
    push_winners,
)
from htmrun.backends.cpu.pooler.local import local_best
from htmrun.backends.cpu.pooler.overlap import count_overlaps, overlap_of, spread_overlaps
from htmrun.backends.cpu.pooler.scores import best_scores
from htmrun.backends.cpu.pooler.standing import STANDING, Flags
from htmrun.backends.cpu.pooler.window import input_words
from htmrun.backends.cpu.pooler.winners import best_overlaps, write_columns
from htmrun.backends.cpu.pooler.work_sharing import (
    BASE,
    COLUMNS,
    FIRST,
    KEEPS,
    KIND,
    LAST,
    SAMPLES,
    WINDOW,
    claim,
    finish,
    publish,
    wait_for,
    wait_for_piece,
)

Index = npt.NDArray[np.int32]

_standing_of = STANDING.unpack
_SAMPLES_A_PIECE = 8
_WORDS_A_PIECE = 4
"""Of 64 columns each."""


class Chunk(NamedTuple):
    """Samples and their winners. Samples before `start` are the open window, winners filled in."""

    on: Index
    offsets: I64
    start: int
    boosted: bool
    learns: bool
    winners: Index  # with `slot` places for each sample from `start` on
    winner_offsets: I64
    slot: int
    rows: U64  # (largest window + 1, IW in steps of 8) inputs of a window's samples, then zeros
    won: U64  # (largest window, CW) their winners
    board: I64  # what threads share
    crew: int  # work, in words, from which a stretch is shared; 0: never


@njit(**HOT)
def run_chunk(
    on: Index,
    offsets: I64,
    commit: Flags,
    boost: Flags,
    winners: Index,
    winner_offsets: I64,
    board: I64,
    start: int,
    largest: int,
    table: I64,
) -> None:
    """Learn from samples start..end; winners and their offsets are continued.

    Flags are indexed from `start`. largest: samples of the largest window that ends. table: of a
    `Standing`. The rest is as in `Chunk`.
    """
    s = _standing_of(table)
    r, f, m, w = s.rules, s.field, s.memory, s.window
    rows, won = w.rows[: largest + 1], w.won[:largest]
    rows[largest, :] = np.uint64(0)
    if start == 0:
        winner_offsets[0] = 0
    learns: Any = np.bool_(True)
    x = Chunk(
        on, offsets, start, s.boosted, learns, winners, winner_offsets, s.slot, rows, won, board,
        s.crew,
    )  # fmt: skip
    window = np.int64(
        0
    )  # A plain 0 has a type of its own: `_stretch` would be compiled for it too.
    end = len(x.offsets) - 1
    commits = 0
    for t in range(len(commit)):
        commits = t + 1 if commit[t] else commits
    commits += x.start
    if commits > x.start:
        for t in range(x.start):
            _keep(t, x)
    first = x.start
    while first < end:
        last = first + 1
        while last < end and not (commit[last - 1 - x.start] or boost[last - 1 - x.start]):
            last += 1
        _stretch(first, last, window, last <= commits, s.others, x, r, f, m)
        if commit[last - 1 - x.start]:
            won = x.winners[x.winner_offsets[window] : x.winner_offsets[last]]
            if last - window == 1:
                learn_alone(won, x.rows[0], r, m)
            else:
                _columns(window, last, w.turned, w.members, x, r, m)
            if r.push > 0:
                push_winners(won, last - window, r, m)
            advance_duties(won, last - window, r, m)
            window = last
        if boost[last - 1 - x.start]:
            update_boost(r, f, m)
        first = last


@njit(**HOT)
def help_chunk(x: Chunk, turned: U64, members: Index, r: Rules, f: Field, m: Memory) -> None:
    """Take pieces of what `run_chunk` or `infer_chunk` shares, in another thread, until it ends.

    `f` and `m` have scratch of their own, `m.reached` included; state is that of the leader.
    """
    board = x.board
    while True:
        piece = wait_for_piece(board)
        if piece < 0:
            return
        if board[KIND] == SAMPLES:
            a = board[FIRST] + piece * _SAMPLES_A_PIECE
            b = min(a + _SAMPLES_A_PIECE, board[LAST])
            for t in range(a, b):
                at = board[BASE] + (t - board[FIRST]) * x.slot
                _sample(t, at, board[WINDOW], board[KEEPS] != 0, x, r, f, m)
        else:
            a = piece * _WORDS_A_PIECE
            b = min(a + _WORDS_A_PIECE, len(m.selected))
            samples = board[LAST] - board[WINDOW]
            learn_words(a, b, samples, x.rows, x.won, turned, members, r, m)
        finish(board, False)


@njit(**HOT)
def infer_chunk(
    on: Index, offsets: I64, winners: Index, winner_offsets: I64, board: I64, table: I64
) -> int:
    """Write the winners of all samples, return how many; touches nothing but scratch.

    -1, and nothing is done, if an on-bit is not among the inputs: a call of its own for that would
    take as long as a sample.
    """
    s = _standing_of(table)
    if not inside(on, s.rules.inputs):
        return -1
    start: Any = np.int64(0)
    no: Any = np.bool_(False)
    winner_offsets[0] = 0
    x = Chunk(
        on, offsets, start, s.infer_boosted, no, winners, winner_offsets, s.slot, s.window.rows,
        s.window.won, board, s.crew,
    )  # fmt: skip
    _stretch(start, len(offsets) - 1, start, no, s.others, x, s.rules, s.field, s.memory)
    return winner_offsets[len(offsets) - 1]


@njit(**HOT)
def overlap_chunk(on: Index, offsets: I64, out: npt.NDArray[np.int32], table: I64) -> None:
    """Write every column's overlap with each sample to `out`, int32 (T, columns)."""
    m = _standing_of(table).memory
    overlaps = m.overlap_bytes.view(np.uint8)
    for t in range(len(offsets) - 1):
        count = spread_overlaps(count_overlaps(on[offsets[t] : offsets[t + 1]], m), m)
        for c in range(out.shape[1]):
            out[t, c] = overlap_of(c, count, overlaps)


@njit(**INNER)
def _stretch(
    first: int,
    last: int,
    window: int,
    keeps: bool,
    others: I64,
    x: Chunk,
    r: Rules,
    f: Field,
    m: Memory,
) -> None:
    """Find the winners of samples first..last, and keep what their window will learn from."""
    shared = False
    if x.crew > 0:
        shared = (x.offsets[last] - x.offsets[first]) * len(m.selected) >= x.crew
    pieces = 0
    base = x.winner_offsets[first]
    if shared:
        pieces = -(-(last - first) // _SAMPLES_A_PIECE)
        x.board[KIND] = SAMPLES
        x.board[FIRST], x.board[LAST], x.board[WINDOW] = first, last, window
        x.board[KEEPS], x.board[BASE] = np.int64(keeps), base
        publish(x.board, pieces)
    a, b = first, last
    while a < last:
        if shared:
            piece = claim(x.board, True)
            if piece < 0:
                break
            a = first + piece * _SAMPLES_A_PIECE
            b = min(a + _SAMPLES_A_PIECE, last)
        for t in range(a, b):
            at = base + (t - first) * x.slot if shared else x.winner_offsets[t]
            n = _sample(t, at, window, keeps, x, r, f, m)
            if not shared:
                x.winner_offsets[t + 1] = at + n
        if shared:
            finish(x.board, True)
        else:
            break
    if shared:
        wait_for(x.board, pieces)
        _close_up(first, last, base, x)
        if x.learns and r.bump > 0:
            for h in range(others.shape[0]):
                for c in range(r.columns):
                    m.reached[c] += others[h, c]
                    others[h, c] = 0


@njit(**INNER)
def _close_up(first: int, last: int, base: int, x: Chunk) -> None:
    """Move winners from their slots to where the sample before ends."""
    to = base
    for t in range(first, last):
        at = base + (t - first) * x.slot
        n = x.winner_offsets[t + 1]
        if to != at:
            for j in range(n):
                x.winners[to + j] = x.winners[at + j]
        to += n
        x.winner_offsets[t + 1] = to


@njit(**HOT)
def _columns(
    window: int, last: int, turned: U64, members: Index, x: Chunk, r: Rules, m: Memory
) -> None:
    """Let all columns learn from the window of samples window..last."""
    samples = last - window
    words = len(m.selected)
    work = (x.winner_offsets[last] - x.winner_offsets[window]) * m.connected.shape[1] * 8
    shared = x.crew > 0 and work >= x.crew
    pieces = -(-words // _WORDS_A_PIECE)
    if shared:
        x.board[KIND], x.board[LAST], x.board[WINDOW] = COLUMNS, last, window
        publish(x.board, pieces)
    a, b = 0, words
    while True:
        if shared:
            piece = claim(x.board, True)
            if piece < 0:
                break
            a = piece * _WORDS_A_PIECE
            b = min(a + _WORDS_A_PIECE, words)
        learn_words(a, b, samples, x.rows, x.won, turned, members, r, m)
        if shared:
            finish(x.board, True)
        else:
            break
    if shared:
        wait_for(x.board, pieces)


@njit(**INNER)
def _sample(
    t: int, at: int, window: int, keeps: bool, x: Chunk, r: Rules, f: Field, m: Memory
) -> int:
    """Write the winners of sample `t` to x.winners[at:]; return how many there are.

    Their number is left in x.winner_offsets[t + 1] as well.
    """
    on = x.on[x.offsets[t] : x.offsets[t + 1]]
    used = count_overlaps(on, m)
    n = _winners(used, len(on), x.boosted, x.winners, at, r, f, m) - at
    x.winner_offsets[t + 1] = n
    if x.learns and r.bump > 0:
        _note_reached(used, r, m)
    if keeps:
        input_words(on, x.rows[t - window])
        if x.won.shape[0] > 1:
            row = x.won[t - window]
            for w in range(len(row)):
                row[w] = m.selected[w]
    return n


@njit(**INNER)
def _keep(t: int, x: Chunk) -> None:
    """Keep inputs and winners of a sample of the window that is open at the start."""
    input_words(x.on[x.offsets[t] : x.offsets[t + 1]], x.rows[t])
    if x.won.shape[0] > 1:
        input_words(x.winners[x.winner_offsets[t] : x.winner_offsets[t + 1]], x.won[t])


@njit(**INNER)
def _winners(
    used: int, n: int, boosted: bool, out: Index, at: int, r: Rules, f: Field, m: Memory
) -> int:
    if r.local:
        local_best(used, n, boosted, r, f, m)
    elif boosted:
        best_scores(used, r.k, n, r.stimulus, r.columns, m)
    else:
        best_overlaps(used, r.k, r.stimulus, m)
    return write_columns(m.selected, out, at)


@njit(**INNER)
def _note_reached(used: int, r: Rules, m: Memory) -> None:
    count = spread_overlaps(used, m)
    overlaps = m.overlap_bytes.view(np.uint8)
    for c in range(r.columns):
        m.reached[c] += np.int64(overlap_of(c, count, overlaps) >= r.stimulus)
