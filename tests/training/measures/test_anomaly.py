"""The anomaly likelihood against a plain loop over scipy's normal distribution, and its cases."""

from __future__ import annotations

import time

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import norm

from htmrun.components.likelihood import AnomalyParameters
from htmrun.training.measures.anomaly import AnomalyLikelihood, log_scale, out_of_range

FEW = AnomalyParameters(
    average=5, history=60, reestimate_every=8, learning=11, probation=20, least_variance=0.001,
    least_mean=0.02, alarm=0.95, later=0.9,
)  # fmt: skip


def raw(samples: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    quiet = random.integers(0, 9, samples) / 40
    return np.where(random.random(samples) < 0.1, 1.0, quiet)


def spikes(samples: int, height: float, every: int = 20) -> np.ndarray:
    out = np.zeros(samples)
    out[every - 1 :: every] = height
    return out


def logs(x: np.ndarray, **settings: float) -> np.ndarray:
    return log_scale(AnomalyLikelihood(AnomalyParameters.model_validate(settings)).add(x))


@pytest.mark.parametrize(("only_first", "apart"), [(True, 1), (False, 1), (True, 7)])
def test_it_is_the_tail_of_averages_among_averages(only_first: bool, apart: int) -> None:
    x, p = raw(500), FEW.model_copy(update={"only_first": only_first, "apart": apart})
    found = AnomalyLikelihood(p).add(x)
    averages = [x[max(0, t - 4) : t + 1].mean() for t in range(500)]
    before, alarms = [], 0
    for t, average in enumerate(averages):
        expected = 0.5
        if t >= 20:
            if t == 20 or t % 8 == 0:
                usual = averages[max(11, t - 60) : t]
                mean, variance = max(np.mean(usual), 0.02), max(np.var(usual), 0.001 / 5)
            expected = norm.cdf((average - mean) / np.sqrt(variance))
        alarm = expected >= 0.95
        was_alarm = any(t - earlier <= apart for earlier in before)
        alarms += bool(alarm and was_alarm)
        expected = 0.9 if only_first and alarm and was_alarm else expected
        before += [t] if alarm else []
        assert found[t] == pytest.approx(expected, abs=1e-4), t
    assert alarms > {1: 5, 7: 8}[apart]


def test_nothing_is_known_during_probation() -> None:
    found = AnomalyLikelihood(FEW).add(raw(60))
    assert (found[:20] == 0.5).all()
    assert (found[20:] != 0.5).all()


@pytest.mark.parametrize("apart", [1, 9])
@pytest.mark.parametrize("piece", [1, 7, 64])
def test_how_a_stream_is_cut_or_resumed_does_not_show(piece: int, apart: int) -> None:
    x, p = raw(700, 3), FEW.model_copy(update={"apart": apart})
    uncut = AnomalyLikelihood(p)
    whole = uncut.add(x)
    parts, likelihood = [], AnomalyLikelihood(p)
    for a in range(0, len(x), piece):
        kept, likelihood = likelihood.state(), AnomalyLikelihood(p)
        likelihood.load(kept)
        parts.append(likelihood.add(x[a : a + piece]))
    assert np.array_equal(np.concatenate(parts), whole)
    for name, array in uncut.state().items():
        np.testing.assert_array_equal(likelihood.state()[name], array)


def test_a_single_spike_after_quiet_is_as_unusual_as_can_be() -> None:
    found = logs(np.append(np.zeros(1000), 1.0))
    assert found[-1] == pytest.approx(1.0, abs=5e-4)
    assert found[388:-1].max() < 0.01, "and nothing before it is unusual"
    # The floor under the average itself, as in published code: z = (.1 - .03) / sqrt(.0003).
    published = logs(np.append(np.zeros(1000), 1.0), least_variance=0.003)
    assert published[-1] == pytest.approx(np.log10(norm.sf(0.07 / 0.0003**0.5)) / -10, abs=1e-4)


def test_of_consecutive_alarms_the_first_counts_at_full_height() -> None:
    x = np.concatenate([np.zeros(1000), np.ones(30)])
    found = logs(x)[1000:]
    assert found[0] == pytest.approx(1.0, abs=5e-4)
    assert found[1:10] == pytest.approx(np.full(9, 0.3))
    assert (logs(x, only_first=False)[1000:1010] > 0.999).all()


def test_higher_spikes_are_unusual_and_steady_ones_are_not() -> None:
    grown = logs(np.concatenate([spikes(3000, 0.4), spikes(100, 1.0)]))[3000:]
    steady = logs(spikes(3100, 1.0))[3000:]
    assert grown.max() > 0.33
    assert steady.max() < 0.33
    bunch = np.concatenate([np.zeros(30), spikes(10, 1.0, 3)])
    assert logs(np.tile(bunch, 60))[2000:].max() < 0.33
    many = np.concatenate([spikes(3000, 1.0), np.ones(20)])
    assert logs(many)[3000:].max() > 0.33


def test_a_million_scores_take_a_second_or_so() -> None:
    x = raw(1_000_000)
    begun = time.process_time()
    AnomalyLikelihood().add(x)
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"learning": 388}, "probation: 388 is not above learning = 388"),
        ({"alarm": 0.9}, "later: 0.999 is above alarm = 0.9"),
        ({"least_variance": 0.0}, "least_variance"),
        ({"average": 0}, "average"),
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, float], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        AnomalyParameters.model_validate(wrong)


def test_what_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match="outside 0 to 1"):
        AnomalyLikelihood().add(np.array([0.5, np.nan]))


def test_values_beyond_all_before_are_out_of_range() -> None:
    values = np.array([5.0, 5.0, 9.0, 4.7, 9.2, 9.3, 3.0, 9.6, 10.0])
    #  range so far:   -    5,5  5,5  5,9  4.7,9 4.7,9.2 4.7,9.3  3,9.3  3,9.6
    assert np.flatnonzero(out_of_range(values)).tolist() == [3, 6, 8]
    assert out_of_range(np.zeros(0)).shape == (0,)


def test_the_log_scale_spreads_what_is_near_one() -> None:
    scale = log_scale(np.array([0.0, 0.9, 0.9999, 1.0]))
    assert scale == pytest.approx([0.0, 0.1, 0.4, 1.0])


def test_a_row_at_a_time_is_judged_as_all_at_once() -> None:
    """Across re-estimates, and going on from a state between two of them."""
    raw = np.random.default_rng(3).random(300) ** 4
    p = AnomalyParameters.model_validate(
        {"learning": 20, "probation": 50, "reestimate_every": 30, "history": 90}
    )
    whole = AnomalyLikelihood(p).add(raw)
    single = AnomalyLikelihood(p)
    found = []
    for place, score in enumerate(raw):
        if place == 200:
            state, single = single.state(), AnomalyLikelihood(p)
            single.load(state)
        found.append(single.add(np.array([score])))
    assert np.concatenate(found).tobytes() == whole.tobytes()
    assert len(set(whole[50:].tolist())) > 100
