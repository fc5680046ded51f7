"""Temporal memory: every backend, every cut of the stream, every array size gives the same."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from htmrun.backends import cpu, reference, tm_footprint
from htmrun.backends.bits import Bits
from htmrun.backends.cpu.memory import arrays
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.backends.plan import Plan
from htmrun.testing import MemoryChecks
from tests.helpers.devices import LAZY
from tests.helpers.independent_tm import OnlineTemporalMemory
from tests.helpers.temporal_streams import (
    Case,
    random_case,
    same_activity,
    same_state,
)

BACKENDS = LAZY


def memory(backend, case: Case):
    return backend.TemporalMemory(case.parameters, case.columns, case.seed)


class TestReference(MemoryChecks):
    backend = "reference"
    pairs = range(1)


class TestCPU(MemoryChecks):
    backend = "cpu"


class TestCPUWhileArraysGrow(MemoryChecks):
    """Every array starts with hardly any room and grows by hardly any."""

    backend = "cpu"
    pairs = range(40, 60)

    @pytest.fixture(autouse=True)
    def tiny_arrays(self, monkeypatch):
        monkeypatch.setattr(arrays, "SPARE", arrays.Spare(1, 4, 4, 1, 1, 1))


@pytest.mark.gpu
class TestCUDA(MemoryChecks):
    backend = "cuda"


def test_random_cases_reach_every_rule():
    """The streams above would prove little if they never evicted, dropped or destroyed."""
    total: dict[str, int] = {}
    for seed in range(12):
        case = random_case(seed)
        tm = memory(cpu, case)
        tm.run(case.bits, case.plan)
        for name, n in tm.counters().items():
            total[name] = total.get(name, 0) + n
    assert min(total.values()) > 50, total


@pytest.mark.parametrize("seed", range(6))
def test_counting_by_lists_equals_counting_by_segments(seed):
    """Which way potential synapses are counted is a matter of speed only."""
    case = random_case(seed)
    expected = memory(cpu, case)
    activity = expected.run(case.bits, case.plan)
    for weight in (0, 1 << 40):
        tm = memory(cpu, case)
        tm._rules = tm._rules._replace(entries_per_segment=weight)
        same_activity(activity, tm.run(case.bits, case.plan))
        same_state(expected.state(), tm.state())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(100, 120))
def test_commit_after_every_sample_is_the_online_rule(backend, seed):
    case = random_case(seed, window=1)
    tm, online = memory(backend, case), OnlineTemporalMemory(case.parameters, case.columns, seed)
    activity = tm.run(case.bits, case.plan)
    for t in range(len(case.bits)):
        expected = online.step(case.bits.row(t), bool(case.plan.reset[t]))
        for x, y in zip(
            (activity.active, activity.winners, activity.predicted), expected, strict=True
        ):
            np.testing.assert_array_equal(x.row(t), y, str(t))
    state = tm.state()
    ids = np.flatnonzero(online.owner >= 0)
    np.testing.assert_array_equal(state["segment_id"], ids)
    np.testing.assert_array_equal(state["segment_cell"], online.owner[ids])
    np.testing.assert_array_equal(state["segment_last_used"], online.used[ids])
    np.testing.assert_array_equal(state["free_ids"], online.stack)
    owner, slot = np.nonzero(online.pre < online.n)
    np.testing.assert_array_equal(state["synapse_segment"], owner)
    np.testing.assert_array_equal(state["synapse_slot"], slot)
    np.testing.assert_array_equal(state["synapse_cell"], online.pre[owner, slot])
    np.testing.assert_array_equal(state["synapse_permanence"], online.perm[owner, slot])


@pytest.mark.parametrize("backend", BACKENDS)
def test_predictions_are_the_same_for_every_window_until_the_first_commit(backend):
    differ = 0
    for seed in range(6):
        case = random_case(seed)
        warm = memory(backend, case)
        warm.run(case.bits.slice(0, 60), Plan.every(1, 60))
        said = {}
        for n in (1, 5, 50):
            tm = memory(backend, case)
            tm.load(warm.state())
            said[n] = tm.run(case.bits.slice(60, 110), Plan.every(n, 50))
        for n in (1, 5):
            for t in range(n):
                for x, y in (
                    (said[n].active, said[50].active),
                    (said[n].predicted, said[50].predicted),
                ):
                    np.testing.assert_array_equal(x.row(t), y.row(t))
        differ += not np.array_equal(said[1].predicted.indices, said[50].predicted.indices)
    assert differ >= 3


@pytest.mark.parametrize("backend", BACKENDS)
def test_learn_false_learns_nothing(backend):
    case = random_case(5)
    tm = backend.TemporalMemory(
        case.parameters.model_copy(update={"learn": False}), case.columns, 5
    )
    activity = tm.run(case.bits, case.plan)
    assert set(tm.counters().values()) == {0}
    assert len(tm.state()["event_kind"]) == 0
    assert activity.hits.sum() == 0


def test_lists_longer_than_the_places_a_synapse_can_hold():
    """70000 segments listen to one cell; a synapse holds 16 bits of its place in that list."""
    n = 70_000
    parameters = TemporalMemoryParameters(
        cells_per_column=4,
        activation_threshold=1,
        matching_threshold=1,
        new_synapses=1,
        segment_size=2,
        segments_per_cell=32767,
        segments_per_column=None,
        punishment=0.2,
    )
    state = reference.TemporalMemory(parameters, 2, 0).state()
    r = np.random.default_rng(0)
    ids = np.arange(n, dtype=np.int32)
    state |= {
        "sample": np.array([1]),
        "next_id": np.array([n]),
        "counters": np.array([n, 0, 0, n, 0, 0]),
        "segment_id": ids,
        "segment_cell": (ids % 4).astype(np.int32),
        "segment_last_used": np.zeros(n, np.int64),
        "synapse_segment": ids,
        "synapse_slot": np.zeros(n, np.uint8),
        "synapse_cell": np.full(n, 5, np.int32),
        "synapse_permanence": r.integers(1, 10000, n).astype(np.int16),
        "active": np.array([5], np.int32),
        "winners": np.array([5], np.int32),
    }
    a, b = (m.TemporalMemory(parameters, 2, 0) for m in (reference, cpu))
    case = random_case(0)
    bits = case.bits.from_rows(2, [[1], [1]])
    for tm in (a, b):
        tm.load(state)
    for t in range(2):
        one = bits.slice(t, t + 1)
        same_activity(a.run(one, Plan.every(1, 1)), b.run(one, Plan.every(1, 1)))
        same_state(a.state(), b.state())
    assert 0 < a.counters()["segments"] < n


def test_memory_stays_within_its_estimate_and_does_not_grow_once_it_is_full(monkeypatch):
    """Input that never repeats, ten times as long as it takes to fill the memory."""
    monkeypatch.setattr(arrays, "SPARE", arrays.Spare(64, 512, 512, 16, 4, 64))
    columns, on = 128, 12
    parameters = TemporalMemoryParameters(cells_per_column=8, activation_threshold=8,
                                          matching_threshold=6, segments_per_column=16)  # fmt: skip
    tm, r, sizes = cpu.TemporalMemory(parameters, columns, 3), np.random.default_rng(1), []
    for _ in range(12):
        rows = r.random((170, columns)).argpartition(on, 1)[:, :on].astype(np.int32)
        bits = Bits(columns, np.sort(rows, 1).ravel(), np.arange(0, rows.size + 1, on))
        tm.run(bits, Plan.every(1, len(rows)))
        assert tm.counters()["segments"] <= 16 * columns
        sizes.append(tm.nbytes)
    assert tm.counters()["segments_evicted"] > 20_000
    assert max(sizes[2:]) < 1.1 * min(sizes[2:])
    assert max(sizes) < tm_footprint.memory(parameters, columns)


def test_a_new_segment_listens_as_one_that_was_there_does():
    """New segments are written all at once, those of a window that meet again are grown."""
    for initial in (0.3, 0.7):
        case = random_case(3)
        case = replace(case, parameters=case.parameters.model_copy(
            update={"initial_permanence": initial, "connected": 0.5}))  # fmt: skip
        a, b = memory(reference, case), memory(cpu, case)
        same_activity(a.run(case.bits, case.plan), b.run(case.bits, case.plan))
        same_state(a.state(), b.state())
        assert a.counters()["segments_created"] > 50


@pytest.mark.parametrize("again", [copy.deepcopy, lambda tm: pickle.loads(pickle.dumps(tm))])
def test_a_copy_has_arrays_of_its_own(again):
    """Compiled code reads where arrays lie from a table: that of a copy names the copy's."""
    case = random_case(1)
    half = len(case.bits) // 2
    tm = memory(cpu, case)
    tm.run(case.bits.slice(0, half), case.plan.slice(0, half))
    before, other = tm.state(), again(tm)
    rest = case.bits.slice(half, len(case.bits)), case.plan.slice(half, len(case.bits))
    activity = other.run(*rest)
    same_state(before, tm.state())
    same_activity(activity, tm.run(*rest))
    same_state(tm.state(), other.state())


def test_results_outlive_the_next_call():
    """One sample a call writes to the same arrays again and again."""
    case = random_case(2)
    whole = memory(cpu, case).run(case.bits, case.plan)
    tm, rows = memory(cpu, case), []
    for t in range(len(case.bits)):
        rows.append(tm.run(case.bits.slice(t, t + 1), case.plan.slice(t, t + 1)))
    for name in ("active", "winners", "predicted"):
        joined = Bits.concatenate([getattr(r, name) for r in rows])
        assert np.array_equal(joined.indices, getattr(whole, name).indices)
        assert np.array_equal(joined.offsets, getattr(whole, name).offsets)
    for name in ("hits", "bursting"):
        assert np.array_equal(
            np.concatenate([getattr(r, name) for r in rows]), getattr(whole, name)
        )


@pytest.mark.parametrize("index", [-1, 64, 1 << 30])
def test_bits_that_are_no_column_are_refused(index):
    tm = cpu.TemporalMemory(TemporalMemoryParameters(), 64, 0)
    before = tm.state()
    bits = Bits(64, np.array([1, index, 3], np.int32), np.array([0, 3]))
    with pytest.raises(ValueError, match="outside of 0 to 63"):
        tm.run(bits, Plan.every(1, 1))
    same_state(before, tm.state())


@pytest.mark.parametrize("punishment", [0.0, 0.1])
def test_counts_are_cleared_one_by_one_where_few_of_many_were_raised(punishment):
    """20,000 segments, of which a sample touches 150: were they not cleared, the next would err."""
    n, columns = 20_000, 256
    parameters = TemporalMemoryParameters(
        cells_per_column=1,
        activation_threshold=2,
        matching_threshold=1,
        new_synapses=2,
        segment_size=4,
        segments_per_column=None,
        punishment=punishment,
    )
    r = np.random.default_rng(0)
    listened = np.sort(r.random((n, columns)).argpartition(2, 1)[:, :2], 1)
    ids = np.arange(n, dtype=np.int32)
    state = reference.TemporalMemory(parameters, columns, 0).state() | {
        "sample": np.array([1]),
        "next_id": np.array([n]),
        "counters": np.array([n, 0, 0, 2 * n, 0, 0]),
        "segment_id": ids,
        "segment_cell": (ids % columns).astype(np.int32),
        "segment_last_used": np.zeros(n, np.int64),
        "synapse_segment": np.repeat(ids, 2),
        "synapse_slot": np.tile(np.array([0, 1], np.uint8), n),
        "synapse_cell": listened.astype(np.int32).ravel(),
        "synapse_permanence": r.integers(1, 10000, 2 * n).astype(np.int16),
    }
    a, b = (m.TemporalMemory(parameters, columns, 0) for m in (reference, cpu))
    bits = Bits.from_rows(columns, [[3, 77], [9], [200], [3], [9], [3, 77], [200]])
    for tm in (a, b):
        tm.load(state)
    same_activity(a.run(bits, Plan.every(1, 7)), b.run(bits, Plan.every(1, 7)))
    same_state(a.state(), b.state())


def test_nothing_is_written_behind_the_room_for_active_cells():
    """Behind the sample's own cells a list is kept of those before it: it needs room as well."""
    tm, one = cpu.TemporalMemory(TemporalMemoryParameters(), 64, 0), Bits.from_rows(64, [[1, 2]])
    tm.run(one, Plan.every(1, 1))
    guarded = np.full(256, -7, np.int32)
    # 64 cells before, and 64 that the sample may activate.
    tm._room = arrays.activity(1, 4096)._replace(active=guarded[:128])
    assert tm.run(one, Plan.every(1, 1)).active.counts().tolist() == [64]
    assert (guarded[128:] == -7).all()
