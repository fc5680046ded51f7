"""What was connected or cut while a column learned, and the transposed matrix brought in line.

What a step stores lies at places that are known before it is computed: stores to places that hang
on results hold up every load behind them, and columns would learn one after the other where the
processor could have several under way (they took 1.2 to 2 times as long).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from htmrun.backends.cpu.common.numeric import popcount, trailing_zeros
from htmrun.backends.cpu.common.prefetch import ask_to_write
from htmrun.backends.cpu.pooler.compact import inputs_of, is_compact
from htmrun.backends.cpu.pooler.layout import INNER, Memory
from htmrun.backends.cpu.pooler.listed import input_at


@njit(**INNER)
def note_flips(c: int, w: int, mask: np.uint64, touched: np.uint64, m: Memory) -> np.uint64:
    """Note which of 64 synapses, word `w` of column `c`, are connected now.

    touched: 0 at the first word of a column, then what the call before returned.
    """
    mask &= m.synapses[c, w]
    flipped = mask ^ m.connected[c, w]
    m.connected[c, w] = mask
    m.flips[w] = flipped
    touched |= np.uint64(flipped != np.uint64(0)) << np.uint64(w & 63)
    m.touched[w >> 6] = touched
    return np.uint64(0) if w & 63 == 63 else touched


@njit(**INNER)
def list_flips(c: int, m: Memory) -> int:
    """List the inputs at which column `c` changed, fetch their places; return how many."""
    count = 0
    for block in range((m.connected.shape[1] + 63) >> 6):
        if m.touched[block] != np.uint64(0):
            count = _list_block(block, count, m)
    if is_compact(m):
        inputs_of(count, c, m)
    pitch = m.by_input.shape[1]
    for k in range(count):
        ask_to_write(m.by_input, np.int64(m.flip_inputs[k]) * pitch + (c >> 6))
    return count


@njit(**INNER)
def _list_block(block: int, k: int, m: Memory) -> int:
    """List what changed in 64 words from place `k` on; return where the list ends.

    Free of branches: how many bits of a word changed cannot be predicted.
    """
    rest = m.touched[block]
    total = np.uint64(0)
    while rest != np.uint64(0):
        total += popcount(m.flips[64 * block + np.int64(trailing_zeros(rest))])
        rest &= rest - np.uint64(1)
    rest = m.touched[block]
    w = 64 * block + np.int64(trailing_zeros(rest))
    left = m.flips[w]
    end = k + np.int64(total)
    for at in range(k, end):
        m.flip_inputs[at] = np.int32(64 * w + np.int64(trailing_zeros(left)))
        left &= left - np.uint64(1)
        empty = left == np.uint64(0)
        without = rest & (rest - np.uint64(1))
        rest = without if empty else rest
        # Of the last word there is no next one: any word will do.
        w = 64 * block + np.int64(trailing_zeros(rest | np.uint64(1 << 63)))
        left = m.flips[w] if empty else left
    return end


@njit(**INNER)
def flip(count: int, c: int, m: Memory) -> None:
    """Bring the transposed matrix in line with the `count` listed changes of column `c`."""
    bit = np.uint64(1) << np.uint64(c & 63)
    word = c >> 6
    for k in range(count):
        m.by_input[m.flip_inputs[k], word] ^= bit


@njit(**INNER)
def flip_noted(c: int, j: int, m: Memory) -> None:
    """Bring the transposed matrix in line with what row `j` of `m.noted` says of column `c`."""
    bit, word = np.uint64(1) << np.uint64(c & 63), c >> 6
    for w in range(m.connected.shape[1]):
        left = m.noted[j, w]
        while left != np.uint64(0):
            i = input_at(c, 64 * w + np.int64(trailing_zeros(left)), m)
            m.by_input[i, word] ^= bit
            left &= left - np.uint64(1)
