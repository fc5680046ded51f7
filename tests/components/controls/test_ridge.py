"""Ridge regression online, against scikit-learn's fitted from scratch before a forecast."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from htmrun.components.controls.calendar import features
from htmrun.components.sources.steps import Step
from tests.components.controls.series import control, series, wave

LAGS, START = 5, 30


@pytest.mark.parametrize("horizon", [1, 4])
@pytest.mark.parametrize("forgetting", [1.0, 0.98])
@pytest.mark.parametrize("penalty", [0.1, 10.0])
def test_it_forecasts_as_scikit_learn_fitted_anew(
    horizon: int, forgetting: float, penalty: float
) -> None:
    values, hours = wave(300), np.arange(300)
    made = control(
        "ridge", lags=LAGS, day=2, start=START, season=False, penalty=penalty,
        forgetting=forgetting,
    ).forecast(series(values), horizon)  # fmt: skip
    first = LAGS - 1 + START - 1 + 2 * horizon
    assert np.isfinite(made).nonzero()[0].tolist() == list(range(first, 300))
    seen = values[: first - horizon + 1]
    # The 1st of January 2024 is a Monday: Thursday is 0 here, so Monday is 4.
    turns = 2 * np.pi * np.outer(hours % 24 / 24, [1, 2])
    day = np.eye(7)[hours // 24 % 7]
    for row in range(first, 300, 29):
        origin = row - horizon
        ends = np.arange(LAGS - 1, origin + 1)
        x = np.hstack([
            np.stack([values[ends - j] for j in range(LAGS)], axis=1) - seen.mean(),
            seen.std() * np.hstack([np.sin(turns), np.cos(turns), day])[ends + horizon],
        ]) / seen.std()  # fmt: skip
        y = values[ends[:-horizon] + horizon] - values[ends[:-horizon]]
        weight = forgetting ** np.arange(len(y))[::-1]
        model = Ridge(alpha=penalty).fit(x[:-horizon], y / seen.std(), sample_weight=weight)
        expected = values[origin] + seen.std() * model.predict(x[-1:])[0]
        assert made[row] == pytest.approx(expected, rel=1e-9)


def test_a_penalty_without_end_leaves_the_mean_move() -> None:
    values = wave(200)
    made = control("ridge", lags=3, start=10, season=False, penalty=1e12).forecast(
        series(values, dated=False), 1
    )
    moves = np.diff(values)
    # At row 149 the pairs are those of windows 2 .. 148.
    assert made[150] == pytest.approx(values[149] + moves[2:149].mean(), abs=1e-6)


def test_a_season_of_exactly_the_same_values_is_learned() -> None:
    random = np.random.default_rng(4)
    week = random.normal(0, 1, 168)
    values = np.tile(week, 5)
    given = {"lags": 2, "day": 0, "start": 60, "penalty": 1e-6}
    with_it = control("ridge", **given).forecast(series(values), 3)
    without = control("ridge", **given, season=False).forecast(series(values), 3)
    assert np.nanmax(np.abs(with_it - values)[400:]) < 1e-4
    assert np.nanmax(np.abs(without - values)[400:]) > 0.5


def test_a_season_is_one_that_was_known_however_far_the_horizon() -> None:
    day = np.timedelta64(86_400, "s")
    values = np.tile(np.arange(7.0), 30)
    made = control("ridge", lags=1, start=30, penalty=1e-6).forecast(series(values, every=day), 10)
    assert np.nanmax(np.abs(made - values)[150:]) < 1e-3


def test_values_that_never_differ_stay() -> None:
    made = control("ridge", lags=3, start=10, season=False).forecast(series(np.full(80, 5.0)), 1)
    assert np.nanmax(np.abs(made - 5)) < 1e-9
    assert np.isfinite(made).sum() > 50


def test_what_a_date_says_by_hand() -> None:
    # Monday 6 h, a quarter of the day; the 1st of July 2024 is 182 of 366 days into the year.
    times = np.array(["2024-07-01T06", "2024-07-07T12"], "M8[s]")
    hourly = features(times, Step("us", 3_600_000_000), 1, 0)
    assert hourly == pytest.approx(
        np.array([[1, 0, 1, 0, 0, 0, 0, 0, 0], [0, -1, 0, 0, 0, 0, 0, 0, 1]]), abs=1e-12
    )
    daily = features(times, Step("us", 86_400_000_000), 1, 1)
    turn = 2 * np.pi * 182.25 / 366
    assert daily[0] == pytest.approx([1, 0, 0, 0, 0, 0, 0, np.sin(turn), np.cos(turn)])
    assert features(times, Step("M", 1), 3, 2).shape == (2, 4)
