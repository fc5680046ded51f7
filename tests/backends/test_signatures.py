"""Bytes of synapses, by which segments that cannot match are passed over."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numba import njit

from htmrun.backends import cpu, reference
from htmrun.backends.bits import Bits
from htmrun.backends.cpu.common.processor import has
from htmrun.backends.cpu.memory import look_up
from htmrun.backends.cpu.memory.arrays import CHUNK, CHUNKS_END, FREE_CHUNK
from htmrun.backends.cpu.memory.signatures import ALWAYS, NONE
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.backends.plan import Plan
from tests.helpers.temporal_streams import random_case, same_activity, same_state


def parameters(**settings: int | float) -> TemporalMemoryParameters:
    base = {"cells_per_column": 4, "activation_threshold": 8, "matching_threshold": 6,
            "new_synapses": 12, "segment_size": 20, "segments_per_cell": 3}  # fmt: skip
    return TemporalMemoryParameters(**base | settings)


def noisy(columns: int, on: int, samples: int, share: float = 0.2) -> Bits:
    """Return ten patterns again and again, a share of whose on-bits are others each time."""
    random = np.random.default_rng(columns + on)
    patterns = random.random((10, columns)).argpartition(on, 1)[:, :on]
    rows = []
    for t in range(samples):
        kept = random.permutation(patterns[t % 10])[: on - round(share * on)]
        others = random.permutation(np.setdiff1d(np.arange(columns), kept))
        rows.append(np.sort([*kept, *others[: on - len(kept)]]).astype(np.int32))
    return Bits.from_rows(columns, rows)


def check(tm: cpu.TemporalMemory) -> None:
    """Check that every segment has a signature of its own that says what it listens to."""
    m, rules, state = tm._memory, tm._rules, tm.state()
    width, bytes_ = rules.signature, m.signatures.byte.reshape(-1, rules.signature)
    ids, cells = state["segment_id"], state["segment_cell"]
    records = m.segments.record[ids]
    np.testing.assert_array_equal(m.signatures.owner[records], ids)
    assert len(set(records.tolist())) == len(ids)
    taken = set()
    for column in range(tm.columns):
        chain, chunk = [], int(m.cells.chunk[column])
        while chunk >= 0:
            chain.append(chunk)
            chunk = int(m.signatures.before[chunk])
        mine = records[cells // rules.cells_per_column == column]
        places = [c * CHUNK + k for c in chain for k in range(CHUNK)]
        empty = len(places) - len(mine)
        assert 0 <= empty < CHUNK
        first = chain[0] * CHUNK if chain else 0
        assert set(mine.tolist()) == set(places) - set(range(first + CHUNK - empty, first + CHUNK))
        taken |= set(chain)
    free, chunk = set(), int(m.scalars[FREE_CHUNK])
    while chunk >= 0:
        free.add(chunk)
        chunk = int(m.signatures.before[chunk])
    assert not free & taken
    assert free | taken == set(range(m.scalars[CHUNKS_END]))
    unused = np.setdiff1d(np.arange(len(bytes_)), records)
    assert (bytes_[unused] == NONE).all()
    owner, slot = state["synapse_segment"], state["synapse_slot"]
    always = np.zeros(m.segments.record.max() + 1 if len(ids) else 1, bool)
    always[ids] = (bytes_[records] == ALWAYS).all(1)
    assert always[owner[slot >= width]].all()
    told = ~always[owner]
    said = bytes_[m.segments.record[owner[told]], slot[told]]
    size = 1 << (tm.parameters.cells_per_column.bit_length() - 1)
    meant = state["synapse_cell"][told].astype(np.uint32) // size * np.uint32(2654435769) >> 24
    np.testing.assert_array_equal(said, np.clip(meant, 1, 254))
    # What a column that burst is heard by: the cells with connected entries.
    connected = state["synapse_permanence"] >= rules.connected
    heard = np.unpackbits(m.cells.heard.view(np.uint8), bitorder="little")
    on = np.flatnonzero(heard)
    np.testing.assert_array_equal(on, np.unique(state["synapse_cell"][connected]))


def run(p: TemporalMemoryParameters, bits: Bits, window: int = 1) -> cpu.TemporalMemory:
    """Run both backends, a few samples at a time; check each state."""
    a, b = (m.TemporalMemory(p, bits.size, 3) for m in (reference, cpu))
    for begin, end in pairwise(range(0, len(bits) + 1, 20)):
        part, plan = bits.slice(begin, end), Plan.every(window, end - begin)
        same_activity(a.run(part, plan), b.run(part, plan))
        same_state(a.state(), b.state())
        check(b)
    again = cpu.TemporalMemory(p, bits.size, 3)
    again.load(b.state())
    check(again)
    same_activity(a.run(bits, Plan.every(1, len(bits))), again.run(bits, Plan.every(1, len(bits))))
    return b


# Groups are columns, halves, or more than one to a column that do not end where it does.
@pytest.mark.parametrize("cells", [1, 2, 3, 5, 31, 32, 33, 63, 64, 65, 100])
def test_columns_of_any_number_of_cells(cells):
    tm = run(parameters(cells_per_column=cells, segments_per_column=20), noisy(101, 12, 80))
    assert tm.counters()["segments"] > 50


# Half of a pattern comes again, which is just what a match takes.
@pytest.mark.parametrize("size", [20, 40])
def test_as_many_bytes_as_make_a_match_are_enough(size):
    run(parameters(segment_size=size), noisy(200, 12, 80, share=0.5))


# Of 64 bytes there is one for each slot, or fewer than slots; a match may need more than bytes.
@pytest.mark.parametrize(("size", "new", "threshold"), [
    (31, 31, 20), (32, 32, 32), (33, 33, 33), (63, 50, 30), (64, 64, 40), (65, 65, 65),
    (200, 70, 60), (255, 20, 8),
])  # fmt: skip
@pytest.mark.parametrize("initial", [0.21, 0.6])
def test_segments_of_any_size(size, new, threshold, initial):
    p = parameters(segment_size=size, new_synapses=new, activation_threshold=threshold,
                   matching_threshold=threshold, initial_permanence=initial)  # fmt: skip
    tm = run(p, noisy(120, min(70, new + 9), 40), window=4)
    assert tm.counters()["segments"] > 100


@pytest.mark.parametrize("weight", [0, 1 << 40])
@pytest.mark.parametrize("on", [8, 60])
def test_active_columns_few_or_so_many_that_signatures_say_little(on, weight):
    p = parameters(activation_threshold=8, matching_threshold=5)
    a, b = (m.TemporalMemory(p, 200, 3) for m in (reference, cpu))
    b._rules = b._rules._replace(entries_per_segment=weight)
    bits = noisy(200, on, 60)
    same_activity(a.run(bits, Plan.every(1, 60)), b.run(bits, Plan.every(1, 60)))
    same_state(a.state(), b.state())


@pytest.mark.parametrize("seed", range(8))
def test_signatures_hold_through_evictions_and_resets(seed):
    case = random_case(seed)
    tm = cpu.TemporalMemory(case.parameters, case.columns, seed)
    for begin, end in pairwise(range(0, len(case.bits) + 1, 10)):
        tm.run(case.bits.slice(begin, end), case.plan.slice(begin, end))
        check(tm)


WAYS = [
    pytest.param(
        way, marks=pytest.mark.skipif(not has(feature), reason=f"a processor without {feature}")
    )
    for way, feature in (("look_up_bytes", "avx512vbmi"), ("look_up_bits", "avx2"))
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_looked_up_by_an_instruction_or_plainly_is_the_same(way, share, monkeypatch):
    monkeypatch.setattr(look_up, "BYTES", False)
    looked_up, pack = getattr(look_up, way), look_up.pack_groups.py_func

    @njit
    def found(byte, at, groups):
        return looked_up(byte, at, groups)

    random = np.random.default_rng(0)
    groups = np.zeros(320, np.uint8)
    groups[:256] = random.random(256) < share
    pack(groups)
    byte = random.permutation(np.arange(384) % 256).astype(np.uint8)
    for at in range(320):
        expected = int((groups[byte[at : at + 64]].astype(object) << np.arange(64)).sum())
        assert look_up.look_up_plain(byte, at, groups) == expected
        assert found(byte, at, groups) == expected
