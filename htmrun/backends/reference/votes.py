"""Classifiers by votes in plain NumPy: the rules of docs/math.md, one sample at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from htmrun.backends.bits import Bits

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


def bit_votes(
    table: F32, rate: float, floor: float, bits: Bits, events: Bits, classes: Counts, due: Counts
) -> F32:
    """Return probabilities (T, classes); changes `table` (bits, classes) on the way.

    events: what is learned, with its class each. due (T,): how many of them have been applied
    after each sample.
    """
    out = np.zeros((len(bits), table.shape[1]), np.float32)
    kept, added = np.float32(1 - rate), np.float32(rate)
    applied = 0
    for t in range(len(bits)):
        votes = np.zeros(table.shape[1], np.float32)
        for bit in bits.row(t):
            votes += table[bit]
        out[t] = shares(votes.astype(np.float64), floor)
        for event in range(applied, int(due[t])):
            on = events.row(event)
            table[on] *= kept
            table[on, classes[event]] += added
        applied = max(applied, int(due[t]))
    return out


def nearest_votes(
    bits: Bits, stored: Bits, classes: Counts, low: Counts, high: Counts, neighbours: int,
    similarity: str, weighted: bool, floor: float, count: int,
) -> F32:  # fmt: skip
    """Return probabilities (T, count) from the stored patterns low[t]..high[t] nearest to each.

    The most similar first, of equal ones the lower index; none that shares no bit.
    """
    out = np.zeros((len(bits), count), np.float32)
    held = stored.dense().astype(np.int64)
    for t in range(len(bits)):
        some = held[low[t] : high[t]]
        own = np.zeros(bits.size, np.int64)
        own[bits.row(t)] = 1
        near = similar(some @ own, int(own.sum()), some.sum(1), similarity)
        order = np.argsort(-near, kind="stable")[:neighbours]
        order = order[near[order] > 0]
        votes = np.zeros(count)
        for place in order:
            votes[classes[low[t] + place]] += near[place] if weighted else 1.0
        out[t] = shares(votes, floor)
    return out


def similar(overlap: Counts, own: int, other: Counts, kind: str) -> F64:
    """Return how alike patterns of `own` and of `other` bits are that share `overlap`."""
    shared = overlap.astype(np.float64)
    if kind == "overlap":
        return shared
    if kind == "cosine":
        return shared / np.sqrt(np.maximum(own * other, 1).astype(np.float64))
    return shared / np.maximum(own + other - overlap, 1).astype(np.float64)


def shares(votes: F64, floor: float) -> F32:
    """Return votes as probabilities, of which all classes get `floor` alike; none: all alike."""
    total, alike = np.cumsum(votes)[-1], 1.0 / len(votes)
    if total <= 0:
        return np.full(len(votes), alike, np.float32)
    return ((1.0 - floor) * (votes / total) + floor * alike).astype(np.float32)
