"""Persistence and seasonal forecasts: by hand on a few numbers, and the known figures of hotgym."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htmrun.components.controls import Control
from htmrun.components.controls.persistence import Persistence, PersistenceParameters
from htmrun.components.controls.seasonal import Seasonal, SeasonalParameters, season
from htmrun.components.sources import Chunk, Source
from htmrun.components.sources.series import SeriesParameters, SeriesSource
from htmrun.errors import StopRequestedError
from htmrun.training.baselines import forecast
from htmrun.training.records import Finished, Job, Progress, Started
from tests.helpers.experiments import DATA

JOB = Job("naive", 0, control=True)


class Values:
    """A source of a few values in chunks of two."""

    def __init__(
        self, values: Sequence[float], resets: Sequence[int] = (0,), score_from: int = 0
    ) -> None:
        self.values, self.resets, self.score_from = np.array(values, float), resets, score_from

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        number = np.arange(len(self.values))
        reset = np.isin(number, self.resets).astype(np.uint8)
        scored = (number >= self.score_from).astype(np.uint8)
        yield from Chunk({"value": self.values}, self.values, reset, scored).pieces(2)


def control(source: Any, period: int | None = None) -> Control:
    if period is None:
        return Persistence(PersistenceParameters(), source, "control.x")
    return Seasonal(SeasonalParameters(period=period), source, "control.x")


def final(
    source: Values | Source, horizons: Sequence[int], period: int | None = None
) -> dict[str, float]:
    *_, last = forecast(JOB, source, horizons, control(source, period), 0, 10)  # type: ignore[arg-type]
    assert isinstance(last, Finished)
    return last.metrics


def test_persistence_by_hand() -> None:
    found = final(Values([1, 2, 4, 3, 5]), [1, 2])
    # One ahead 1 2 4 3 against 2 4 3 5; two ahead 1 2 4 against 4 3 5.
    assert found["rmse_1"] == pytest.approx(sqrt((1 + 4 + 1 + 4) / 4))
    assert found["mae_1"] == pytest.approx(6 / 4)
    assert found["mape_1"] == pytest.approx(6 / 14)
    assert found["rmse_2"] == pytest.approx(sqrt((9 + 1 + 1) / 3))
    assert found["mape_2"] == pytest.approx(5 / 12)
    assert "mape" not in found  # It said the same as mape_2.
    assert found["samples"] == 5


def test_seasonal_takes_the_latest_whole_period_that_was_known() -> None:
    found = final(Values([1, 2, 4, 3, 5, 9]), [1, 2, 3], period=2)
    # Horizons 1 and 2: two back; 3 ahead only what is four back was known in time.
    assert found["rmse_1"] == found["rmse_2"] == pytest.approx(sqrt((9 + 1 + 1 + 36) / 4))
    assert found["rmse_3"] == pytest.approx(sqrt((16 + 49) / 2))


def test_no_forecast_reaches_across_a_reset() -> None:
    found = final(Values([1, 2, 100, 103, 105], resets=[0, 2]), [1, 2])
    assert found["rmse_1"] == pytest.approx(sqrt((1 + 9 + 4) / 3))
    assert found["rmse_2"] == pytest.approx(5)


def test_only_samples_that_are_scored_count() -> None:
    found = final(Values([1, 2, 100, 103, 105], score_from=3), [1])
    assert found["rmse_1"] == pytest.approx(sqrt((9 + 4) / 2))


def test_a_series_shorter_than_the_lag_has_no_figures() -> None:
    found = final(Values([1, 2, 3]), [1, 7], period=3)
    assert set(found) == {"samples_per_s", "samples"}


def test_records_begin_end_and_have_curves_in_between() -> None:
    first, *curve, last = forecast(JOB, Values(range(40)), [1], control(None), 40, 4)  # type: ignore[arg-type]
    assert first == Started(JOB, 40)
    assert [r.sample for r in curve if isinstance(r, Progress)] == [10, 20, 30, 40]
    assert isinstance(last, Finished)
    assert last.metrics["rmse_1"] == pytest.approx(1)


def test_it_stops_when_asked() -> None:
    with pytest.raises(StopRequestedError):
        list(forecast(JOB, Values(range(9)), [1], control(None), 9, 4, lambda: True))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("step", "samples"),
    [(3600, 168), (1800, 336), (86_400 / 24 * 23, 7), (86_400, 365), (7 * 86_400, 52),
     (30.437 * 86_400, 12), (365.25 * 86_400, 1)],
)  # fmt: skip
def test_a_season_is_a_week_or_a_year(step: float, samples: int) -> None:
    assert season(step) == samples


@pytest.mark.skipif(not (DATA / "hotgym").is_dir(), reason="no hotgym under HTMRUN_TEST_DATA")
def test_known_figures_of_hotgym() -> None:
    path = DATA / "hotgym" / "gymdata.csv"
    source = SeriesSource(SeriesParameters(path=str(path), value="c1"), Path.cwd())
    naive = final(source, [1, 5])
    assert naive["rmse_1"] == pytest.approx(10.37, abs=0.005)
    assert naive["rmse_5"] == pytest.approx(25.70, abs=0.005)
    assert source.median_step is not None
    week = final(source, [1, 5], season(source.median_step))
    assert week["rmse_1"] == week["rmse_5"] == pytest.approx(6.62, abs=0.005)
