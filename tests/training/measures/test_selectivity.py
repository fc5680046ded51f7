"""Class selectivity, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.backends.bits import Bits
from htmrun.training.measures.selectivity import ClassActivity, selectivity
from tests.helpers.experiments import DIGITS
from tests.training.test_trainer import run


def test_a_unit_of_one_class_and_one_of_all() -> None:
    # One class only: 1. The same for all: 0. Twice as often as the others: (.4 - .2) / (.4 + .2).
    by_class = np.array([[0.5, 0.3, 0.4, 0.0], [0.0, 0.3, 0.2, 0.0], [0.0, 0.3, 0.2, 0.0]])
    assert selectivity(by_class) == pytest.approx((1 + 0 + 1 / 3) / 3)
    assert selectivity(by_class[:1]) is None
    assert selectivity(by_class[:, 3:]) is None


def test_wins_are_counted_by_class_however_chunks_are_cut() -> None:
    rng = np.random.default_rng(1)
    dense = rng.random((60, 7)) < 0.3
    target = rng.integers(0, 3, 60) + (rng.integers(0, 3, 60) > 1)  # Classes 0 to 3.
    whole, cut = ClassActivity(5, 7), ClassActivity(5, 7)
    bits = Bits.from_dense(dense)
    whole.add(bits, target)
    for start, stop in ((0, 1), (1, 31), (31, 60)):
        cut.add(bits.slice(start, stop), target[start:stop])
    by_class = np.stack([dense[target == c].mean(0) for c in range(4)])
    assert whole.selectivity() == cut.selectivity() == pytest.approx(selectivity(by_class))


def test_poolers_report_it_on_held_out_samples() -> None:
    trained = run(*DIGITS)[1].metrics
    assert 0 < trained["sp/selectivity"] < 1
    untrained = run(*DIGITS, arm="untrained")[1].metrics
    assert untrained["sp/selectivity"] != trained["sp/selectivity"]
    assert "sp/selectivity" not in run(*DIGITS, arm="no_sp")[1].metrics
