"""Columns in the order in which local inhibition visits them: by key, then by index.

A key is the overlap, or the representation of the boosted score as an integer. It stands in the
upper half of a word, the column in the lower one. Places are unsigned: a signed one would have to
be looked at, whether it counts from the end.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends.cpu.common.numeric import bits_of_float, trailing_zeros
from htmrun.backends.cpu.pooler.layout import HOT, INNER, U64
from htmrun.backends.cpu.pooler.overlap import overlap_of

_NONE, _ONE, _SIX, _HALF = np.uint64(0), np.uint64(1), np.uint64(6), np.uint64(32)
_TOP = np.uint64(1 << 63)


@njit(**HOT)
def list_overlaps(chosen: U64, count: int, overlaps: npt.NDArray[np.uint8], out: U64) -> int:
    """List the columns set in `chosen`, ascending, with their overlaps; return how many.

    `count` bytes of overlap are in use.
    """
    last = np.uint64(len(chosen) - 1)
    n, w, left, following = _NONE, _NONE, chosen[0], chosen[min(_ONE, last)]
    # One loop without a jump inside: how many columns a word holds cannot be predicted.
    while w <= last:
        c = (w << _SIX) | trailing_zeros(left | _TOP)
        out[n] = np.uint64(overlap_of(c, count, overlaps)) << _HALF | c
        n += np.uint64(left != _NONE)
        left &= left - _ONE
        done = np.uint64(left == _NONE)
        left |= following & (_NONE - done)
        w += done
        following = chosen[min(w + _ONE, last)]
    return np.int64(n)


@njit(**HOT)
def list_scores(
    chosen: U64,
    count: int,
    overlaps: npt.NDArray[np.uint8],
    factors: npt.NDArray[np.float32],
    low: int,
    above: int,
    out: U64,
) -> int:
    """List the columns set in `chosen` with low <= score < above; scores are boosted overlaps."""
    n = list_overlaps(chosen, count, overlaps, out)
    kept = _NONE
    lowest, highest = np.uint64(low), np.uint64(above)
    for j in range(np.uint64(n)):
        c = out[j] & np.uint64(0xFFFFFFFF)
        score = np.float32(np.int64(out[j] >> _HALF)) * factors[c]
        key = np.uint64(bits_of_float(score))
        out[kept] = key << _HALF | c
        kept += np.uint64(key >= lowest) & np.uint64(key < highest)
    return np.int64(kept)


@njit(**HOT)
def sort_listed(n: int, low: int, listed: U64, buckets: U64, out: U64) -> None:
    """Sort listed[:n], whose keys are at least `low`, into `out`, best first."""
    number, lowest, most = np.uint64(n), np.uint64(low), np.uint64(low)
    for j in range(number):
        most = max(most, listed[j] >> _HALF)
    shift = _NONE
    while (most - lowest) >> shift >= np.uint64(len(buckets) - 1):
        shift += _ONE
    used = ((most - lowest) >> shift) + np.uint64(2)
    for b in range(used):
        buckets[b] = _NONE
    for j in range(number):
        buckets[((most - (listed[j] >> _HALF)) >> shift) + _ONE] += _ONE
    total = _NONE
    for b in range(used):
        total += buckets[b]
        buckets[b] = total
    for j in range(number):
        item = listed[j]
        b = (most - (item >> _HALF)) >> shift
        at = buckets[b]
        out[at] = item
        buckets[b] = at + _ONE
    if shift != _NONE:
        _settle(number, out)


@njit(**INNER)
def _settle(n: np.uint64, out: U64) -> None:
    """Sort what is almost sorted; equal keys are in the order of their columns, which stays."""
    for j in range(_ONE, n):
        item = out[j]
        k = j
        while k > _NONE and out[k - _ONE] >> _HALF < item >> _HALF:
            out[k] = out[k - _ONE]
            k -= _ONE
        out[k] = item
