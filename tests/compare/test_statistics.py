"""Paired statistics against scipy, statsmodels and a worked example."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from htmrun.compare.bootstrap import bootstrap_t_interval, bootstrap_t_p, resamples
from htmrun.compare.sign_flips import sign_flip_interval, sign_flip_p
from htmrun.compare.statistics import (
    effect_size,
    fewest_seeds,
    holm,
    paired_difference,
    paired_interval,
    paired_p,
    seeds_needed,
    smallest_p,
    with_holm,
)

GENERATOR = np.random.default_rng(7)
ONLINE = dict(enumerate(GENERATOR.normal(0.95, 0.01, 10)))
OTHER = {seed: value - GENERATOR.normal(0.01, 0.01) for seed, value in ONLINE.items()}


def test_difference_is_paired_by_seed() -> None:
    shuffled = dict(sorted(OTHER.items(), key=lambda item: item[1]))
    found = paired_difference("b", "online", shuffled, ONLINE)
    theirs = scipy.stats.ttest_rel(list(OTHER.values()), list(ONLINE.values()))
    assert found.mean == pytest.approx(
        np.mean(list(OTHER.values())) - np.mean(list(ONLINE.values()))
    )
    # The paired t statistic is d_z times the root of the number of pairs.
    assert found.effect == pytest.approx(theirs.statistic / math.sqrt(10))
    flipped = scipy.stats.permutation_test(
        (np.array(found.values),), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert found.p is not None
    assert found.p >= flipped.pvalue - 1e-12


def test_worked_example() -> None:
    # Differences 1, 2, 3, 4, 5, -6: mean 1.5; squares about the mean sum to 77.5, s = 3.937.
    arm = dict(enumerate([1.0, 2.0, 3.0, 4.0, 5.0, -6.0]))
    found = paired_difference("b", "a", arm, dict.fromkeys(range(6), 0.0))
    assert found.mean == 1.5
    assert found.effect == pytest.approx(1.5 / math.sqrt(77.5 / 5))
    # Their sum is 9. It stays 9 or more if nothing is turned, or -6 and a subset of 1 to 5 of a sum
    # of at most 6: 1 + 1 + 1 + 2 + 2 + 3 + 3 of 64 patterns; as many end at -9 or less.
    assert sign_flip_p(found.values)[0] == pytest.approx(28 / 64)
    # With six values only the least and the greatest subset mean can be an end at .05.
    assert sign_flip_interval(found.values, 0.05) == (-6.0, 5.0)
    assert sign_flip_interval(found.values, 0.025) == (-math.inf, math.inf)


SAMPLES = {
    "normal": lambda g, n: g.normal(1.5, 1.0, n),
    "of a few test samples": lambda g, n: g.integers(-1, 7, n) / 360,
    "exponential": lambda g, n: g.exponential(size=n) - 0.3,
    "mostly equal": lambda g, n: np.where(g.random(n) < 0.5, 0.0, g.normal(0.2, 0.1, n)),
}


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("seeds", [6, 8, 10, 20])
def test_the_interval_leaves_out_zero_exactly_where_p_is_small(kind: str, seeds: int) -> None:
    generator = np.random.default_rng([seeds, len(kind)])
    apart = 0
    for _ in range(12):
        values = SAMPLES[kind](generator, seeds)
        d = paired_difference("b", "a", dict(enumerate(values)), dict.fromkeys(range(seeds), 0.0))
        assert d.p is not None
        assert d.low is not None
        assert d.high is not None
        assert d.low <= d.mean <= d.high
        assert (d.low > 0 or d.high < 0) == (d.p < 0.05)
        apart += d.p < 0.05
        # Every mean inside is one that the test does not reject, every mean outside one it does.
        step = 1e-6 * (d.high - d.low)
        for mean, inside in ((d.low, 1), (d.high, -1)):
            if step > 0:
                assert paired_p(list(values - mean - inside * step)) >= 0.05
                assert paired_p(list(values - mean + inside * step)) < 0.05
    assert apart > 0 or seeds == 6 or kind == "mostly equal"


def test_student_s_t_contradicted_the_p_value_beside_it() -> None:
    # Seven of one sign, one far out: t's interval holds 0, while no permutation is as extreme.
    values = [0.1, 0.12, 0.11, 0.13, 0.12, 0.1, 3.0]
    assert scipy.stats.ttest_1samp(values, 0).confidence_interval().low < 0
    d = paired_difference("b", "a", dict(enumerate(values)), dict.fromkeys(range(7), 0.0))
    assert d.p is not None
    assert d.low is not None
    assert (d.p < 0.05) == (d.low > 0)


@pytest.mark.parametrize("seeds", [6, 7, 10])
@pytest.mark.parametrize("arms", [2, 4])
def test_corrected_intervals_agree_with_corrected_p_values(arms: int, seeds: int) -> None:
    generator = np.random.default_rng([arms, seeds])
    for _ in range(15):
        base = dict(enumerate(generator.normal(0, 1, seeds)))
        shifts = generator.normal(0, 2.0, arms)
        found = with_holm(
            [
                paired_difference(
                    str(i), "a", {s: v + shift + generator.normal() for s, v in base.items()}, base
                )
                for i, shift in enumerate(shifts)
            ]
        )
        for d in found:
            assert d.family == arms
            assert d.low is not None
            assert d.high is not None
            if d.low_holm is None or d.high_holm is None:
                assert not d.significant
                assert d.too_few_seeds
                continue
            assert d.low_holm <= d.low <= d.high <= d.high_holm
            assert (d.low_holm > 0 or d.high_holm < 0) == d.significant


def test_intervals_of_skewed_differences_hold_the_mean() -> None:
    generator = np.random.default_rng(11)
    held = covered = 0
    for _ in range(400):
        values = generator.exponential(size=7)
        low, high = paired_interval(list(values), 0.05, apart=False)
        held += low <= 1.0 <= high
        student = scipy.stats.ttest_1samp(values, 0).confidence_interval()
        covered += student.low <= 1.0 <= student.high
    assert covered < 0.92 * 400 < 0.93 * 400 <= held


def test_permutations_beyond_those_counted_are_drawn_alike() -> None:
    values = np.random.default_rng(12).normal(0.45, 1.0, 16)
    # All 65,536 flips, by hand.
    sums = np.abs(np.array([values]) @ (1.0 - 2.0 * _bits(16)).T)[0]
    exact = (sums >= abs(values.sum()) - 1e-12).mean()
    assert sign_flip_p(values)[0] == pytest.approx(exact, abs=0.006)
    assert sign_flip_p(values)[0] == sign_flip_p(values)[0]
    low, high = sign_flip_interval(values, 0.05)
    theirs = scipy.stats.ttest_1samp(values, 0).confidence_interval()
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.08)


def _bits(count: int) -> np.ndarray:
    return (np.arange(1 << count)[:, None] >> np.arange(count)) & 1


def test_seeds_that_can_decide() -> None:
    for comparisons in (1, 2, 3, 7, 25):
        enough = fewest_seeds(comparisons)
        assert comparisons * 2 / 2**enough < 0.05
        assert enough == 6 or comparisons * 2 / 2 ** (enough - 1) >= 0.05
    assert [fewest_seeds(n) for n in (1, 2, 3, 4)] == [6, 7, 7, 8]
    assert seeds_needed(None) is None
    assert seeds_needed(0.001) is None
    assert seeds_needed(9.0, comparisons=2) == 7
    # The power of Student's t at the level of a fortieth, by statsmodels.
    found = seeds_needed(0.5)
    assert found is not None
    power = TTestPower().power(0.5, found, 0.025)
    assert power == pytest.approx(0.8, abs=0.03)


def test_no_test_below_six_seeds() -> None:
    five = paired_difference("b", "a", *({s: d[s] for s in range(5)} for d in (OTHER, ONLINE)))
    six = paired_difference("b", "a", *({s: d[s] for s in range(6)} for d in (OTHER, ONLINE)))
    assert (five.p, five.low is None) == (None, False)
    assert six.p is not None
    # The reason for six: the best that five pairs can do is above .05.
    assert sign_flip_p([1, 2, 3, 4, 5])[0] == 0.0625 == smallest_p(5, 1)
    assert sign_flip_p([1, 2, 3, 4, 5, 6])[0] == smallest_p(6, 1)


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
    ties = [0.04, 0.01, 0.3, 0.01, 1.0, 0.03, 0.04, 0.6]
    assert list(holm(ties)) == list(multipletests(ties, method="holm")[1])


def test_only_common_seeds_count_and_one_is_needed() -> None:
    found = paired_difference("b", "a", {0: 2.0, 1: 3.0, 5: 9.0}, {0: 1.0, 1: 1.0, 7: 0.0})
    assert (found.seeds, found.mean) == (2, 1.5)
    with pytest.raises(ValueError, match="no seed in common"):
        paired_difference("b", "a", {0: 1.0}, {1: 1.0})


def test_differences_without_spread_have_no_effect_size() -> None:
    assert effect_size([0.0, 0.0, 0.0]) is None
    assert effect_size([0.1, 0.3 - 0.2, 0.1]) is None  # Equal but for rounding.
    assert effect_size([1.0]) is None
    assert paired_p([0.0] * 6) == 1.0
    same = paired_difference("b", "a", dict.fromkeys(range(7), 0.3), dict.fromkeys(range(7), 0.1))
    assert (same.low, same.high) == pytest.approx((0.2, 0.2))
    assert same.p == pytest.approx(2 / 128)


def test_signs_stay_exact_with_ties_and_zeros() -> None:
    # By hand: 1, -1, 2 sum to 2, reached by 2 + 0, by 2 + 2 - 0 ...: 1, 1, 2 give 4, 2, 2, 0, 0,
    # -2, -2, -4, and six of these eight are 2 or more in size.
    assert sign_flip_p([1.0, -1.0, 2.0])[0] == pytest.approx(6 / 8)
    # A rounding error makes no other sum, and a zero can be turned as well.
    assert sign_flip_p([0.1, 0.2 - 0.3, 0.2])[0] == pytest.approx(6 / 8)
    assert sign_flip_p([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])[0] == pytest.approx(4 / 64)


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


def test_bootstrap_t_s_interval_is_its_test_turned_round() -> None:
    for seeds in (6, 10, 20):
        values = np.random.default_rng(seeds).exponential(size=seeds)
        low, high = bootstrap_t_interval(values, 0.05)
        assert low < values.mean() < high
        for mean, inside in ((low, 1e-6), (high, -1e-6)):
            assert bootstrap_t_p(values - mean - inside)[0] >= 0.05
            assert bootstrap_t_p(values - mean + inside)[0] < 0.05
    # Resamples of equal values have no spread, whichever of them they took.
    low, high = bootstrap_t_interval([0.0, 0.0, 0.0, 0.0, 0.0, 0.01], 0.05)
    assert -1 < low < high < 1


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
        bootstrap = 2 * float(bootstrap_t_p(values)[0])
        assert paired_p(values) == pytest.approx(min(1, max(sign_flip_p(values)[0], bootstrap)))
    assert paired_p([0.0] * 6) == 1.0
    # What is not a number cannot be tested.
    broken = paired_difference("b", "a", dict.fromkeys(range(7), math.nan), ONLINE)
    assert broken.p is None
