"""Losses along a stream: against statsmodels by hand, and what they promise by simulation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from htmrun.compare.streams import block_interval, diebold_mariano, lags_for


def autoregressive(generator: np.random.Generator, count: int, correlation: float) -> np.ndarray:
    import scipy.signal

    noise = generator.normal(size=count + 200)
    return scipy.signal.lfilter([1.0], [1.0, -correlation], noise)[200:]


def test_statistic_is_the_mean_over_its_long_run_error() -> None:
    series = autoregressive(np.random.default_rng(0), 400, 0.6) + 0.3
    gaps = series.copy()
    gaps[:50] = np.nan  # Not scored yet.
    found = diebold_mariano("a", "b", "squared error", gaps, 5)
    assert found is not None
    used = series[50:]
    lags = found.lags
    # By hand: Newey and West's variance with Bartlett weights, with n / (n - 1).
    centred = used - used.mean()
    variance = centred @ centred
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (centred[lag:] @ centred[:-lag])
    error = np.sqrt(variance / (len(used) - 1) / len(used))
    assert found.statistic == pytest.approx(used.mean() / error)
    theirs = sm.OLS(used, np.ones(len(used))).fit()
    robust = theirs.get_robustcov_results("HAC", maxlags=lags, use_correction=True, use_t=True)
    assert found.p == pytest.approx(float(robust.pvalues[0]))
    assert found.samples == 350
    assert found.low < found.mean < found.high


def test_dependence_makes_the_window_longer() -> None:
    generator = np.random.default_rng(1)
    free, tied = (autoregressive(generator, 1000, rho) for rho in (0.0, 0.8))
    assert lags_for(free, 1) < 15 < lags_for(tied, 1) < 60
    assert lags_for(free, 48) >= 47


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_without_a_difference_few_are_called_significant(correlation: float) -> None:
    generator = np.random.default_rng(2)
    tried = 400
    found = [
        diebold_mariano("a", "b", "loss", autoregressive(generator, 1500, correlation), 1)
        for _ in range(tried)
    ]
    # 5 % and three standard errors; a test that ignored the dependence would call 33 % at .6.
    assert sum(f is not None and f.p < 0.05 for f in found) / tried < 0.085
    missed = sum(f is not None and not f.low <= 0 <= f.high for f in found) / tried
    assert missed < 0.1


def test_blocks_go_round_and_equal_losses_say_nothing() -> None:
    assert block_interval(np.full(300, 0.25), 3) == pytest.approx((0.25, 0.25))
    series = np.random.default_rng(4).normal(size=500)
    low, high = block_interval(series, 4)
    assert high - low == pytest.approx(2 * 1.96 / np.sqrt(500), rel=0.15)
    assert diebold_mariano("a", "b", "loss", np.zeros(500), 1) is None
    assert diebold_mariano("a", "b", "loss", np.ones(50), 1) is None
