"""Temporal memory: cases small enough to be worked by hand, on every backend."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.backends import load_backend, rng
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.backends.plan import Plan
from htmrun.backends.state import state_hash
from htmrun.errors import UserError
from tests.helpers.devices import BACKENDS

COLUMNS = 6
CELLS = 2


@pytest.fixture(params=BACKENDS)
def backend(request):
    return load_backend(request.param)


def parameters(**changes) -> TemporalMemoryParameters:
    """2 cells a column, thresholds of 2 synapses, permanences in round numbers."""
    values = {
        "cells_per_column": CELLS,
        "activation_threshold": 2,
        "matching_threshold": 2,
        "new_synapses": 3,
        "segment_size": 4,
        "segments_per_cell": 2,
        "connected": 0.5,
        "initial_permanence": 0.2,
        "increment": 0.1,
        "decrement": 0.1,
    }
    return TemporalMemoryParameters(**(values | changes))


def memory(backend, segments=(), active=(), winners=None, sample=10, **changes):
    """A memory with `segments`: {slot: (cell, permanence)} as (cell, last used, synapses)."""
    tm = backend.TemporalMemory(parameters(**changes), COLUMNS, 7)
    rows = [(i, slot, *s[2][slot]) for i, s in enumerate(segments) for slot in sorted(s[2])]
    owner, slot, cell, permanence = zip(*rows, strict=True) if rows else ((), (), (), ())
    state = tm.state() | {
        "sample": np.array([sample]),
        "next_id": np.array([len(segments)]),
        "counters": np.array([len(segments), 0, 0, len(rows), 0, 0]),
        "segment_id": np.arange(len(segments), dtype=np.int32),
        "segment_cell": np.array([s[0] for s in segments], np.int32),
        "segment_last_used": np.array([s[1] for s in segments], np.int64),
        "synapse_segment": np.array(owner, np.int32),
        "synapse_slot": np.array(slot, np.uint8),
        "synapse_cell": np.array(cell, np.int32),
        "synapse_permanence": np.array(permanence, np.int16),
        "active": np.array(active, np.int32),
        "winners": np.array(active if winners is None else winners, np.int32),
    }
    tm.load(state)
    return tm


def step(tm, *rows, reset=(), every=1, **options):
    plan = Plan.every(every, len(rows))
    plan.reset[list(reset)] = 1
    return tm.run(Bits.from_rows(COLUMNS, rows), plan, **options)


def segments(tm) -> dict[int, dict[int, tuple[int, int]]]:
    """Segment id -> slot -> (presynaptic cell, permanence)."""
    s = tm.state()
    out: dict[int, dict[int, tuple[int, int]]] = {int(i): {} for i in s["segment_id"]}
    names = ("segment", "slot", "cell", "permanence")
    for i, slot, cell, p in zip(*(s[f"synapse_{n}"].tolist() for n in names), strict=True):
        out[i][slot] = (cell, p)
    return out


def test_unexpected_columns_burst(backend):
    tm = memory(backend)
    said = step(tm, [1, 4])
    assert said.active.row(0).tolist() == [2, 3, 8, 9]
    assert [w // CELLS for w in said.winners.row(0)] == [1, 4]
    assert (said.hits[0], said.bursting[0]) == (0, 2)
    assert said.predicted.row(0).tolist() == []
    assert tm.counters()["segments"] == 0, "there was no winner before the first sample"


def test_the_winner_of_a_burst_has_fewest_segments_then_the_smallest_word(backend):
    far = {0: (11, 100), 1: (10, 100)}
    tm = memory(backend, [(2, 0, far)], sample=10)
    said = step(tm, [1, 3])
    words = rng.hash2(rng.key(7, rng.Purpose.TM_CELL), np.uint64(10), np.array([6, 7], np.uint64))
    assert said.winners.row(0).tolist() == [3, 6 + int(np.argmin(words))]


def test_a_new_segment_listens_to_the_previous_winners(backend):
    tm = memory(backend, active=[0, 1, 4, 5], winners=[0, 5])
    said = step(tm, [3])
    assert segments(tm) == {0: {0: segments(tm)[0][0], 1: segments(tm)[0][1]}}
    assert sorted(segments(tm)[0].values()) == [(0, 2000), (5, 2000)]
    state = tm.state()
    assert state["segment_cell"].tolist() == said.winners.row(0).tolist()
    assert state["segment_last_used"].tolist() == [10]


def test_growth_takes_the_smallest_hashes_in_their_order(backend):
    tm = memory(backend, active=[0, 1, 4, 5, 8, 9], winners=[0, 1, 4, 5, 8], sample=12)
    step(tm, [3])
    start = rng.mix(rng.key(7, rng.Purpose.TM_GROW) ^ np.uint64(12))
    words = rng.mix(rng.mix(start ^ np.uint64(0)) ^ np.array([0, 1, 4, 5, 8], np.uint64))
    order = np.argsort(words >> np.uint64(32), kind="stable")[:3]
    expected = [(int(np.array([0, 1, 4, 5, 8])[i]), 2000) for i in order]
    assert [segments(tm)[0][slot] for slot in range(3)] == expected


def test_a_predicted_column_activates_its_predictive_cells_and_reinforces(backend):
    synapses = {0: (0, 6000), 1: (5, 9950), 3: (9, 500)}
    tm = memory(backend, [(6, 0, synapses)], active=[0, 5])
    said = step(tm, [3])
    assert said.predicted.row(0).tolist() == [3]
    assert said.active.row(0).tolist() == said.winners.row(0).tolist() == [6]
    assert (said.hits[0], said.bursting[0]) == (1, 0)
    assert segments(tm) == {0: {0: (0, 7000), 1: (5, 10000)}}, "500 - 1000 destroys the third"
    assert tm.state()["segment_last_used"].tolist() == [10]


def test_a_matching_segment_wins_the_burst_and_is_reinforced(backend):
    weak = {0: (0, 3000), 1: (5, 3000)}
    tm = memory(backend, [(6, 0, weak), (7, 0, weak)], active=[0, 5])
    said = step(tm, [3])
    assert said.predicted.row(0).tolist() == []
    assert said.active.row(0).tolist() == [6, 7]
    assert said.winners.row(0).tolist() == [6], "equal potential: the lower segment id"
    assert segments(tm)[0] == {0: (0, 4000), 1: (5, 4000)}
    assert segments(tm)[1] == weak


def test_more_potential_beats_the_lower_id(backend):
    tm = memory(
        backend,
        [(6, 0, {0: (0, 100), 1: (5, 100)}), (7, 0, {0: (0, 100), 1: (5, 100), 2: (8, 100)})],
        active=[0, 5, 8],
    )
    assert step(tm, [3]).winners.row(0).tolist() == [7]


def test_reinforcing_grows_up_to_new_synapses(backend):
    tm = memory(
        backend, [(6, 0, {1: (0, 6000), 2: (5, 6000)})], active=[0, 5, 8, 9], winners=[0, 8]
    )
    step(tm, [3])
    assert segments(tm)[0] == {0: (8, 2000), 1: (0, 7000), 2: (5, 7000)}, "lowest free slot"


def test_a_full_segment_evicts_its_weakest_synapse_that_is_no_winner(backend):
    full = {0: (0, 6000), 1: (11, 3000), 2: (5, 7000), 3: (10, 3000)}
    tm = memory(backend, [(6, 0, full)], active=[0, 5, 8], winners=[0, 8], sample=10)
    step(tm, [3])
    assert segments(tm)[0] == {0: (0, 7000), 1: (8, 2000), 2: (5, 8000), 3: (10, 2000)}


def test_silent_columns_with_matching_segments_are_punished(backend):
    both = [(6, 0, {0: (0, 6000), 1: (5, 300)}), (8, 0, {0: (0, 6000), 1: (9, 6000)})]
    tm = memory(backend, both, active=[0, 5], punishment=0.03)
    said = step(tm, [1])
    assert said.predicted.row(0).tolist() == []
    punished = {0: (0, 5700)}, {0: (0, 6000), 1: (9, 6000)}
    assert (segments(tm)[0], segments(tm)[1]) == punished, "the second did not match"
    assert tm.state()["segment_last_used"].tolist()[:2] == [0, 0]


def test_a_segment_without_synapses_is_destroyed_and_its_id_used_again(backend):
    gone = {0: (0, 200), 1: (5, 300)}
    tm = memory(backend, [(6, 0, gone), (8, 0, gone)], active=[0, 5], punishment=0.03)
    step(tm, [1])
    state = tm.state()
    assert state["segment_id"].tolist() == [2], "column 1 created before 3 and 4 were punished"
    assert state["free_ids"].tolist() == [0, 1]
    assert tm.counters()["synapses_destroyed"] == 4
    step(tm, [2])
    assert tm.state()["segment_id"].tolist() == [1, 2]
    assert tm.state()["free_ids"].tolist() == [0]


def test_eviction_takes_the_segment_used_longest_ago_then_the_lowest_id(backend):
    far = {0: (11, 100), 1: (10, 100)}
    owned = [(6, 4, far), (6, 3, far), (7, 3, far), (7, 3, far)]
    tm = memory(backend, owned, active=[0, 5])
    said = step(tm, [3])
    cell = int(said.winners.row(0)[0])
    new = 1 if cell == 6 else 2
    assert {c for c, _ in segments(tm)[new].values()} == {0, 5}
    assert tm.state()["segment_last_used"][new] == 10
    counters = tm.counters()
    assert counters["segments_evicted"] == counters["segments_destroyed"] == 1
    assert counters["segments"] == 4


FAR = {0: (11, 100), 1: (10, 100)}
"""Synapses that match nothing below."""


def full(backend, *used, first=FAR, active=(0, 5), **changes):
    """A memory of six segments at most that has six; `used`: when each was, `first`: of id 0."""
    owned = [(i, u, FAR if i else first) for i, u in enumerate(used)]
    return memory(backend, owned, active=active, segments_per_column=1, **changes)


def test_a_full_memory_gives_up_the_segment_used_longest_ago_then_the_lowest_id(backend):
    tm = full(backend, 4, 3, 5, 3, 9, 9)
    step(tm, [4])
    state = tm.state()
    assert state["segment_last_used"].tolist() == [4, 10, 5, 3, 9, 9]
    assert state["segment_cell"][1] in (8, 9), "the new one has the id that came free"
    assert tm.counters() == {
        "segments": 6, "synapses": 12, "segments_created": 7, "segments_destroyed": 1,
        "segments_evicted": 1, "synapses_created": 14, "synapses_destroyed": 2,
        "events_dropped": 0,
    }  # fmt: skip


def test_the_oldest_is_found_however_far_apart_the_times_are(backend):
    used = [300_000_000, 299_999_999, 2**40, 70_000, 2**40 + 5, 69_999]
    tm = full(backend, *used, sample=2**41)
    for column, oldest in zip((4, 3, 2, 1, 0), (5, 3, 1, 0, 2), strict=True):
        step(tm, [column])
        used[oldest] = 2**41 + 4 - column
        assert tm.state()["segment_last_used"].tolist() == used


def test_several_new_segments_at_once_find_room_and_ids_come_back_last_first(backend):
    tm = full(backend, 4, 3, 5, 3, 2, 9)
    step(tm, [3, 4, 5])
    state = tm.state()
    columns = (state["segment_cell"] // CELLS).tolist()
    assert [columns[i] for i in (4, 3, 1)] == [3, 4, 5]
    assert state["segment_last_used"].tolist() == [4, 10, 5, 10, 10, 9]


def test_what_happened_to_an_evicted_segment_in_the_same_sample_is_dropped(backend):
    tm = full(backend, 3, 4, 5, 6, 7, 8, first={0: (0, 3000), 1: (5, 3000)})
    said = step(tm, [0, 4])
    assert said.winners.row(0).tolist()[0] == 0, "it matched before it went"
    assert tm.counters()["events_dropped"] == tm.counters()["segments_evicted"] == 1
    assert tm.state()["segment_last_used"].tolist() == [10, 4, 5, 6, 7, 8]


def test_a_segment_reinforced_earlier_in_the_window_is_not_the_oldest_any_more(backend):
    tm = full(backend, 3, 4, 5, 6, 7, 8, first={0: (0, 3000), 1: (5, 3000)})
    step(tm, [0], [4], every=2)
    assert tm.state()["segment_last_used"].tolist() == [10, 11, 5, 6, 7, 8]


def test_a_window_may_create_more_segments_than_there_may_be(backend):
    """Its last samples are what remains, as if they had been learned one by one."""
    tm = full(backend, 3, 4, 5, 6, 7, 8)
    rows = [[3], [4], [2], [3], [1], [4], [3], [5]]
    step(tm, *rows, every=len(rows))
    used, counters = sorted(tm.state()["segment_last_used"].tolist()), tm.counters()
    assert counters["segments"] == 6
    assert used == [12, 13, 14, 15, 16, 17]
    assert counters["segments_evicted"] == counters["segments_created"] - 6 == 8


def test_a_full_memory_gives_up_a_sixty_fourth_at_a_time(backend):
    owned = [(i % 12, 9 - i // 60, FAR) for i in range(204)]
    tm = memory(backend, owned, active=[0, 5], segments_per_cell=40, segments_per_column=34)
    step(tm, [4])
    assert tm.counters()["segments_evicted"] == 204 // 64 == 3
    assert tm.state()["free_ids"].tolist() == [180, 181], "182 has been taken"
    step(tm, [3], [2])
    assert tm.counters()["segments_evicted"] == 3
    step(tm, [5])
    assert tm.counters()["segments_evicted"] == 6


def test_a_limit_that_the_cells_cannot_reach_changes_nothing(backend):
    """Two segments in each of 12 cells: 24 at most, whatever the memory as a whole may have."""
    states = []
    for limit in (4, None, 128):
        tm = memory(backend, active=[0, 5], segments_per_column=limit)
        r = np.random.default_rng(3)
        step(tm, *(np.unique(r.integers(0, COLUMNS, 3)) for _ in range(60)))
        states.append(state_hash(tm.state()))
    assert tm.counters()["segments"] == 24
    assert len(set(states)) == 1


def test_a_state_with_more_segments_than_there_may_be_is_refused(backend):
    with pytest.raises(UserError, match=r"segments_per_column \* columns = 6 segments"):
        full(backend, 1, 2, 3, 4, 5, 6, 7)


def test_nothing_is_learned_across_a_reset(backend):
    tm = memory(backend, [(6, 0, {0: (0, 6000), 1: (5, 6000)})], active=[0, 5])
    before = segments(tm)
    said = step(tm, [3], [4], reset=[0, 1])
    assert said.predicted.indices.tolist() == []
    assert said.bursting.tolist() == [1, 1]
    assert segments(tm) == before


def test_a_reset_leaves_pending_events_alone(backend):
    tm = memory(backend, active=[0, 5])
    step(tm, [3], [4], reset=[1], every=2)
    assert {c for c, _ in segments(tm)[0].values()} == {0, 5}


def test_a_second_create_in_a_window_reinforces_the_first(backend):
    """Without alternatives (one cell a column) the winners before both samples are equal."""
    tm = backend.TemporalMemory(parameters(cells_per_column=1), COLUMNS, 7)
    plan = Plan.every(4, 4)
    plan.reset[2] = 1
    tm.run(Bits.from_rows(COLUMNS, [[0, 1], [2], [0, 1], [2]]), plan)
    assert tm.counters()["segments_created"] == 1
    assert sorted(segments(tm)[0].values()) == [(0, 3000), (1, 3000)]
    assert tm.state()["segment_last_used"].tolist() == [3]


def test_a_create_after_other_winners_makes_another_segment(backend):
    tm = backend.TemporalMemory(parameters(cells_per_column=1), COLUMNS, 7)
    plan = Plan.every(4, 4)
    plan.reset[2] = 1
    tm.run(Bits.from_rows(COLUMNS, [[0, 1], [2], [0, 3], [2]]), plan)
    assert tm.counters()["segments_created"] == 2


def test_events_of_a_segment_destroyed_in_the_same_commit_are_dropped(backend):
    tm = memory(backend, [(6, 0, {0: (0, 200), 1: (1, 200)})], active=[0, 1], punishment=0.03)
    step(tm, [5], [0], [5], reset=[1], every=3)
    counters = tm.counters()
    assert counters["segments_destroyed"] == 1
    assert counters["events_dropped"] == 1, "both times column 3 was silent"


def test_segments_are_frozen_inside_a_window(backend):
    tm = memory(backend, active=[0, 5])
    step(tm, [3], [4], every=3)
    assert tm.counters()["segments"] == 0
    state = tm.state()
    assert state["event_sample"].tolist() == [10, 11]
    assert state["event_column"].tolist() == [3, 4]
    assert state["event_kind"].tolist() == [1, 1]
    assert state["snapshot_active"].tolist() == [0, 5, 6, 7]
    step(tm, [], every=1)
    assert tm.counters()["segments"] == 2


def test_without_learning_cells_follow_and_nothing_is_queued_or_committed(backend):
    tm = memory(backend, active=[0, 5])
    step(tm, [3], every=2)
    pending = tm.state()["event_sample"].tolist()
    step(tm, [4], learn=False)
    assert tm.state()["event_sample"].tolist() == pending == [10]
    assert tm.state()["sample"].tolist() == [12]
    assert tm.state()["active"].tolist() == [8, 9]


def test_no_columns_no_cells(backend):
    tm = memory(backend, active=[0, 5])
    said = step(tm, [], [3])
    assert said.active.row(0).tolist() == []
    assert said.bursting.tolist() == [0, 1]
    assert tm.counters()["segments"] == 0


def test_high_order_sequences_are_told_apart(backend):
    """After ABC comes D, after XBC comes Y: the last common elements do not decide."""
    columns, width = 24, 4
    a, b, c, d, x, y = (list(range(i * width, (i + 1) * width)) for i in range(6))
    tm = backend.TemporalMemory(
        TemporalMemoryParameters(
            cells_per_column=4,
            activation_threshold=3,
            matching_threshold=2,
            new_synapses=4,
            segment_size=8,
            segments_per_cell=8,
            initial_permanence=0.4,
            punishment=0.05,
        ),
        columns,
        1,
    )
    for _ in range(60):
        for sequence in ([a, b, c, d], [x, b, c, y]):
            plan = Plan.every(1, 4)
            plan.reset[0] = 1
            said = tm.run(Bits.from_rows(columns, sequence), plan)
    reset = np.array([1, 0, 0, 0], np.uint8)
    for sequence in ([a, b, c, d], [x, b, c, y]):
        said = tm.compute(Bits.from_rows(columns, sequence), reset)
        assert [said.predicted.row(t).tolist() for t in range(1, 4)] == sequence[1:]
        assert said.bursting.tolist() == [4, 0, 0, 0]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("segment_cell", np.array([99], np.int32), "segment_cell"),
        ("synapse_cell", np.array([0, 0], np.int32), "no cell twice"),
        ("synapse_segment", np.array([0, 1], np.int32), "on every segment"),
        ("synapse_permanence", np.array([0, 1], np.int16), "1 to 10000"),
        ("synapse_slot", np.array([1, 0], np.uint8), "order by"),
        ("synapse_slot", np.array([0, 4], np.uint8), "segment_size"),
        ("free_ids", np.array([0], np.int32), "in use or free"),
        ("counters", np.zeros(6, np.int64), "created - destroyed"),
        ("active", np.array([3, 3], np.int32), "ascending"),
        ("active", np.array([3], np.int64), "expected int32"),
        ("segment_last_used", np.array([10], np.int64), "samples of the past"),
        ("event_kind", np.array([1], np.uint8), "as many as"),
        ("snapshot_sample", np.array([1], np.int64), "offsets"),
        ("segmnt_id", np.zeros(0, np.int32), "did you mean 'segment_id'"),
    ],
)
def test_a_broken_state_is_refused(backend, name, value, message):
    tm = memory(backend, [(6, 0, {0: (0, 200), 1: (1, 200)})], active=[0, 1])
    good = tm.state()
    with pytest.raises(UserError, match=message) as error:
        tm.load(good | {name: value})
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="found nothing"):
        tm.load({n: x for n, x in good.items() if n != "winners"})


def test_a_plan_of_another_length_is_refused(backend):
    tm = memory(backend)
    with pytest.raises(ValueError, match="plan of 2"):
        tm.run(Bits.from_rows(COLUMNS, [[1]]), Plan.every(1, 2))
