"""Recovery after a change in the data, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from htmrun.config.compose import load
from htmrun.errors import UserError
from htmrun.training.measures.drift import WINDOW, recovery
from tests.helpers.experiments import SEQUENCES
from tests.training.test_trainer import builder, run


def losses(*stretches: tuple[int, float]) -> np.ndarray:
    return np.concatenate([np.full(n, value, np.float32) for n, value in stretches])


def test_accuracy_is_back_with_the_first_window_of_95_percent() -> None:
    # Perfect, then 150 wrong in a row, then perfect again: a window of 100 may hold 5 wrong ones,
    # so the first that counts begins 5 before the wrong ones end, at 145, and ends at 245.
    found = recovery(losses((400, 0), (150, 1), (300, 0)), 400, forecast=False)
    assert found == {
        "drift/before": 1.0, "drift/after": 0.0, "drift/recovered": 1.0, "recovery_samples": 245.0,
    }  # fmt: skip


def test_the_level_before_counts_not_perfection() -> None:
    half = np.tile(np.float32([0, 1]), 200)
    found = recovery(np.concatenate([half, half]), 400, forecast=False)
    assert found["drift/before"] == found["drift/after"] == 0.5
    assert found["recovery_samples"] == WINDOW, "it never left its level"


def test_samples_that_are_not_scored_take_time_but_have_no_loss() -> None:
    dense = losses((100, 0), (150, 1), (300, 0))
    sparse = np.full(3 * len(dense), np.nan, np.float32)
    sparse[2::3] = dense  # Every third sample is scored, the last of its three.
    assert recovery(sparse, 300, forecast=False)["recovery_samples"] == 3 * 245


def test_forecasts_are_judged_by_their_rmse() -> None:
    # RMSE 2 before. Back is 2 / .95: a mean square of at most 4.4321. With n of the 100 squares at
    # 36 and the others at 4 the mean is 4 + .32 n: one is enough of an excess, two are too many.
    found = recovery(losses((200, 4), (120, 36), (200, 4)), 200, forecast=True)
    assert found["drift/before"] == 2.0
    assert found["drift/after"] == 6.0
    assert found["recovery_samples"] == 119 + WINDOW
    assert 4 + 0.32 <= (2 / 0.95) ** 2 < 4 + 0.64


def test_who_never_comes_back_has_no_number() -> None:
    found = recovery(losses((200, 0), (300, 1)), 200, forecast=False)
    assert found == {"drift/before": 1.0, "drift/after": 0.0, "drift/recovered": 0.0}


def test_too_little_around_the_change_says_nothing() -> None:
    assert recovery(losses((19, 0), (500, 0)), 19, forecast=False) == {}
    assert recovery(losses((500, 0), (99, 0)), 500, forecast=False) == {}


def source(*overrides: str):  # type: ignore[no-untyped-def]
    return builder(*SEQUENCES, *overrides).source


def test_endings_change_places_at_the_sample_and_nothing_else_does() -> None:
    settings = ("data.steps=4000", "data.length=6", "data.shared=3", "data.gap=2")
    (plain,) = source(*settings).train(3, 0, 4000)
    (drifted,) = source(*settings, "data.drift_at=2001").train(3, 0, 4000)
    table = source(*settings).table
    start = math.ceil(2001 / 8)  # The first sequence that begins at or after the sample.
    for name in ("reset", "scored"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(drifted, name))
    before = plain.fields["symbol"].reshape(-1, 8)
    after = drifted.fields["symbol"].reshape(-1, 8)
    np.testing.assert_array_equal(before[:start], after[:start])
    np.testing.assert_array_equal(np.delete(before, 5, axis=1), np.delete(after, 5, axis=1))
    partner = {int(a): int(b) for a, b in zip(table[::2, -1], table[1::2, -1], strict=True)}
    partner |= {b: a for a, b in partner.items()}
    assert [partner[int(s)] for s in before[start:, 5]] == after[start:, 5].tolist()
    np.testing.assert_array_equal(
        drifted.target, np.minimum(drifted.fields["symbol"], table.max() + 1)
    )


def test_without_a_change_the_hash_is_the_one_of_before_there_were_any() -> None:
    assert source().fingerprint.startswith("0f66afd29e18")
    assert source("data.drift_at=200").fingerprint != source().fingerprint


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match=r"data.drift_at: found 9000, expected less than steps"):
        load([*SEQUENCES, "data.steps=9000", "data.drift_at=9000"])
    with pytest.raises(UserError, match=r"epochs: found 2 with data.drift_at, expected 1"):
        load([*SEQUENCES, "data.drift_at=100", "epochs=2"])


def test_a_job_reports_it_and_only_where_there_is_a_change() -> None:
    _, finished = run(*SEQUENCES, "data.steps=4000", "data.drift_at=2000", "data.gap=0")
    assert {"drift/before", "drift/after", "drift/recovered"} <= set(finished.metrics)
    _, usual = run(*SEQUENCES, "data.steps=4000")
    assert not [name for name in usual.metrics if "drift" in name or "recovery" in name]
