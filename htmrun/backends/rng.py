"""Counter-based random numbers: a hash of (seed, purpose, a, b), with no state to carry.

Every random choice on the hot path is a pure function of what it is for, so a result
cannot depend on the order in which parallel work finishes. The mixing function is the
finaliser of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
generators", OOPSLA 2014). The numba twins in `backends.cpu.numeric` and the CUDA twins
in `kernels/rng.cuh` return the same bits.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MUL_A = np.uint64(0xBF58476D1CE4E5B9)
_MUL_B = np.uint64(0x94D049BB133111EB)


class Purpose(IntEnum):
    """What a random number is for; two purposes never share a number."""

    SP_POOL = 1
    SP_PERMANENCE = 2
    TM_CELL = 3
    TM_GROW = 4
    ENCODER = 5
    SHUFFLE = 6
    SPLIT = 7
    NOISE = 8
    GENERATE = 9
    PROBE = 10
    NETWORK = 11
    SHIFT = 12
    TASK = 13
    ENVIRONMENT = 14
    ACTION = 15


def mix(z: npt.ArrayLike) -> U64:
    """Return the SplitMix64 hash of each 64-bit word of `z` (any shape), as uint64."""
    with np.errstate(over="ignore"):
        x = np.asarray(z, np.uint64) + _GOLDEN
        x = (x ^ (x >> np.uint64(30))) * _MUL_A
        x = (x ^ (x >> np.uint64(27))) * _MUL_B
        return x ^ (x >> np.uint64(31))


def key(seed: int, purpose: Purpose) -> np.uint64:
    """Return the 64-bit key of one purpose under one seed (seed taken modulo 2**64)."""
    return np.uint64(mix(mix(np.uint64(seed % 2**64)) ^ np.uint64(int(purpose))))


def hash2(k: np.uint64, a: npt.ArrayLike, b: npt.ArrayLike) -> U64:
    """Return ``mix(mix(k ^ a) ^ b)``, broadcast over `a` and `b`; the hot path's random word."""
    return mix(mix(k ^ np.asarray(a, np.uint64)) ^ np.asarray(b, np.uint64))


def below(words: U64, n: int) -> npt.NDArray[np.int64]:
    """Map random words to integers in [0, n), n < 2**32, by multiply-and-shift of the high half."""
    return (((words >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)).astype(np.int64)


def uniform(words: U64) -> npt.NDArray[np.float64]:
    """Map random words to float64 in [0, 1), using the upper 53 bits."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permutation(seed: int, purpose: Purpose, stream: int, n: int) -> npt.NDArray[np.int64]:
    """Return a permutation of range(n): indices ordered by (hash, index)."""
    words = hash2(key(seed, purpose), np.uint64(stream), np.arange(n, dtype=np.uint64))
    return np.argsort(words, kind="stable")
