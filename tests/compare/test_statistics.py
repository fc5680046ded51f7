"""Paired statistics against scipy, statsmodels and a worked example."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from htmrun.compare.statistics import (
    effect_size,
    paired_difference,
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
    assert found.p == pytest.approx(expected)


def test_worked_example() -> None:
    # Differences 1, 2, 3, 4, 5, -6: mean 1.5; squares about the mean sum to 77.5, s = 3.937.
    # Ranks of the sizes are 1 to 6, the negative one has rank 6: W = 6.
    arm = dict(enumerate([1.0, 2.0, 3.0, 4.0, 5.0, -6.0]))
    base = dict.fromkeys(range(6), 0.0)
    found = paired_difference("b", "a", arm, base)
    assert found.mean == 1.5
    assert found.effect == pytest.approx(1.5 / math.sqrt(77.5 / 5))
    assert found.high == pytest.approx(1.5 + 2.570582 * math.sqrt(77.5 / 5 / 6), rel=1e-6)
    assert found.p == pytest.approx(p_by_counting([1, 2, 3, 4, 5, -6]))


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
