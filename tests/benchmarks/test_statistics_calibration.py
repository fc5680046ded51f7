"""What the chosen test and interval promise, held by simulation; docs have more comparisons."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from benchmarks.statistics_calibration import (
    DISTRIBUTIONS,
    bca_p_values,
    chosen_p_values,
    drawn,
    johnson_p_values,
    t_p_values,
    wilcoxon_p_values,
    wrong_leaders,
)
from htmrun.compare.statistics import paired_p


def covered(p_values: np.ndarray) -> float:
    """Return the share of intervals that hold the true mean, 0: the test turned round."""
    return float((p_values >= 0.05).mean())


@pytest.mark.parametrize("seeds", [6, 8])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_intervals_hold_the_mean_as_often_as_they_say(distribution: str, seeds: int) -> None:
    comparisons = 3000 if seeds == 6 else 1000
    rows = drawn(distribution, seeds, comparisons)
    # 93 % is promised; two standard errors are allowed.
    assert covered(chosen_p_values(rows)) >= 0.93 - 2 * (0.93 * 0.07 / comparisons) ** 0.5


def test_ten_seeds_hold_the_mean_too() -> None:
    # A tenth of the comparisons of docs/results/statistics.md; two standard errors are allowed.
    for distribution in ("normal", "exponential"):
        assert covered(chosen_p_values(drawn(distribution, 10, 400))) >= 0.93 - 0.025


def test_the_known_intervals_miss_where_ours_does_not() -> None:
    """The simulation can tell: Student's t, BCa and Wilcoxon break on skewed differences."""
    rows = drawn("exponential", 8, 1000)
    for method in (t_p_values, bca_p_values, wilcoxon_p_values):
        assert covered(method(rows)) < 0.93
    low, high = (rows.mean(1) + sign * scipy.stats.sem(rows, axis=1) for sign in (-1, 1))
    missed = t_p_values(rows) < 0.05
    # All misses are on one side: the interval lies below the mean.
    assert (high[missed] < 0).mean() > 0.9 > 0.1 > (low[missed] > 0).mean()


def test_a_real_difference_is_found() -> None:
    assert covered(chosen_p_values(drawn("normal", 10, 300, mean=2.0))) < 0.1


def test_a_leader_by_chance_is_rarely_called_better() -> None:
    found = wrong_leaders(3, 2, 7, "normal", experiments=600)
    assert max(found.arm, found.control) <= 0.055 + 0.02
    assert found.best <= found.arm


def test_the_simulated_test_is_the_one_that_compare_uses() -> None:
    rows = np.random.default_rng(1).normal(0.4, 1.0, (20, 8))
    expected = [scipy.stats.wilcoxon(row, method="exact").pvalue for row in rows]
    assert wilcoxon_p_values(rows) == pytest.approx(expected)
    assert [paired_p(list(row)) for row in rows] == pytest.approx(list(chosen_p_values(rows)))
    # Without skewness Johnson's t is Student's.
    even = np.array([[-2.0, -1.0, 0.0, 1.0, 2.0, 0.0]]) + 0.5
    assert johnson_p_values(even) == pytest.approx(t_p_values(even))


def test_bca_is_scipy_s() -> None:
    rows = np.random.default_rng(2).exponential(size=(12, 7)) - 0.45
    ours = bca_p_values(rows)
    theirs = [
        scipy.stats.bootstrap((row,), np.mean, n_resamples=9999, rng=1).confidence_interval
        for row in rows
    ]
    close = [min(abs(i.low), abs(i.high)) > 0.02 for i in theirs]
    held = [float(i.low <= 0 <= i.high) for i in theirs]
    assert sum(close) > 6
    assert [p for p, use in zip(ours, close, strict=True) if use] == [
        h for h, use in zip(held, close, strict=True) if use
    ]


def test_differences_without_a_difference_have_mean_zero() -> None:
    for name, draw in DISTRIBUTIONS.items():
        values = draw(np.random.default_rng(2), (1, 400_000))
        assert abs(values.mean()) < 6 * values.std() / np.sqrt(400_000), name
