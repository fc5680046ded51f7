"""New segments of a sample get their synapses together, and listen as if one by one."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.backends import cpu, reference, rng
from htmrun.backends.bits import Bits
from htmrun.backends.cpu.common.lanes import LONGEST
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.backends.plan import Plan
from tests.helpers.temporal_streams import same_activity, same_state

COLUMNS = 256


def samples(number: int, on: int, patterns: int = 0) -> Bits:
    """Return samples of so many columns; they come from a few patterns, or never repeat."""
    random = np.random.default_rng(on)
    rows = random.random((patterns or number, COLUMNS)).argpartition(on, 1)[:, :on]
    if patterns:
        rows = rows[random.integers(patterns, size=number)]
    indices = np.sort(rows, 1).astype(np.int32)
    return Bits(COLUMNS, indices.ravel(), np.arange(0, rows.size + 1, on))


# 1, 2, fewer than lanes, a few lanes over; as many as a network sorts, and more than wait together.
@pytest.mark.parametrize("on", [1, 2, 5, 18, 40, LONGEST, LONGEST + 9])
@pytest.mark.parametrize("window", [1, 7])
@pytest.mark.parametrize("initial", [0.21, 0.6])
def test_they_listen_as_the_reference_has_it(on, window, initial):
    parameters = TemporalMemoryParameters(
        cells_per_column=4,
        activation_threshold=min(on, 8),
        matching_threshold=min(on, 6),
        new_synapses=12,
        segment_size=16,
        segments_per_cell=3,
        segments_per_column=12,
        initial_permanence=initial,
        punishment=0.05,
    )
    bits = samples(60, on, patterns=12)
    a, b = (m.TemporalMemory(parameters, COLUMNS, 3) for m in (reference, cpu))
    for at in range(0, 60, 20):
        part, plan = bits.slice(at, at + 20), Plan.every(window, 20)
        same_activity(a.run(part, plan), b.run(part, plan))
        same_state(a.state(), b.state())
    assert a.counters()["segments_created"] >= 20 * min(on, 5)


def test_hashes_that_begin_alike_are_told_apart_by_their_ends():
    """Of some pair in 130,000 choices the lanes' words do not say which one is smaller."""
    n, steps, seed = 20, 2048, 5
    parameters = TemporalMemoryParameters(
        activation_threshold=n, matching_threshold=n, new_synapses=n, segments_per_column=None
    )
    bits = samples(steps + 1, LONGEST)
    tm = cpu.TemporalMemory(parameters, COLUMNS, seed)
    winners = tm.run(bits, Plan.every(1, steps + 1)).winners
    state = tm.state()
    chosen = state["synapse_cell"].reshape(-1, n)
    assert len(chosen) == steps * LONGEST
    start, alike = rng.key(seed, rng.Purpose.TM_GROW), 0
    for t in range(1, steps + 1):
        of_sample = np.flatnonzero(state["segment_last_used"] == t)
        cells = winners.row(t - 1).astype(np.uint64)
        ids = state["segment_id"][of_sample].astype(np.uint64)
        word = rng.mix(rng.mix(start ^ np.uint64(t)) ^ ids)[:, None]
        hashes = rng.mix(word ^ cells) >> np.uint64(32)
        by_hash = np.argsort(hashes, 1, kind="stable")
        np.testing.assert_array_equal(chosen[of_sample], cells[by_hash[:, :n]].astype(np.int32))
        coarse = np.take_along_axis(hashes // LONGEST, by_hash[:, : n + 1], 1)
        alike += (coarse[:, 1:] == coarse[:, :-1]).sum()
    assert alike > 0


def test_places_of_more_winners_than_two_bytes_count():
    columns = 70_000
    rows = [np.arange(columns), np.array([1, 5, 9, 50, 60]), np.array([2, 3])]
    bits, plan = Bits.from_rows(columns, rows), Plan.every(1, 3)
    parameters = TemporalMemoryParameters(
        cells_per_column=1, activation_threshold=3, matching_threshold=2, new_synapses=8,
        segment_size=16,
    )  # fmt: skip
    a = cpu.TemporalMemory(parameters, columns, 3)
    b = reference.TemporalMemory(parameters, columns, 3)
    a.run(bits, plan)
    b.run(bits, plan)
    assert a.state()["synapse_cell"].max() > np.iinfo(np.uint16).max
    same_state(a.state(), b.state())
