"""Paired statistics against scipy, statsmodels and a worked example."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from htmrun.compare.bootstrap import bootstrap_t_p, resamples
from htmrun.compare.statistics import (
    effect_size,
    paired_difference,
    paired_p,
    smallest_p,
    wilcoxon_p,
    with_holm,
)

GENERATOR = np.random.default_rng(7)
ONLINE = dict(enumerate(GENERATOR.normal(0.95, 0.01, 10)))
OTHER = {seed: value - GENERATOR.normal(0.01, 0.01) for seed, value in ONLINE.items()}


def test_difference_is_paired_by_seed() -> None:
    shuffled = dict(sorted(OTHER.items(), key=lambda item: item[1]))
    found = paired_difference("b", "online", shuffled, ONLINE)
    theirs = scipy.stats.ttest_rel(list(OTHER.values()), list(ONLINE.values()))
    interval = theirs.confidence_interval(0.95)
    assert found.mean == pytest.approx(
        np.mean(list(OTHER.values())) - np.mean(list(ONLINE.values()))
    )
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    # The paired t statistic is d_z times the root of the number of pairs.
    assert found.effect == pytest.approx(theirs.statistic / math.sqrt(10))
    expected = scipy.stats.wilcoxon(list(OTHER.values()), list(ONLINE.values())).pvalue
    assert found.p_wilcoxon == pytest.approx(expected)
    assert found.p is not None
    assert found.p >= expected


def test_worked_example() -> None:
    # Differences 1, 2, 3, 4, 5, -6: mean 1.5; squares about the mean sum to 77.5, s = 3.937.
    # Ranks of the sizes are 1 to 6, the negative one has rank 6: W = 6.
    arm = dict(enumerate([1.0, 2.0, 3.0, 4.0, 5.0, -6.0]))
    base = dict.fromkeys(range(6), 0.0)
    found = paired_difference("b", "a", arm, base)
    assert found.mean == 1.5
    assert found.effect == pytest.approx(1.5 / math.sqrt(77.5 / 5))
    assert found.high == pytest.approx(1.5 + 2.570582 * math.sqrt(77.5 / 5 / 6), rel=1e-6)
    assert found.p_wilcoxon == pytest.approx(p_by_counting([1, 2, 3, 4, 5, -6]))


def p_by_counting(differences: list[float]) -> float:
    """Return Wilcoxon's exact two-sided p by going through all signs (sizes all different)."""
    ranks = scipy.stats.rankdata(np.abs(differences))
    signs = np.sign(differences)
    observed = min(ranks[signs > 0].sum(), ranks[signs < 0].sum())
    sums = [ranks[np.array(pick)].sum() for pick in itertools.product([True, False], repeat=6)]
    return 2 * sum(total <= observed for total in sums) / len(sums)


def test_no_test_below_six_seeds() -> None:
    five = paired_difference("b", "a", *({s: d[s] for s in range(5)} for d in (OTHER, ONLINE)))
    six = paired_difference("b", "a", *({s: d[s] for s in range(6)} for d in (OTHER, ONLINE)))
    assert (five.p, five.low is None) == (None, False)
    assert six.p is not None
    # The reason for six: the best that five pairs can do is above .05.
    assert scipy.stats.wilcoxon([1, 2, 3, 4, 5]).pvalue == 0.0625 == smallest_p(5, 1)
    assert scipy.stats.wilcoxon([1, 2, 3, 4, 5, 6]).pvalue == smallest_p(6, 1)


def test_holm_is_statsmodels_over_the_tested_ones() -> None:
    arms = [
        {seed: value + shift + 0.001 * (seed % 3) for seed, value in ONLINE.items()}
        for shift in (0.01, -0.002, -0.0005)
    ]
    differences = [paired_difference(str(i), "online", arm, ONLINE) for i, arm in enumerate(arms)]
    untested = paired_difference("few", "online", {0: 1.0, 1: 2.0}, ONLINE)
    corrected = with_holm([differences[0], untested, *differences[1:]])
    expected = multipletests([d.p for d in differences], method="holm")[1]
    assert [d.p_holm for d in corrected if d.p is not None] == pytest.approx(list(expected))
    assert corrected[1] is untested
    assert corrected[1].p_holm is None


def test_only_common_seeds_count_and_one_is_needed() -> None:
    found = paired_difference("b", "a", {0: 2.0, 1: 3.0, 5: 9.0}, {0: 1.0, 1: 1.0, 7: 0.0})
    assert (found.seeds, found.mean) == (2, 1.5)
    with pytest.raises(ValueError, match="no seed in common"):
        paired_difference("b", "a", {0: 1.0}, {1: 1.0})


def test_differences_without_spread_have_no_effect_size() -> None:
    assert effect_size([0.0, 0.0, 0.0]) is None
    assert effect_size([0.1, 0.3 - 0.2, 0.1]) is None  # Equal but for rounding.
    assert effect_size([1.0]) is None
    assert wilcoxon_p([0.0] * 6) == 1.0


def test_wilcoxon_stays_exact_with_ties_and_zeros() -> None:
    # By hand: sizes 1, 1, 2, 2, 3, 3 have ranks 1.5, 1.5, 3.5, 3.5, 5.5, 5.5; the negative one is
    # 1.5. Sums of at most 1.5: none, or one of two ranks: 3 of 64 patterns, on either side.
    assert wilcoxon_p([1.0, -1.0, 2.0, 2.0, 3.0, 3.0]) == pytest.approx(6 / 64)
    # A rounding error makes no new size.
    assert wilcoxon_p([0.1, 0.2 - 0.3, 0.2, 0.2, 0.3, 0.3]) == pytest.approx(6 / 64)
    # A zero takes the lowest rank away (Pratt): five of one sign remain, 2 of 32 patterns.
    assert wilcoxon_p([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 32)
    many = list(np.random.default_rng(3).normal(0.3, 1.0, 30))
    assert wilcoxon_p(many) == pytest.approx(scipy.stats.wilcoxon(many).pvalue)


def test_bootstrap_t_counts_what_drawing_finds() -> None:
    generator = np.random.default_rng(5)
    values = generator.exponential(size=7) - 0.4
    observed = scipy.stats.ttest_1samp(values, 0).statistic
    drawn = values[generator.integers(0, 7, (200_000, 7))]
    drawn = drawn[np.ptp(drawn, axis=1) > 0]
    found = (drawn.mean(1) - values.mean()) / (drawn.std(1, ddof=1) / math.sqrt(7))
    expected = 2 * min((found <= observed).mean(), (found >= observed).mean())
    assert bootstrap_t_p(values)[0] == pytest.approx(expected, abs=0.004)
    times, weights = resamples(7)
    assert (times.sum(0) == 7).all()
    assert weights.sum() == pytest.approx(1)
    assert times.shape[1] == math.comb(13, 6) - 7


def test_bootstrap_t_of_values_without_spread_and_of_many() -> None:
    assert list(bootstrap_t_p(np.array([[0.0] * 6, [0.3] * 6]))) == [1.0, 0.0]
    # A tiny unit changes nothing.
    values = np.random.default_rng(6).normal(0.5, 1, 8)
    assert bootstrap_t_p(values * 1e-9) == pytest.approx(bootstrap_t_p(values))
    many = np.random.default_rng(7).normal(0.2, 1, 40)
    assert bootstrap_t_p(many)[0] == pytest.approx(scipy.stats.ttest_1samp(many, 0).pvalue, abs=0.1)


def test_the_larger_of_both_p_values_counts() -> None:
    skewed = [-0.9, -0.85, -0.8, -0.7, -0.6, 9.0, -0.95, -0.5, -0.4, -0.3]
    for values in (skewed, list(np.random.default_rng(8).normal(1, 0.5, 10))):
        bootstrap = 1.5 * float(bootstrap_t_p(values)[0])
        assert paired_p(values) == pytest.approx(min(1, max(wilcoxon_p(values), bootstrap)))
    assert paired_p([0.0] * 6) == 1.0
    # What is not a number cannot be tested.
    broken = paired_difference("b", "a", dict.fromkeys(range(7), math.nan), ONLINE)
    assert broken.p is None
