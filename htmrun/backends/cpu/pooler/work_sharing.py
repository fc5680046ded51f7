"""How threads share a window: one leads, the others help with whatever piece comes next.

The leader publishes a task as one word: how many pieces it has, how many of them are taken from the
end and from the start. Whoever adds 1 to either has claimed a piece. The leader takes from the
start, the others from the end, so that from window to window most pieces stay where the caches
have their columns. The leader waits only for pieces that somebody is at: a helper that gets no
core, or comes late, delays nobody.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from htmrun.backends.cpu.common.atomics import fetch_add, let_others_run, read, write
from htmrun.backends.cpu.pooler.layout import I64, INNER

_BITS = 20
"""Bits of the ticket for each of three numbers."""
_ONES = (1 << _BITS) - 1

_TICKET, _DONE, CLOSED = 0, 8, 16
"""Places in `board`, a cache line each."""
HELPED = 9
"""Pieces that others than the leader have done."""
KIND, FIRST, LAST, WINDOW, KEEPS, BASE = 24, 25, 26, 27, 28, 29
"""Places of what a task is about; written before it is published."""
BOARD = 32
"""Words of a board."""

SAMPLES, COLUMNS = 1, 2
"""Kinds of tasks."""

_SPINS = 200
"""Looks for a change before a core is handed to whoever else wants it."""


@njit(**INNER)
def publish(board: I64, pieces: int) -> None:
    """Offer the pieces 0..pieces, fewer than 2**19, of the task that the board describes."""
    write(board, _DONE, np.int64(0))
    write(board, _TICKET, np.int64(pieces) << (2 * _BITS))


@njit(**INNER)
def claim(board: I64, leads: bool) -> int:
    """Return a piece that nobody else has, the first or last one left; -1 if there is none."""
    if not _left(read(board, _TICKET)):
        return -1
    ticket = fetch_add(board, _TICKET, np.int64(1 if leads else 1 << _BITS))
    if not _left(ticket):
        return -1
    if leads:
        return np.int64(ticket & _ONES)
    return (ticket >> (2 * _BITS)) - 1 - ((ticket >> _BITS) & _ONES)


@njit(**INNER)
def _left(ticket: int) -> bool:
    return (ticket & _ONES) + ((ticket >> _BITS) & _ONES) < ticket >> (2 * _BITS)


@njit(**INNER)
def finish(board: I64, leads: bool) -> None:
    """Say that a claimed piece is done."""
    if not leads:
        fetch_add(board, HELPED, np.int64(1))
    fetch_add(board, _DONE, np.int64(1))


@njit(**INNER)
def wait_for(board: I64, pieces: int) -> None:
    """Wait until all pieces are done."""
    spins = 0
    while read(board, _DONE) != pieces:
        spins += 1
        if spins > _SPINS:
            let_others_run()


@njit(**INNER)
def wait_for_piece(board: I64) -> int:
    """Return a claimed piece of any task, -1 once the board is closed."""
    spins = 0
    while read(board, CLOSED) == 0:
        piece = claim(board, False)
        if piece >= 0:
            return piece
        spins += 1
        if spins > _SPINS:
            let_others_run()
    return -1


def new_board() -> I64:
    """Return a board without a task."""
    return np.zeros(BOARD, np.int64)


def close(board: I64) -> None:
    """Send helpers home that are there or still to come; no piece may be under way."""
    board[CLOSED] = 1
