"""Bits that stay on a card: what is cut, joined, handed on and read is what the host has."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.backends import cpu, cuda
from htmrun.backends.bits import Bits
from htmrun.backends.cuda.card_bits import CardBits, on_bits
from htmrun.backends.cuda.classifier.sdr_classifier import SDRClassifierGroup
from htmrun.backends.cuda.memory.group import TemporalMemoryGroup
from htmrun.backends.cuda.pooler import group as pooler_group
from htmrun.backends.cuda.pooler.group import SpatialPoolerGroup
from htmrun.backends.cuda.rows import Rows, listed
from htmrun.backends.parameters import (
    SDRModelParameters,
    SpatialPoolerParameters,
    TemporalMemoryParameters,
)
from htmrun.backends.plan import Plan
from htmrun.backends.state import state_hash
from tests.helpers.kernels import host
from tests.helpers.temporal_streams import same_activity

CLASSES = 5


@pytest.fixture
def device(build_folder):
    return host.HostModules(lambda file: host.build(file, build_folder)).device(64, 64)


def same(card, plain):
    assert card.size == plain.size
    assert len(card) == len(plain)
    assert card.total == plain.total
    np.testing.assert_array_equal(card.offsets, plain.offsets)
    np.testing.assert_array_equal(card.indices, plain.indices)
    assert (card.indices.dtype, card.offsets.dtype) == (np.int32, np.int64)


def put(device, models):
    """Return the samples of several models as if a kernel had made them."""
    return listed(device, Rows.upload(device, models).x_mrw, 0, models[0].size)


def random_bits(draw, size, samples, share):
    return Bits.from_dense(draw.random((samples, size)) < share)


@pytest.mark.parametrize("size", [1, 31, 32, 33, 63, 64, 65, 1031])
@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_they_are_what_the_host_has(size, share, device):
    draw = np.random.default_rng(size)
    plain = [random_bits(draw, size, 37, share) for _ in range(3)]
    for card, own in zip(put(device, plain), plain, strict=True):
        same(card.slice(5, 5), own.slice(5, 5))
        same(card.slice(3, 30).slice(2, 9), own.slice(5, 12))
        same(card, own)
        same(card.slice(0, 37), own)


def test_pieces_of_several_lists_are_joined_on_the_card(device):
    draw, copies = np.random.default_rng(7), device.xp.copies
    plain = [random_bits(draw, 70, 20, 0.2) for _ in range(4)]
    first, second = put(device, plain[:2]), put(device, plain[2:])
    silent = Bits.from_rows(70, [[], []])
    parts = [first[1].slice(17, 20), silent, second[0], first[0].slice(0, 3), first[0].slice(3, 8)]
    wanted = Bits.concatenate(
        [plain[1].slice(17, 20), silent, plain[2], plain[0].slice(0, 3), plain[0].slice(3, 8)]
    )
    joined = Bits.concatenate(parts)
    assert isinstance(joined, CardBits)
    copies.forget()
    middle = on_bits(device, [joined.slice(1, 28), joined.slice(28, 29)])
    assert (copies.up, copies.down) == (0, 0)
    np.testing.assert_array_equal(device.to_host(middle), wanted.slice(1, 29).indices)
    same(joined.slice(2, 27), wanted.slice(2, 27))
    # With samples of the host they are joined there.
    mixed = Bits.concatenate([plain[3], first[0]])
    assert type(mixed) is Bits
    same(mixed, Bits.concatenate([plain[3], plain[0]]))
    both = on_bits(device, [first[0], plain[3], plain[1], first[1]])
    order = (plain[0], plain[3], plain[1], plain[1])
    np.testing.assert_array_equal(device.to_host(both), np.concatenate([b.indices for b in order]))


def test_they_are_read_once_for_all_models_and_only_if_read(device):
    copies, draw = device.xp.copies, np.random.default_rng(3)
    plain = [random_bits(draw, 50, 30, 0.1) for _ in range(3)]
    rows = Rows.upload(device, plain).x_mrw
    copies.forget()
    cards = listed(device, rows, 0, 50)
    rows[...] = 0  # what captured launches write to is written to again
    for card in cards:
        assert card.slice(1, 7).counts().sum() == card.slice(1, 7).total
    assert (copies.down, copies.bytes_down) == (1, 8 * (3 * 30 + 1)), "where each sample begins"
    for card, own in zip(cards, plain, strict=True):
        same(card.slice(2, 30), own.slice(2, 30))
        same(card, own)
    assert copies.down == 2
    assert copies.bytes_down == 8 * (3 * 30 + 1) + 4 * sum(b.total for b in plain)
    assert copies.up == 0


@pytest.mark.parametrize(
    ("columns", "per_column"), [(33, 1), (64, 31), (31, 32), (65, 33), (40, 64)]
)
@pytest.mark.parametrize("window", [1, 7])
def test_stages_on_a_card_hand_on_what_stages_on_the_processor_do(
    columns, per_column, window, device
):
    """Poolers to memories to classifiers, three models in step, in pieces, a sample behind."""
    draw, models, samples = np.random.default_rng(columns), 3, 61
    sp = SpatialPoolerParameters(columns=columns, winners=4, potential_fraction=0.6)
    tm = TemporalMemoryParameters(
        cells_per_column=per_column, activation_threshold=2, matching_threshold=1, new_synapses=4,
        initial_permanence=0.5, connected=0.4,
    )  # fmt: skip
    patterns = [draw.random(50) < 0.2 for _ in range(5)]
    order = [np.arange(samples) % 5 if m else draw.integers(0, 5, samples) for m in range(models)]
    inputs = [Bits.from_dense([patterns[k] for k in own]) for own in order]
    plan, size = Plan.every(window, samples), columns * per_column
    poolers = SpatialPoolerGroup(sp, (50,), range(models), device)
    memories = TemporalMemoryGroup(tm, columns, range(models), device)
    readouts = SDRClassifierGroup(SDRModelParameters(), size, CLASSES, models, device)
    plain = [
        (cpu.SpatialPooler(sp, (50,), m), cpu.TemporalMemory(tm, columns, m),
         cpu.SDRClassifier(SDRModelParameters(), size, CLASSES)) for m in range(models)
    ]  # fmt: skip
    last = [[Bits.from_rows(size, [[]])] * models for _ in "ab"]
    for a, b in ((0, 1), (1, 33), (33, 34), (34, 61)):
        part, targets = plan.slice(a, b), [own[a:b] for own in order]
        won = poolers.run([x.slice(a, b) for x in inputs], [part] * models)
        made = memories.run(won, [part] * models)
        cells = [said.active for said in made]
        before = [
            Bits.concatenate([x, y]).slice(0, b - a) for x, y in zip(last[0], cells, strict=True)
        ]
        scores = readouts.run(cells, targets, [part] * models, True, before)
        for m, (pooler, memory, readout) in enumerate(plain):
            winners = pooler.run(inputs[m].slice(a, b), part)
            said = memory.run(winners, part)
            behind = Bits.concatenate([last[1][m], said.active]).slice(0, b - a)
            wanted = readout.run(said.active, targets[m], part, True, behind)
            np.testing.assert_array_equal(scores[m], wanted)
            same(won[m], winners)
            same_activity(made[m], said)
            last[1][m] = said.active.slice(b - a - 1, b - a)
        last[0] = [bits.slice(b - a - 1, b - a) for bits in cells]
    for m, parts in enumerate(plain):
        for group, one in zip((poolers, memories, readouts), parts, strict=True):
            assert state_hash(group.state(m)) == state_hash(one.state())


def test_a_pooler_reads_winners_and_cells_where_they_are(device):
    sp = SpatialPoolerParameters(columns=65, winners=9, potential_fraction=0.7)
    draw = np.random.default_rng(1)
    bits, plan = random_bits(draw, 40, 50, 0.2), Plan.every(3, 50)
    pairs = [
        [backend(sp, (40,), 0), backend(sp, (65,), 1)]
        for backend in (
            cpu.SpatialPooler, lambda *given: cuda.SpatialPooler(*given, device=device)
        )
    ]  # fmt: skip
    for a, b in ((0, 20), (20, 50)):
        outer = []
        for first, second in pairs:
            won = first.run(bits.slice(a, b), plan.slice(a, b))
            outer.append((second.run(won, plan.slice(a, b)), second.compute(won)))
        for card, plain in zip(outer[1], outer[0], strict=True):
            same(card, plain)
    for one, other in zip(*pairs, strict=True):
        assert state_hash(other.state()) == state_hash(one.state())


def test_of_a_long_stream_only_a_chunk_stays_on_the_card(device, monkeypatch):
    monkeypatch.setattr(pooler_group, "CHUNK", 16)
    monkeypatch.setattr(pooler_group, "INFERRED", 16)
    sp = SpatialPoolerParameters(columns=30, winners=3)
    bits = random_bits(np.random.default_rng(0), 20, 40, 0.2)
    pooler = cuda.SpatialPooler(sp, (20,), 0, device=device)
    assert type(pooler.compute(bits)) is Bits
    assert type(pooler.run(bits, Plan.every(1, 40))) is Bits
    assert isinstance(pooler.compute(bits.slice(0, 16)), CardBits)


def test_a_memory_is_not_asked_for_what_nobody_reads(device):
    copies, columns, samples = device.xp.copies, 40, 30
    tm = TemporalMemoryParameters(cells_per_column=33, activation_threshold=2, matching_threshold=1)
    memories = TemporalMemoryGroup(tm, columns, range(2), device)
    inputs = put(device, [random_bits(np.random.default_rng(m), columns, samples, 0.1)
                          for m in range(2)])  # fmt: skip
    copies.forget()
    said = memories.run(inputs, [Plan.every(1, samples)] * 2)
    alone = copies.bytes_down
    assert alone < 8 * 2 * samples + 1000, "columns that burst, a row of cells, scalars"
    assert said[0].predicted.total + said[1].predicted.total >= 0
    assert copies.bytes_down - alone == 8 * (2 * samples + 1), "counts, of both at once"
    before = copies.down
    cells = [one.winners.indices for one in said]
    assert copies.down - before == 2
    assert sum(map(len, cells)) == sum(b.total for b in inputs) > 0
