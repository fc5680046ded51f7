"""What every control keeps: no later value in a forecast, none across a reset, none from cuts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from htmrun.components import registry
from htmrun.components.controls import Control, Series
from tests.components.controls.series import control, cut, series, wave

ROWS, CHANGE = 700, 420
SMALL: dict[str, dict[str, Any]] = {
    "knn": {"lags": 6, "neighbours": 3},
    "ridge": {"lags": 5, "start": 20},
    "smoothing": {"period": 24, "first": 60},
    "seasonal": {"period": 24},
}
WHOLE = {
    "plain": series(wave(ROWS)),
    "gaps": series(wave(ROWS), missing=[90, 91, 300, 430], gone=[50, 201, 202, 419, 500]),
    "resets": series(wave(ROWS), resets=[0, 150, 410], missing=[150, 260]),
    "rows": series(wave(ROWS), dated=False, missing=[77]),
}
pytestmark = [
    pytest.mark.parametrize(
        "kind", [name for name, k in registry.kinds("control").items() if k.component.forecasts]
    ),
    pytest.mark.parametrize("of", WHOLE),
    pytest.mark.parametrize("horizon", [1, 5]),
]


def made(kind: str, of: Series, horizon: int) -> np.ndarray:
    return small(kind).forecast(of, horizon)


def small(kind: str) -> Control:
    return control(kind, **SMALL.get(kind, {}))


def test_later_values_change_no_forecast(kind: str, of: str, horizon: int) -> None:
    """Of a row `horizon` after the change all was said before it."""
    whole = WHOLE[of]
    later = np.arange(len(whole.values)) >= CHANGE
    other = replace(
        whole,
        values=np.where(later, 900 - 40 * whole.values, whole.values),
        known=whole.known & ~(later & (np.arange(len(later)) % 5 == 0)),
    )
    one, two = made(kind, whole, horizon), made(kind, other, horizon)
    said = CHANGE + horizon
    assert np.isfinite(one[:said]).sum() > 50
    assert np.array_equal(one[:said], two[:said], equal_nan=True)
    assert not np.array_equal(one[said:], two[said:], equal_nan=True), "what came does count"


def test_what_is_not_there_yet_changes_no_forecast(kind: str, of: str, horizon: int) -> None:
    whole = made(kind, WHOLE[of], horizon)
    for stop in (CHANGE, ROWS - 60):
        part = made(kind, cut(WHOLE[of], stop), horizon)
        assert np.array_equal(part, whole[:stop], equal_nan=True)


def test_no_forecast_reaches_across_a_reset(kind: str, of: str, horizon: int) -> None:
    whole = WHOLE[of]
    found = made(kind, whole, horizon)
    assert found.shape == whole.values.shape
    assert found.dtype == np.float64
    assert np.isnan(found[whole.age < horizon]).all()
    assert not np.isinf(found).any()


def test_a_value_that_was_filled_in_teaches_nothing(kind: str, of: str, horizon: int) -> None:
    """A control that is told of a missing value does not say what it says of a value."""
    whole = WHOLE[of]
    told = replace(whole, known=whole.known | True)
    one, two = made(kind, whole, horizon), made(kind, told, horizon)
    differ = not np.array_equal(one, two, equal_nan=True)
    assert differ == (kind != "persistence" and not whole.known.all())


def test_too_short_a_series_is_left_out_in_one_line(kind: str, of: str, horizon: int) -> None:
    short = cut(WHOLE[of], horizon)
    assert np.isnan(made(kind, short, horizon)).all()
    said = small(kind).lacking(short)
    assert "\n" not in said
    assert f"{horizon}" in said or "season" in said or "date" in said
