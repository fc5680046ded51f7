"""Global inhibition: exactly the k best columns, without sorting."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.common.numeric import (
    bits_of_float,
    float_of_bits,
    popcount,
    trailing_zeros,
)
from htmrun.backends.cpu.pooler.layout import INNER, SLACK, U64, Memory
from htmrun.backends.cpu.pooler.overlap import overlap_of
from htmrun.backends.cpu.pooler.planes import reaching
from htmrun.backends.cpu.pooler.select import first_digit, settle_digit
from htmrun.backends.cpu.pooler.simd import at_least


@njit(**INNER)
def able_columns(used: int, stimulus: int, able: U64, m: Memory) -> None:
    """Leave in `able` the columns whose overlap reaches `stimulus`."""
    reaching(m.planes, used, stimulus, len(able), able)


@njit(**INNER)
def best_overlaps(used: int, k: int, stimulus: int, m: Memory) -> None:
    """Leave in `m.selected` the k columns of highest overlap: radix selection on the planes.

    Columns under `stimulus` are left out.
    """
    width = len(m.candidates)
    none, every = np.uint64(0), np.uint64(0xFFFFFFFFFFFFFFFF)
    digit = (used - 1) // 2 * 2
    if digit + 1 == used:
        for w in range(width):
            m.planes[used, w] = none
    need = k
    level = 0
    n1, n2, n3 = first_digit(m.planes, width, digit, m.candidates, m.selected)
    while digit >= 0:
        # The digit of the k-th best, bit by bit: enough have it, or those that do are all in.
        high = n2 >= need
        low = (n3 if high else n1) >= need
        if high:
            need -= np.int64(0) if low else n3
        else:
            need -= n2 if low else n1
        level |= (2 * np.int64(high) + np.int64(low)) << digit
        above_high, above_low = none if high else every, none if low else every
        n1, n2, n3 = settle_digit(
            m.planes, width, digit, above_high, above_low, m.candidates, m.selected
        )
        digit -= 2
    _take_lowest(need, m.candidates, m.selected)
    if level < stimulus:
        able_columns(used, stimulus, m.candidates, m)
        for w in range(width):
            m.selected[w] &= m.candidates[w]


@njit(**INNER)
def _take_lowest(need: int, source: U64, target: U64) -> None:
    w = 0
    while need > 0:
        left = source[w]
        n = np.int64(popcount(left))
        if n <= need:
            target[w] |= left
            need -= n
        else:
            for _ in range(need):
                lowest = left & (~left + np.uint64(1))
                target[w] |= lowest
                left ^= lowest
            need = 0
        w += 1


@njit(**INNER)
def write_columns(chosen: U64, out: npt.NDArray[np.int32], at: int) -> int:
    """Write the columns set in `chosen` to out[at:], ascending; return the end position.

    Up to SLACK places beyond the end are overwritten: how many columns a word holds cannot be
    predicted, so a few are written whether or not they are there.
    """
    for w in range(len(chosen)):
        left = chosen[w]
        n = np.int64(popcount(left))
        for j in range(SLACK):
            out[at + j] = np.int32(w * 64 + np.int64(trailing_zeros(left)))
            left &= left - np.uint64(1)
        j = at + SLACK
        while left != np.uint64(0):
            out[j] = np.int32(w * 64 + np.int64(trailing_zeros(left)))
            j += 1
            left &= left - np.uint64(1)
        at += n
    return at


@njit(**INNER)
def score_columns(count: int, stimulus: int, factors: npt.NDArray[np.float32], m: Memory) -> None:
    """Leave float32(overlap) * factor in `m.scores`, 0 for columns that cannot win.

    Positive IEEE floats are ordered like their representations as integers.
    """
    overlaps = m.overlap_bytes.view(np.uint8)
    low = overlaps[0]
    scores = m.scores
    if count == 1:
        for c in range(len(scores)):
            v = np.int32(low[c])
            scores[c] = np.float32(v) * factors[c] if v >= stimulus else np.float32(0)
    else:
        for c in range(len(scores)):
            v = overlap_of(c, count, overlaps)
            scores[c] = np.float32(v) * factors[c] if v >= stimulus else np.float32(0)


@njit(**INNER)
def best_scores(k: int, on: int, m: Memory, out: npt.NDArray[np.int32], at: int) -> int:
    """Write the k columns of highest score to out[at:], ascending; return the end position.

    `on` is the number of on-inputs. The k-th best score is looked for where the last sample's
    lay, scaled by `on`; the guess decides how fast the answer is found, never which.
    """
    keys = m.scores.view(np.uint32)
    n = _above_guess(keys, k, on, m)
    listed = m.list_keys[:n]
    if n <= k:
        for j in range(n):
            out[at + j] = m.listed[j]
        return at + n
    limit = _kth(listed, k)
    m.hint[0] = np.float64(float_of_bits(limit)) / max(on, 1)
    ties = k
    for j in range(n):
        ties -= np.int64(listed[j] > limit)
    # Every column is written, and overwritten by the next unless it wins: no branches.
    for j in range(n):
        tied = np.int64(listed[j] == limit) & np.int64(ties > 0)
        ties -= tied
        out[at] = m.listed[j]
        at += np.int64(listed[j] > limit) | tied
    return at


@njit(**INNER)
def _above_guess(keys: npt.NDArray[np.uint32], k: int, on: int, m: Memory) -> int:
    """List columns and keys of all scores above a bound that at least k reach (or of all > 0)."""
    guess = np.float32(m.hint[0] * on * m.hint[1])
    bound = max(bits_of_float(guess), np.uint32(1))
    step = np.int64(1 << 20)
    while True:
        n = np.uint64(0)
        for w in range(len(m.level)):
            m.level[w] = at_least(keys, w * 64, bound)
            n += popcount(m.level[w])
        if np.int64(n) >= k or bound == np.uint32(1):
            break
        bound = np.uint32(max(np.int64(bound) - step, np.int64(1)))
        step *= 4
        m.hint[1] *= 0.98
    if np.int64(n) > 3 * k:
        m.hint[1] = min(m.hint[1] * 1.01, 1.0)
    count = write_columns(m.level, m.listed, 0)
    for j in range(count):
        m.list_keys[j] = keys[m.listed[j]]
    return count


@njit(**INNER)
def _kth(keys: npt.NDArray[np.uint32], k: int) -> np.uint32:
    """Return a bound that the k highest of more than k keys reach, and no other but for ties.

    By bisection on the value, until exactly k are left or the k-th highest is found.
    """
    low = keys[0]
    high = keys[0]
    for j in range(len(keys)):
        low = min(low, keys[j])
        high = max(high, keys[j])
    while low < high:
        middle = np.uint32(low + (high - low + np.uint32(1)) // np.uint32(2))
        n = np.int32(0)
        for j in range(len(keys)):
            n += np.int32(keys[j] >= middle)
        if n == k:
            return middle
        if n >= k:
            low = middle
        else:
            high = np.uint32(middle - np.uint32(1))
    return low
