"""Nearest neighbours, against scikit-learn's fitted anew before every forecast, and by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.neighbors import KNeighborsRegressor

from htmrun.components.controls.knn import NeighboursParameters
from htmrun.components.controls.lags import windows
from tests.components.controls.series import control, series, wave

ROWS = range(60, 250, 13)


def fitted_anew(values: np.ndarray, lags: int, horizon: int, row: int, **model: Any) -> float:
    """Return what scikit-learn's model says of `row` from the pairs known `horizon` before it."""
    origin = row - horizon
    ends = np.arange(lags - 1, origin - horizon + 1)
    x = np.stack([values[end - lags + 1 : end + 1] for end in ends])
    regressor = KNeighborsRegressor(algorithm="brute", **model).fit(x, values[ends + horizon])
    return float(regressor.predict(values[None, origin - lags + 1 : origin + 1])[0])


@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize(
    ("distance", "metric"),
    [("euclidean", "euclidean"), ("cityblock", "manhattan"), ("chebyshev", "chebyshev")],
)
def test_it_forecasts_as_scikit_learn_fitted_anew(
    horizon: int, weights: Any, distance: Any, metric: str
) -> None:
    values = wave(250)
    made = control(
        "knn", lags=6, neighbours=4, weights=weights, distance=distance
    ).forecast(series(values), horizon)  # fmt: skip
    for row in ROWS:
        expected = fitted_anew(
            values, 6, horizon, row, n_neighbors=4, weights=weights, metric=metric
        )
        assert made[row] == pytest.approx(expected, rel=1e-12)


def test_dates_and_rows_say_the_same_where_no_row_is_missing() -> None:
    knn = control("knn", lags=6, neighbours=4)
    one, two = (knn.forecast(series(wave(200), dated=dated), 3) for dated in (True, False))
    assert np.array_equal(one, two, equal_nan=True)


def test_by_hand() -> None:
    # Windows of two, newest last: 0 1 | 1 5 | 5 0 | 0 1 | 1 7; asked at the last 0 1: 5 came, at
    # the second: nothing yet. The pair (1 5) -> 0 is farther than (0 1) -> 5.
    found = series([0, 1, 5, 0, 1, 7], dated=False)
    made = control("knn", lags=2, neighbours=1).forecast(found, 1)
    # At row 2 (1 5) only (0 1) -> 5 is known; at row 3 (5 0): (0 1) is at 26, (1 5) at 41.
    assert np.array_equal(made, [np.nan, np.nan, np.nan, 5, 5, 5], equal_nan=True)
    both = control("knn", lags=2, neighbours=2, estimate="median").forecast(found, 1)
    # Two pairs are known from row 3 on: 5 and 0; at row 4 (0 1): (0 1) -> 5 and (1 5) -> 0.
    assert np.array_equal(both, [np.nan, np.nan, np.nan, np.nan, 2.5, 2.5], equal_nan=True)


def test_of_equally_near_windows_the_earliest_count() -> None:
    made = control("knn", lags=1, neighbours=2).forecast(
        series([3, 10, 3, 20, 3, 30, 3, 40], dated=False), 1
    )
    # After each 3: the first two that followed a 3, 10 and 20, once both are known.
    assert made[5] == made[7] == 15


def test_only_the_latest_windows_are_kept() -> None:
    values = wave(300)
    every = control("knn", lags=4, neighbours=3).forecast(series(values), 1)
    some = control("knn", lags=4, neighbours=3, history=40).forecast(series(values), 1)
    assert np.array_equal(every[:40], some[:40], equal_nan=True)
    for row in (120, 299):
        # 40 pairs are those of the 40 + lags values before the row.
        expected = fitted_anew(values[row - 44 : row + 1], 4, 1, 44, n_neighbors=3)
        assert some[row] == pytest.approx(expected, rel=1e-12)
    assert not np.array_equal(every[120:], some[120:])


def test_a_window_has_what_stood_at_each_step() -> None:
    gone = series([1, 2, 3, 4, 5, 6, 7], gone=[2, 3], missing=[5], resets=[0])
    # Hours 0 1 4 5 6; in the place of 2 and 3 the value of 1, of 5 the one before it.
    assert windows(gone, range(4)).tolist()[2:] == [[5, 2, 2, 2], [5, 5, 2, 2], [7, 5, 5, 2]]
    assert np.isnan(windows(gone, [0, 3])[:2, 1]).all()
    apart = series([1, 2, 3, 4, 5, 6], resets=[0, 3])
    assert np.array_equal(windows(apart, [2])[:, 0], [np.nan] * 2 + [1] + [np.nan] * 2 + [4],
                          equal_nan=True)  # fmt: skip
    months = series(range(6), start="2024-01-31", every=np.timedelta64(31, "D"))
    assert months.step is not None
    assert windows(months, [1])[1:, 0].tolist() == [0, 1, 2, 3, 4]


def test_times_that_stand_or_go_back_let_nothing_later_in() -> None:
    base = series([1, 2, 3, 4, 5])
    assert base.times is not None
    hours = np.array([0, 1, 1, 0, 2])
    moved = replace(base, times=base.times[0] + hours * np.timedelta64(3600, "s"))
    assert windows(moved, [0]).ravel().tolist() == [1, 2, 3, 4, 5]
    assert windows(moved, [1]).ravel().tolist()[1:] == [1, 1, 1, 4]


def test_a_level_that_all_values_share_only_moves_the_forecast() -> None:
    values = np.round(wave(200))
    knn = control("knn", lags=4, neighbours=3)
    low, high = (knn.forecast(series(values + off), 2) for off in (0, 2.0**30))
    assert np.allclose(high - 2.0**30, low, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize(
    "fields", [{"estimate": "median", "weights": "distance"}, {"neighbours": 50, "history": 49}]
)
def test_what_does_not_go_together_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"expected (uniform|at least)"):
        NeighboursParameters(**fields)
