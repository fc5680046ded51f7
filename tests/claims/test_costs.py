"""Measurements of cost: the clock, torch's pooler beside the reference, a card that is none."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest

from htmrun.backends import reference
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.claims import card_costs, costs
from htmrun.claims.composed import ComposedPooler
from htmrun.claims.measures import MEASURES
from htmrun.claims.timing import in_turn
from htmrun.errors import UserError
from tests.helpers import host_card


def test_medians_of_a_sample_without_the_first_round() -> None:
    order: list[str] = []
    # Two readings a call; the first round takes long, the third round is disturbed.
    spent = iter([9000, 9000, 10, 40, 50, 12, 14, 48])
    readings = iter(accumulate(_pairs(spent)))
    calls = {name: lambda n=name: order.append(n) or 2 for name in ("a", "b")}
    found = in_turn(calls, 3, lambda: next(readings))  # type: ignore[arg-type]
    assert order == ["b", "a", "a", "b", "b", "a", "a", "b"]
    # a: 10, 12, 14 ns for two samples; b: 40, 50, 48.
    assert found == pytest.approx({"a": 0.006, "b": 0.024})


def _pairs(spent: Iterator[int]) -> Iterator[int]:
    for each in spent:
        yield 1000
        yield each


@pytest.mark.parametrize("window", [1, 4, 7])
def test_the_pooler_made_of_torch_is_the_reference(window: int) -> None:
    p = SpatialPoolerParameters(
        columns=90, density=0.1, increment=0.3, decrement=0.2, potential_fraction=0.4,
        stimulus_threshold=1,
    )  # fmt: skip
    ours = reference.SpatialPooler(p, (60,), 3)
    composed = ComposedPooler(p, ours.state()["permanences"])
    bits = costs.patterns(1, 28, 60, 0.3)
    winners = ours.run(bits, Plan.every(window, len(bits)))
    assert composed.run(bits, window).ravel().tolist() == winners.indices.tolist()
    state = ours.state()
    np.testing.assert_array_equal(composed.permanences.numpy(), state["permanences"])
    connected = (state["permanences"] >= 1000).T
    np.testing.assert_array_equal(composed._connected.numpy(), connected)


def test_patterns_have_the_share_of_bits_that_is_asked_for() -> None:
    bits = costs.patterns(0, 20, 50, 0.13)
    assert set(bits.counts().tolist()) == {7}


def test_gains_are_times_of_single_samples_over_those_of_windows() -> None:
    found = MEASURES["window_pace"]("small", 0)
    for width in (512, 2048):
        for window in (1, 10, 100):
            gain = found[f"us_1_{width}"] / found[f"us_{window}_{width}"]
            assert found[f"gain_{window}_{width}"] == pytest.approx(gain)
            assert found[f"us_{window}_{width}"] > 0


def test_without_a_card_its_measurements_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_costs.cards, "lacking", lambda: "without CuPy")
    for name in ("card_and_processor", "card_bandwidth"):
        with pytest.raises(UserError, match="needs a card; found none: without CuPy"):
            MEASURES[name]("small", 0)


def test_a_card_beside_the_processor(monkeypatch: pytest.MonkeyPatch, build_folder: Path) -> None:
    host_card.put_in(monkeypatch, build_folder)
    found = card_costs.compared({"tiny": (40, 64)}, 0, samples=6, rounds=1)
    assert found["tiny_same"] == 1.0
    ratio = found["tiny_learn_speedup"] / found["tiny_infer_speedup"]
    assert found["tiny_speedup_ratio"] == pytest.approx(ratio)
    shares = card_costs.bandwidth((40, 64), 0, (1, 3), samples=6, copied=1 << 16)
    assert set(shares) == {"share_1", "share_3"}
    assert all(share > 0 for share in shares.values())


def test_bytes_that_learning_must_read() -> None:
    bits = costs.patterns(0, 3, 64, 0.25)
    winners = np.zeros((3, 32), bool)
    winners[[0, 1, 2], [4, 4, 9]] = True
    # 3 x 16 rows of 4 bytes; 2 or, in single windows, 3 columns of 64 permanences.
    assert card_costs._bytes_read(bits, winners, 64, 3) == 192 + 2 * 128
    assert card_costs._bytes_read(bits, winners, 64, 1) == 192 + 3 * 128
