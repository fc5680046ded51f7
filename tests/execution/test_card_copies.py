"""What an experiment copies to a card and back while it trains: what somebody asks for."""

from __future__ import annotations

import pytest

from tests.helpers import card_copies, host_card

SMALL = (
    "data.sequences=2", "data.noise_symbols=20", "encoder.size=64", "encoder.active=6",
    "tm.cells_per_column=40", "tm.activation_threshold=4", "tm.matching_threshold=2",
    "tm.new_synapses=6", "tm.initial_permanence=0.5",
)  # fmt: skip
POOLED = (
    *card_copies.POOLED, "sp.columns=64", "sp.density=0.08", "sp.potential_fraction=0.8",
)  # fmt: skip
SAMPLES, CLASSES = 96, 11
OFTEN = 4 + 2 * 8 + 4 * CLASSES
"""Bytes a sample: columns that burst, how many cells are active and columns predicted,
probabilities."""


@pytest.mark.parametrize(
    ("settings", "bytes_down", "down", "up"),
    [
        ((), OFTEN, 8, 16),
        # The pooler's winners, which measures count by column, and where each sample's begin.
        (POOLED, OFTEN + 8 + 5 * 4, 10, 20),
    ],
)
def test_what_nobody_asks_for_stays_on_the_card(
    settings, bytes_down, down, up, build_folder, monkeypatch
):
    host_card.put_in(monkeypatch, build_folder)
    one = card_copies.a_chunk(monkeypatch, SAMPLES, *SMALL, *settings)
    assert (one.down, one.up) == (down, up)
    rest = one.bytes_down - bytes_down * SAMPLES
    assert 0 < rest < 400, "a memory's scalars and its last row"
    # What the encoder made, once; of what stages hand on only where samples begin.
    made = 6 * 4
    assert one.bytes_up < SAMPLES * (made + 80) + 400
