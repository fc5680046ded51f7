"""Friedman, Nemenyi and Pareto against scipy and the worked example of Demsar 2006."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from htmrun.compare.pareto import pareto
from htmrun.compare.ranks import (
    critical_difference,
    from_ranks,
    not_told_apart,
    rank,
    studentized_range,
)

# Demsar 2006, table 6: ranks of C4.5, C4.5+m, C4.5+cf, C4.5+m+cf on 14 data sets.
VARIANTS = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")
DEMSAR = np.array(
    [
        [4, 3, 2, 1], [1, 2, 3, 4], [4, 1, 2, 3], [4, 1, 3, 2], [4, 2, 3, 1], [1, 2.5, 4, 2.5],
        [3, 2, 4, 1], [2.5, 2.5, 4, 1], [4, 3, 2, 1], [2.5, 2.5, 2.5, 2.5], [4, 2.5, 1, 2.5],
        [3, 2, 4, 1], [4, 1, 2, 3], [3, 1, 4, 2],
    ]
)  # fmt: skip


def test_worked_example_of_demsar() -> None:
    found = from_ranks(DEMSAR, VARIANTS, correct_ties=False)
    assert found.ranks == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=0.0005)
    assert found.chi2 == pytest.approx(9.28, abs=0.005)
    assert found.f == pytest.approx(3.69, abs=0.005)
    # The critical value of F(3, 39) that the paper gives is 2.85.
    assert found.p_f is not None
    assert found.p_f < 0.05
    assert scipy.stats.f.sf(2.85, 3, 39) == pytest.approx(0.05, abs=0.001)
    # Below the paper's table 5: q.05 is 2.569 for four, the critical difference 1.25 (by 2.291: two
    # tailed Bonferroni-Dunn gives 1.16).
    assert found.critical == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), abs=0.001)
    assert found.critical == pytest.approx(1.25, abs=0.005)
    # Nothing differs by Nemenyi's test: 3.143 - 1.964 = 1.18.
    assert found.groups == (("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"),)


@pytest.mark.parametrize(
    ("arms", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)]
)
def test_critical_values_of_nemenyi(arms: int, q: float) -> None:
    # Demsar 2006, table 5a.
    expected = q * np.sqrt(arms * (arms + 1) / (6 * 10))
    assert critical_difference(arms, 10) == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize("arms", [2, 3, 7, 28])
def test_critical_values_are_those_of_scipy(arms: int) -> None:
    theirs = scipy.stats.studentized_range.ppf(0.95, arms, np.inf)
    assert studentized_range(arms) == pytest.approx(theirs, rel=1e-9)


def test_ranking_agrees_with_scipy_also_with_ties() -> None:
    values = np.random.default_rng(0).normal(size=(9, 4)).round(1)
    values[2, 1] = values[2, 3]
    found = rank(values, "abcd", lower_is_better=True)
    theirs = scipy.stats.friedmanchisquare(*values.T)
    assert (found.chi2, found.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    mirrored = rank(values, "abcd", lower_is_better=False)
    assert mirrored.ranks == pytest.approx([5 - r for r in found.ranks])
    assert mirrored.p == pytest.approx(found.p)


def test_equal_blocks_and_too_little() -> None:
    alike = rank([[1.0, 2.0, 3.0]] * 5, "abc", lower_is_better=False)
    assert alike.ranks == (3.0, 2.0, 1.0)
    assert (alike.f, alike.chi2) == (None, 10.0)
    none = rank([[1.0] * 3] * 5, "abc", lower_is_better=False)
    assert (none.chi2, none.p) == (0.0, 1.0)
    for values in ([[1.0, 2.0]] * 5, [[1.0, 2.0, 3.0]], [[1.0, 2.0, np.nan]] * 3):
        with pytest.raises(ValueError, match="expected finite values of at least 2 blocks"):
            rank(values, "abc", lower_is_better=False)


def test_groups_overlap_and_hold_no_smaller_one() -> None:
    ranks = {"a": 1.0, "b": 1.8, "c": 2.6, "d": 4.5}
    assert not_told_apart(ranks, 1.0) == (("a", "b"), ("b", "c"))
    assert not_told_apart(ranks, 1.7) == (("a", "b", "c"),)
    assert not_told_apart(ranks, 0.1) == ()


def test_pareto_names_what_beats_an_arm() -> None:
    quality = {"slow": 0.97, "fast": 0.90, "worse": 0.89, "best": 0.97, "alone": 1.0}
    speed = {"slow": 10.0, "fast": 50.0, "worse": 40.0, "best": 20.0}
    found = {o.arm: o.beaten_by for o in pareto(quality, speed, lower_is_better=False)}
    beaten = {"fast": (), "worse": ("fast",), "best": (), "slow": ("best",)}
    assert found == beaten
    errors = {arm: 1 - value for arm, value in quality.items()}
    assert found == {o.arm: o.beaten_by for o in pareto(errors, speed, lower_is_better=True)}
    same = pareto({"a": 1.0, "b": 1.0}, {"a": 2.0, "b": 2.0}, lower_is_better=False)
    assert [o.beaten_by for o in same] == [(), ()]
    # All that beat it are named, not the best alone.
    three = pareto({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 1.0, "b": 2.0, "c": 3.0},
                   lower_is_better=False)  # fmt: skip
    assert three[-1].beaten_by == ("c", "b")
