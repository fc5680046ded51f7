"""The anomaly likelihood against scipy's normal distribution, and how a stream is cut."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from htmrun.training.measures.anomaly import (
    AnomalyLikelihood,
    LikelihoodParameters,
    log_scale,
    out_of_range,
)

FEW = LikelihoodParameters(long=50, short=5, silent=20, least_deviation=0.01)


def raw(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 41, samples) / 40


def test_it_is_the_normal_tail_of_the_recent_mean() -> None:
    x = raw(300)
    found = AnomalyLikelihood(FEW).add(x)
    for t in range(20, 300):
        past, recent = x[max(0, t - 49) : t + 1], x[t - 4 : t + 1]
        expected = norm.cdf((recent.mean() - past.mean()) / past.std())
        assert found[t] == pytest.approx(expected, abs=1e-4), t


def test_nothing_is_known_at_the_start() -> None:
    found = AnomalyLikelihood(FEW).add(raw(60))
    assert (found[:20] == 0.5).all()
    assert (found[20:] != 0.5).any()


@pytest.mark.parametrize("piece", [1, 7, 64])
def test_how_a_stream_is_cut_does_not_show(piece: int) -> None:
    x = raw(400, 3)
    whole = AnomalyLikelihood(FEW).add(x)
    likelihood = AnomalyLikelihood(FEW)
    parts = [likelihood.add(x[a : a + piece]) for a in range(0, len(x), piece)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_a_burst_after_quiet_is_unusual_and_one_among_many_is_not() -> None:
    quiet = np.concatenate([np.zeros(300), np.ones(5)])
    noisy = np.tile([0.0, 1.0], 153)
    assert AnomalyLikelihood(FEW).add(quiet)[-1] == pytest.approx(norm.cdf(3), abs=1e-3)
    assert AnomalyLikelihood(FEW).add(noisy)[-1] < 0.8


def test_a_stream_without_surprise_is_not_unusual() -> None:
    assert (AnomalyLikelihood(FEW).add(np.zeros(100)) == 0.5).all()


def test_values_beyond_all_before_are_out_of_range() -> None:
    values = np.array([5.0, 5.0, 9.0, 4.7, 9.2, 9.3, 3.0, 9.6, 10.0])
    #  range so far:   -    5,5  5,5  5,9  4.7,9 4.7,9.2 4.7,9.3  3,9.3  3,9.6
    assert np.flatnonzero(out_of_range(values)).tolist() == [3, 6, 8]
    assert out_of_range(np.zeros(0)).shape == (0,)


def test_the_log_scale_spreads_what_is_near_one() -> None:
    scale = log_scale(np.array([0.0, 0.9, 0.9999, 1.0]))
    assert scale == pytest.approx([0.0, 0.1, 0.4, 1.0])
