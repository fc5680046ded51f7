"""Alerts against labelled windows: worked out by hand, and by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from htmrun.training.measures.nab_score import PROFILES, Labelled, at_threshold
from htmrun.training.measures.windows import best_f1, figures, hit

WINDOWS = ((20, 29), (40, 44), (60, 69), (90, 99))


def alerts(*rows: int, of: int = 120) -> np.ndarray:
    out = np.zeros(of, np.bool_)
    out[list(rows)] = True
    return out


def test_by_hand() -> None:
    """First scored row 25: of window 0 the rows 25 to 29 count; rows 22 and 23 are not scored.

    Found are window 0 at its second scored row, and 2 at its ninth; missed are 1 and 3; false are
    30, 50 and 51.
    """
    times = np.arange(120) * 300_000_000
    found = figures(alerts(22, 23, 26, 28, 30, 50, 51, 68), 25, WINDOWS, times)
    assert found["anomaly/windows"] == 4
    assert found["anomaly/recall"] == 2 / 4
    assert found["anomaly/precision"] == pytest.approx(2 / (2 + 3))
    assert found["anomaly/f1"] == pytest.approx(2 * 2 / (2 * 2 + 2 + 3))
    assert found["anomaly/delay_rows"] == (1 + 8) / 2
    assert found["anomaly/delay_s"] == (1 + 8) / 2 * 300
    assert found["anomaly/alerts_per_1000"] == pytest.approx(1000 * 6 / 95)


@pytest.mark.parametrize("seed", range(5))
def test_precision_recall_and_f1_are_those_of_scikit_learn(seed: int) -> None:
    """Its samples are the windows, each guessed or not, and every alert outside of them."""
    random = np.random.default_rng(seed)
    said = random.random(120) < 0.05 + 0.05 * seed
    first = 10
    found = figures(said, first, WINDOWS)
    guessed = [bool(said[a : b + 1].any()) for a, b in WINDOWS]
    inside = hit(WINDOWS, np.arange(120)) >= 0
    false = int((said & ~inside)[first:].sum())
    true = np.array([True] * 4 + [False] * false)
    guess = np.array(guessed + [True] * false)
    assert found["anomaly/recall"] == pytest.approx(recall_score(true, guess))
    assert found["anomaly/f1"] == pytest.approx(f1_score(true, guess))
    if guess.any():
        assert found["anomaly/precision"] == pytest.approx(precision_score(true, guess))


def test_what_cannot_be_said_is_left_out() -> None:
    silent = figures(alerts(), 10, WINDOWS)
    assert "anomaly/precision" not in silent
    assert "anomaly/delay_rows" not in silent
    assert (silent["anomaly/recall"], silent["anomaly/f1"]) == (0.0, 0.0)
    assert silent["anomaly/nab_standard"] == 0.0
    late = figures(alerts(110), 105, WINDOWS)
    assert late == {"anomaly/alerts_per_1000": pytest.approx(1000 / 15), "anomaly/windows": 0.0}
    assert figures(alerts(110), 105, None) == {"anomaly/alerts_per_1000": pytest.approx(1000 / 15)}
    assert figures(alerts(), 120, None) == {}


def test_the_benchmarks_score_is_of_the_same_rows_and_windows() -> None:
    """A first alert in each window and none elsewhere is perfect, whatever lies before the first
    scored row; the rest is `nab_score`'s, which published figures hold."""
    perfect = figures(alerts(3, 25, 40, 60, 90), 25, WINDOWS)
    assert [perfect[f"anomaly/nab_{p}"] for p in PROFILES] == [pytest.approx(100)] * 3
    said = alerts(31, 66, 75, 95)
    file = Labelled(said[20:].astype(float), [(a - 20, b - 20) for a, b in WINDOWS], 0)
    found = figures(said, 20, WINDOWS)
    for name, profile in PROFILES.items():
        expected = at_threshold([file], profile, 1.0).normalized
        assert found[f"anomaly/nab_{name}"] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_the_threshold_with_the_best_f1_is_found(seed: int) -> None:
    """Against trying every score."""
    random = np.random.default_rng(seed)
    score = np.round(random.random(120), 2)
    for a, b in WINDOWS[:2]:
        score[a : b + 1] += 0.3
    tried = {t: figures(score >= t, 0, WINDOWS)["anomaly/f1"] for t in np.unique(score)}
    best = max(tried.values())
    assert best_f1(score, WINDOWS) == max(t for t, f1 in tried.items() if f1 == best)


def test_which_window_a_row_lies_in() -> None:
    rows = np.array([0, 19, 20, 29, 30, 44, 45, 99, 100])
    assert hit(WINDOWS, rows).tolist() == [-1, -1, 0, 0, -1, 1, -1, 3, -1]
    assert hit(None, rows).tolist() == [-1] * 9
    assert hit((), rows).tolist() == [-1] * 9
