"""Compact potential pools on a card: when they are chosen, how they lie, what enters and leaves."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.backends import receptive_fields, reference
from htmrun.backends.cuda import footprint
from htmrun.backends.cuda.pooler import pools
from htmrun.backends.cuda.pooler.group import SpatialPoolerGroup
from htmrun.backends.cuda.pooler.pools import PoolLayout
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.errors import UserError
from tests.helpers.kernels import cases, host

FEW = SpatialPoolerParameters(columns=50, boost_strength=4.0, potential_fraction=0.1)
HALF = SpatialPoolerParameters(columns=50, boost_strength=4.0)


@pytest.fixture(scope="module")
def device(build_folder):
    return host.HostModules(lambda file: host.build(file, build_folder)).device()


def layout_of(group: SpatialPoolerGroup) -> PoolLayout:
    return group._kernels._pools


def chosen(shape: tuple[int, ...], **settings: object) -> tuple[int, int]:
    found = pools.room(SpatialPoolerParameters(**settings), shape)
    return found.entry, found.runs


def test_auto_chooses_by_share_and_by_what_caches_hold():
    assert chosen((16384,), columns=16384) == (1, 256)
    assert chosen((16384,), columns=16384, potential_fraction=0.1) == (2, 52)
    assert chosen((16384,), columns=16384, potential_fraction=0.6) == (0, 0)
    assert chosen((784,), columns=2048) == (0, 0)
    assert chosen((4096,), columns=8192) == (0, 0)
    assert chosen((4096,), columns=8193) == (1, 64)
    near = {"columns": 16384, "column_shape": (128, 128), "potential_radius": 8}
    assert chosen((128, 128), **near) == (2, 5)
    assert chosen((1 << 17,), columns=4096, potential_fraction=0.1) == (0, 0)
    assert chosen((1 << 17,), columns=4096) == (1, 2048)


def test_a_compact_pool_takes_less_memory_and_is_read_in_fewer_bytes():
    dense, near, far = PoolLayout(512), PoolLayout(512, 256, 1), PoolLayout(512, 52, 2)
    assert (dense.row_bytes, dense.read_bytes()) == (32768, 34816)
    assert (near.row_bytes, near.read_bytes()) == (25088, 25088)
    assert (far.row_bytes, far.read_bytes()) == (6760, 6760)
    few = SpatialPoolerParameters(columns=16384, potential_fraction=0.1)
    all_inputs = SpatialPoolerParameters(columns=16384, potential_fraction=1.0)
    saved = footprint.pooler_state(all_inputs, (16384,)) - footprint.pooler_state(few, (16384,))
    assert saved == 16384 * (32768 - 6760) + 3


def random_rows(columns: int, inputs: int, share: float) -> np.ndarray:
    draw = np.random.default_rng(inputs)
    rows = draw.integers(0, 10001, (columns, -(-inputs // 32) * 32)).astype(np.int16)
    rows[draw.random(rows.shape) >= share] = -1
    rows[:, inputs:] = -1
    rows[0] = -1
    return rows


@pytest.mark.parametrize("entry", [1, 2])
@pytest.mark.parametrize("inputs", [1, 31, 32, 33, 64, 65, 1024, 1025, 2311])
def test_rows_come_back_as_they_were_packed(inputs, entry):
    rows = random_rows(9, inputs, 0.7)
    largest = int((rows >= 0).sum(1).max())
    to = PoolLayout(rows.shape[1] // 32, max(1, -(-largest // 32)), entry)
    np.testing.assert_array_equal(pools.whole(*pools.packed(rows, to), to), rows)


@pytest.mark.parametrize(("parameters", "entry"), [(HALF, 1), (FEW, 2)])
def test_the_card_packs_as_the_host_does(parameters, entry, device, monkeypatch):
    monkeypatch.setattr(pools, "DRAWN", 7 * 2 * 1300)
    group = SpatialPoolerGroup(parameters, (1300,), [3, 5], device, pools="compact")
    assert layout_of(group).entry == entry
    for m in range(2):
        padded = np.full((50, 41 * 32), -1, np.int16)
        padded[:, :1300] = group.state(m)["permanences"]
        rows, inputs, bases = pools.packed(padded, layout_of(group))
        kernels = group._kernels
        np.testing.assert_array_equal(device.to_host(kernels._permanences[m]), rows)
        np.testing.assert_array_equal(device.to_host(kernels._pool_inputs[m]), inputs)
        np.testing.assert_array_equal(device.to_host(kernels._pool_bases[m]), bases)


@pytest.mark.parametrize("parameters", [HALF, FEW])
def test_states_move_between_layouts_and_backends(parameters, device):
    draw = np.random.default_rng(1)
    bits, plan = cases.random_bits(draw, 24, 300, 0.2), cases.random_plan(draw, 24, 3)
    whole = reference.SpatialPooler(parameters, (300,), 3)
    whole.run(bits, plan)
    state = None
    for start, asked in ((0, "compact"), (9, "dense"), (16, "compact")):
        # Pools of other models than these: theirs come with the state.
        seeds = [3 + (start > 0), 9]
        group = SpatialPoolerGroup(parameters, (300,), seeds, device, pools=asked)
        others = group.state(1)
        if state is not None:
            group.load(0, state)
        stop = {0: 9, 9: 16, 16: 24}[start]
        group.part(0, 1).run([bits.slice(start, stop)], [plan.slice(start, stop)])
        # What a part keeps of an open window is its group's.
        state = group.state(0)
        cases.same_state(group.state(1), others, "the other model")
    cases.same_state(state, whole.state(), "the end")


def test_a_state_whose_pools_do_not_fit_changes_nothing(device):
    group = SpatialPoolerGroup(HALF, (300,), [3], device, pools="compact")
    before = group.state(0)
    larger = SpatialPoolerParameters(columns=50, potential_fraction=0.6)
    with pytest.raises(ValueError, match="found a pool of 180 inputs, expected at most 160"):
        group.load(0, reference.SpatialPooler(larger, (300,), 3).state())
    sparse = {name: array.copy() for name, array in before.items()}
    sparse["permanences"][7] = -1
    sparse["permanences"][7, ::10] = 1
    with pytest.raises(ValueError, match="32 neighbours of a pool over 291 inputs, expected"):
        group.load(0, sparse)
    cases.same_state(group.state(0), before, "after both")


def test_neighbours_too_far_for_a_byte_take_two(device, monkeypatch):
    monkeypatch.setattr(pools, "NEAR_SHARE", 0.0)
    parameters = SpatialPoolerParameters(columns=50, potential_fraction=0.08)
    group = SpatialPoolerGroup(parameters, (900,), [3, 4], device, pools="compact")
    assert layout_of(group).entry == 2
    want = reference.SpatialPooler(parameters, (900,), 4).state()
    cases.same_state(group.state(1), want, "start")
    monkeypatch.setattr(pools, "_FAR_INPUTS", 899)
    with pytest.raises(UserError, match=r"^pools: found .*, expected 'auto' or 'dense'$"):
        SpatialPoolerGroup(parameters, (900,), [3, 4], device, pools="compact")


def test_one_block_that_selects_alone_has_whole_rows(device, monkeypatch):
    with pytest.raises(ValueError, match="pools 'compact' with online 'alone', expected"):
        SpatialPoolerGroup(HALF, (900,), [3], device, online="alone", pools="compact")
    monkeypatch.setattr(pools, "CACHED", 0)
    assert layout_of(SpatialPoolerGroup(HALF, (2048,), [3], device)).entry == 1
    assert layout_of(SpatialPoolerGroup(HALF, (2048,), [3], device, online="alone")).entry == 0
    assert layout_of(SpatialPoolerGroup(HALF, (2048,), [3], device, pools="dense")).entry == 0


def test_a_compact_model_in_a_group_ends_as_it_would_alone(device):
    draw = np.random.default_rng(5)
    samples = [cases.random_bits(draw, 15, 140, 0.2) for _ in range(5)]
    plans = [cases.random_plan(draw, 15, n) for n in (1, 2, 4, 8, 100)]
    group = SpatialPoolerGroup(FEW, (140,), range(5), device, pools="compact")
    together = group.part(0, 2).run(samples[:2], plans[:2])
    together += group.part(2, 5).run(samples[2:], plans[2:])
    for m in range(5):
        alone = reference.SpatialPooler(FEW, (140,), m)
        cases.same_bits(together[m], alone.run(samples[m], plans[m]), f"model {m}")
        cases.same_state(group.state(m), alone.state(), f"model {m}")


def test_the_inhibition_radius_follows_compact_pools(device, monkeypatch, build_folder):
    monkeypatch.setattr(receptive_fields, "PERIOD", 4)
    parameters = {
        **cases.LOCAL, "columns": 192, "column_shape": (16, 12), "inhibition_radius": "connected",
        "potential_radius": 3, "increment": 0.1, "decrement": 0.3, "initial_connected": 0.3,
        "weak_bump": 0.0,
    }  # fmt: skip
    pooling = cases.Pooling(
        parameters, (9, 7), every=(1.0, 3.0, 9.0), samples=14, share=0.1,
        group={"pools": "compact"},
    )  # fmt: skip
    pooling.check(host.HostModules(lambda file: host.build(file, build_folder)))
