"""The temporal memory's kernels, run on the host, equal the reference byte for byte.

The cases of `tm_cases` run in `test_host` in every order of threads; here are the cases that
are worked by hand, random ones, and how chunks, groups and states fit together.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from htmrun.backends import cpu, cuda, reference
from htmrun.backends.bits import Bits
from htmrun.backends.cuda.memory import arrays as tm_arrays
from htmrun.backends.cuda.memory import group as tm_group
from htmrun.backends.cuda.memory.group import TemporalMemoryGroup
from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.backends.plan import Plan
from htmrun.backends.state import state_hash
from htmrun.errors import UserError
from tests.backends.test_temporal_memory import *  # noqa: F403  # with the fixture `backend` below
from tests.helpers.kernels import cases, host
from tests.helpers.kernels.tm_cases import tiny_arrays
from tests.helpers.temporal_streams import (
    Case,
    cuts,
    joined,
    random_case,
    same_activity,
    same_state,
)


@pytest.fixture(scope="module")
def modules(build_folder):
    return host.HostModules(lambda file: host.build(file, build_folder))


@pytest.fixture
def device(modules):
    modules.order, modules.poison = 4, cases.POISONS[0]
    return modules.device(64, 64)


@pytest.fixture
def backend(device):
    """What the tests of all backends are given, here with the kernels."""
    return SimpleNamespace(
        TemporalMemory=lambda p, columns, seed: cuda.TemporalMemory(p, columns, seed, device)
    )


def memory(case: Case, device, **options) -> TemporalMemoryGroup:
    return TemporalMemoryGroup(case.parameters, case.columns, [case.seed], device, **options)


@pytest.mark.parametrize("seed", range(200, 216))
def test_random_memories(seed, modules):
    """Any parameters, cuts, block sizes, room, and stretches without learning."""
    case, draw = random_case(seed), np.random.default_rng(seed)
    modules.order = int(draw.integers(8))
    modules.poison = cases.POISONS[modules.order % len(cases.POISONS)]
    expected = cpu.TemporalMemory(case.parameters, case.columns, case.seed)

    def made():
        device = modules.device(64, int(draw.choice([32, 64, 96, 256])))
        with tiny_arrays():
            return memory(case, device, shared_masks=bool(draw.integers(2)))

    tm = made()
    for start, stop in cuts(draw, len(case.bits)):
        bits, plan = case.bits.slice(start, stop), case.plan.slice(start, stop)
        learn = bool(draw.random() > 0.1)
        same_activity(tm.run([bits], [plan], learn)[0], expected.run(bits, plan, learn))
        state = expected.state()
        same_state(tm.state(0), state)
        same_activity(tm.compute([bits], [plan.reset])[0], expected.compute(bits, plan.reset))
        if draw.random() < 0.3:
            tm = made()
            tm.load(0, state)
        same_state(tm.state(0), state)
        assert tm.counters(0) == expected.counters()


@pytest.mark.parametrize("window", [1, 10, 100])
def test_it_stops_and_goes_on_on_another_backend(window, device):
    case = random_case(3, samples=120, window=window)
    whole = reference.TemporalMemory(case.parameters, case.columns, case.seed)
    expected = whole.run(case.bits, case.plan)
    parts, state = [], None
    made = (
        lambda: cuda.TemporalMemory(case.parameters, case.columns, case.seed, device),
        lambda: reference.TemporalMemory(case.parameters, case.columns, case.seed),
        lambda: cpu.TemporalMemory(case.parameters, case.columns, case.seed),
    )
    for k, (start, stop) in enumerate(((0, 35), (35, 77), (77, 83), (83, 120))):
        tm = made[k % 3]()
        if state is not None:
            tm.load(state)
        parts.append(tm.run(case.bits.slice(start, stop), case.plan.slice(start, stop)))
        state = tm.state()
    same_activity(joined(parts), expected)
    assert state_hash(state) == state_hash(whole.state())


def test_chunks_cannot_be_seen(device, monkeypatch):
    case = random_case(7)
    hashes = set()
    for chunk, words in ((1024, 1 << 24), (13, 1 << 24), (1, 1 << 24), (1024, 40)):
        monkeypatch.setattr(tm_group, "CHUNK", chunk)
        monkeypatch.setattr(tm_group, "CHUNK_WORDS", words)
        tm = memory(case, device)
        said = tm.run([case.bits], [case.plan])[0]
        hashes.add((state_hash(tm.state(0)), said.active.indices.tobytes()))
    assert len(hashes) == 1


def test_a_model_in_a_group_ends_as_it_would_alone(device):
    first = random_case(11)
    group = TemporalMemoryGroup(first.parameters, first.columns, range(5), device)
    draw = np.random.default_rng(1)
    samples = [first.bits.slice(10 * m, 10 * m + 90) for m in range(5)]
    plans = [Plan.every(n, 90) for n in (1, 3, 10, 40, 100)]
    for plan in plans:
        plan.reset[:] = draw.random(90) < 0.1
    together = group.run(samples, plans)
    for m in range(5):
        alone = cuda.TemporalMemory(first.parameters, first.columns, m, device)
        same_activity(together[m], alone.run(samples[m], plans[m]))
        same_state(group.state(m), alone.state())


def test_parts_of_a_group_are_the_group(device):
    """Models asked apart or together, windows open and arrays growing in between."""
    case = random_case(12)
    with tiny_arrays():
        group = TemporalMemoryGroup(case.parameters, case.columns, range(4), device)
    alone = [cpu.TemporalMemory(case.parameters, case.columns, m) for m in range(4)]
    parts = [(group, 0, 4), (group.part(1, 3), 1, 3), (group.part(1, 3).part(1, 2), 2, 3)]
    for k, start in enumerate(range(0, 150, 25)):
        bits, plan = case.bits.slice(start, start + 25), case.plan.slice(start, start + 25)
        part, first, last = parts[k % 3]
        said = part.run([bits] * (last - first), [plan] * (last - first))
        for m in range(first, last):
            same_activity(said[m - first], alone[m].run(bits, plan))
        looked = part.compute([bits] * (last - first), [plan.reset] * (last - first))
        same_activity(looked[0], alone[first].compute(bits, plan.reset))
        for m in range(4):
            same_state(group.state(m), alone[m].state())
        assert part.counters(0) == alone[first].counters()
    parts[1][0].load(1, alone[0].state())
    same_state(group.state(2), alone[0].state())


def test_cells_come_from_the_device_when_they_are_read_and_once(device, monkeypatch):
    case, copied = random_case(11), []
    group = TemporalMemoryGroup(case.parameters, case.columns, range(3), device)
    # Two chunks, and more after it: what was said first stays what it was.
    monkeypatch.setattr(tm_group, "CHUNK", 80)
    to_host = device.to_host
    device.to_host = lambda array: copied.append(1) or to_host(array)
    said = group.run([case.bits] * 3, [case.plan] * 3)
    group.run([case.bits] * 3, [case.plan] * 3)
    copied.clear()
    for model in (2, 0, 1):
        tm = cpu.TemporalMemory(case.parameters, case.columns, model)
        expected = tm.run(case.bits, case.plan)
        np.testing.assert_array_equal(said[model].bursting, expected.bursting)
        np.testing.assert_array_equal(said[model].hits, expected.hits)
        # Of three arrays of each chunk where samples begin, and what is on; of all models.
        assert len(copied) == (0 if model == 2 else 12)
        same_activity(said[model], expected)
    assert len(copied) == 12


def test_wrong_input_changes_nothing(device):
    case = random_case(2)
    tm = memory(case, device)
    tm.run([case.bits], [case.plan])
    before = state_hash(tm.state(0))
    columns = case.columns
    with pytest.raises(ValueError, match=f"for {columns} columns"):
        tm.run([Bits.empty(columns + 1)], [Plan.every(1, 0)])
    with pytest.raises(ValueError, match="on-bits outside"):
        tm.run([Bits.from_rows(columns, [[columns]])], [Plan.every(1, 1)])
    with pytest.raises(ValueError, match="plan of 150 samples for 10"):
        tm.run([case.bits.slice(0, 10)], [case.plan])
    with pytest.raises(ValueError, match="3 reset flags for 10 samples"):
        tm.compute([case.bits.slice(0, 10)], [case.plan.reset[:3]])
    with pytest.raises(ValueError, match="expected 1 of equal length"):
        tm.run([case.bits] * 2, [case.plan] * 2)
    assert len(tm.run([Bits.empty(columns)], [Plan.every(1, 0)])[0].active) == 0
    assert state_hash(tm.state(0)) == before


def test_a_full_device_is_one_clear_line(device, monkeypatch):
    case = random_case(2)
    with tiny_arrays():
        tm = memory(case, device)

    def full(*_):
        raise MemoryError("Out of memory allocating 512 bytes\n(allocated so far: ...)")

    monkeypatch.setattr(type(device.xp), "full", full, raising=False)
    with pytest.raises(UserError, match=r"^device: found no room for .*, expected .*$") as error:
        tm.run([case.bits], [case.plan])
    assert "\n" not in str(error.value)


def test_memory_is_what_was_estimated(device):
    parameters = TemporalMemoryParameters(segments_per_cell=128)
    tm = TemporalMemoryGroup(parameters, 512, range(3), device)
    estimate = 3 * tm_arrays.memory_bytes(parameters, 512)
    assert 0.9 * tm.nbytes < estimate < 1.02 * tm.nbytes


def test_cells_that_cannot_be_numbered_are_refused(device):
    with pytest.raises(UserError, match=r"^tm.cells_per_column: found 256 on 8388608 columns"):
        tm_arrays.memory_bytes(TemporalMemoryParameters(cells_per_column=256), 1 << 23)
