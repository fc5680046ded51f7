"""What the chosen test and interval promise, held by simulation; docs have more comparisons."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from benchmarks.statistics_calibration import DISTRIBUTIONS, calibrate, wilcoxon_p_values
from htmrun.compare.statistics import paired_p

MODERATE = ("normal", "Laplace", "lognormal (sigma .5)", "exponential")


@pytest.mark.parametrize("distribution", MODERATE)
def test_six_seeds_call_at_most_a_twentieth_significant(distribution: str) -> None:
    found = calibrate(distribution, 6, comparisons=5000)
    assert found.chosen <= 0.055
    if distribution == "normal":
        assert 0.93 <= found.covered <= 0.97


@pytest.mark.parametrize("distribution", ["normal", "exponential"])
def test_ten_seeds_call_at_most_a_twentieth_significant(distribution: str) -> None:
    # A tenth of the comparisons of docs/results/statistics.md; two standard errors are allowed.
    found = calibrate(distribution, 10, comparisons=500)
    assert found.chosen <= 0.055 + 0.02


def test_the_known_tests_fail_where_ours_does_not() -> None:
    """The simulation can tell: Student's t and Wilcoxon's test break on skewed differences."""
    found = calibrate("exponential", 10, comparisons=500)
    assert found.t > 0.07
    assert found.wilcoxon > 0.06
    assert found.chosen < found.wilcoxon
    assert found.covered < 0.93


@pytest.mark.parametrize("seeds", [6, 10])
def test_intervals_cover_a_known_difference(seeds: int) -> None:
    from benchmarks.statistics_calibration import t_intervals

    rows = np.random.default_rng(seeds).normal(0.7, 1.0, (5000, seeds))
    low, high = t_intervals(rows)
    assert 0.93 <= float(((low <= 0.7) & (high >= 0.7)).mean()) <= 0.97


def test_a_real_difference_is_found() -> None:
    assert calibrate("normal", 10, comparisons=300, mean=2.0).chosen > 0.9


def test_the_simulated_tests_are_those_that_compare_uses() -> None:
    rows = np.random.default_rng(1).normal(0.4, 1.0, (20, 8))
    expected = [scipy.stats.wilcoxon(row, method="exact").pvalue for row in rows]
    assert wilcoxon_p_values(rows) == pytest.approx(expected)
    from htmrun.compare.bootstrap import bootstrap_t_p

    together = np.minimum(1, np.maximum(wilcoxon_p_values(rows), 1.5 * bootstrap_t_p(rows)))
    assert [paired_p(list(row)) for row in rows] == pytest.approx(list(together))


def test_differences_without_a_difference_have_mean_zero() -> None:
    for name, draw in DISTRIBUTIONS.items():
        values = draw(np.random.default_rng(2), (1, 400_000))
        assert abs(values.mean()) < 6 * values.std() / np.sqrt(400_000), name
