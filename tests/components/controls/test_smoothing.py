"""Seasonal smoothing, against statsmodels' own forecasts from a model of the values so far."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from statsmodels.tsa.holtwinters import ExponentialSmoothing

from tests.components.controls.series import control, series, wave

PERIOD, FIRST = 24, 80


def model(values: np.ndarray, trend: bool) -> ExponentialSmoothing:
    """Return statsmodels' model with the state of two seasons: means, slope, first season."""
    one, two = values[:PERIOD].mean(), values[PERIOD : 2 * PERIOD].mean()
    slope = (two - one) / PERIOD if trend else 0.0
    line = one + slope * (np.arange(PERIOD) - (PERIOD - 1) / 2)
    return ExponentialSmoothing(
        values, trend="add" if trend else None, seasonal="add", seasonal_periods=PERIOD,
        initialization_method="known", initial_level=line[0] - slope,
        initial_trend=slope if trend else None, initial_seasonal=values[:PERIOD] - line,
    )  # fmt: skip


@pytest.mark.parametrize("horizon", [1, 5, 30])
@pytest.mark.parametrize("trend", [True, False])
@pytest.mark.parametrize("dated", [True, False])
def test_it_forecasts_as_statsmodels_does(horizon: int, trend: bool, dated: bool) -> None:
    values = wave(300) + 0.05 * np.arange(300)
    made = control("smoothing", period=PERIOD, first=FIRST, trend=trend).forecast(
        series(values, dated=dated), horizon
    )
    assert np.isfinite(made).nonzero()[0].tolist() == list(range(FIRST + horizon, 300))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model(values[:FIRST], trend).fit().params
    rates = {
        f"smoothing_{name}": found[f"smoothing_{name}"]
        for name in ("level", "trend", "seasonal")
        if trend or name != "trend"
    }
    for row in range(FIRST + horizon, 300, 17):
        known = values[: row - horizon + 1]
        expected = model(known, trend).fit(optimized=False, **rates).forecast(horizon)[-1]
        assert made[row] == pytest.approx(expected, rel=1e-9)


def test_the_first_part_is_a_tenth_and_three_seasons_at_least() -> None:
    for rows, first in ((300, 72), (1000, 100)):
        made = control("smoothing", period=PERIOD).forecast(series(wave(rows)), 1)
        assert np.flatnonzero(np.isfinite(made))[0] == first + 1


def test_a_missing_value_and_a_step_without_a_row_teach_nothing() -> None:
    values = wave(300)
    smoothing = control("smoothing", period=PERIOD, first=FIRST)
    missing = smoothing.forecast(series(values, missing=[200, 201]), 1)
    gone = smoothing.forecast(series(values, gone=[200, 201]), 1)
    whole = smoothing.forecast(series(values), 1)
    assert np.array_equal(missing[:200], whole[:200], equal_nan=True)
    # Row 202 is forecast from row 199, three steps ahead; from row 201 on that row alone is less.
    three = smoothing.forecast(series(values), 3)
    assert gone[200] == pytest.approx(three[202], rel=1e-12)
    assert np.allclose(missing[203:], gone[201:], rtol=1e-12)
    assert missing[203] != whole[203]


def test_a_sequence_begins_anew() -> None:
    values = np.concatenate([wave(200), 1000 + wave(200, 1)])
    smoothing = control("smoothing", period=PERIOD, first=FIRST)
    made = smoothing.forecast(series(values, resets=[0, 200]), 1)
    assert np.isnan(made[200 : 200 + 2 * PERIOD + 1]).all()
    assert np.abs(made - values)[200 + 2 * PERIOD + 1 :].mean() < 5


@pytest.mark.parametrize(
    ("fields", "dated", "said"),
    [({}, False, "there are no dates, and control.x.period is null"),
     ({}, True, "its rates are fitted on the first 504 steps (a season is 168)"),
     ({"period": 30, "first": 50}, True, "control.x.first = 50 is less than two seasons of 30")],
)  # fmt: skip
def test_why_nothing_is_said(fields: dict[str, int], dated: bool, said: str) -> None:
    smoothing, given = control("smoothing", **fields), series(wave(300), dated=dated)
    assert np.isnan(smoothing.forecast(given, 1)).all()
    assert said in smoothing.lacking(given)
