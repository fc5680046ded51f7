"""Persistence and seasonal forecasts: by hand on a few numbers, and the known figures of hotgym."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htmrun.components.controls import Control, Series
from htmrun.components.controls.persistence import Persistence, PersistenceParameters
from htmrun.components.controls.seasonal import Seasonal, SeasonalParameters
from htmrun.components.registry import kinds
from htmrun.components.sources import Chunk, Source
from htmrun.components.sources.series import SeriesParameters, SeriesSource
from htmrun.components.sources.steps import span, usual_step
from htmrun.errors import StopRequestedError
from htmrun.training.baselines import _longer, forecast
from htmrun.training.records import Finished, Job, Progress, Started
from tests.helpers.experiments import DATA

JOB = Job("naive", 0, control=True)


class Values:
    """A source of a few values in chunks of two; NaN where one was missing and is filled in."""

    def __init__(
        self, values: Sequence[float], resets: Sequence[int] = (0,), score_from: int = 0,
        times: Sequence[str] = (), horizon_unit: str = "rows",
    ) -> None:  # fmt: skip
        self.values, self.resets, self.score_from = np.array(values, float), resets, score_from
        self.times, self.horizon_unit = np.array(times, "datetime64[s]"), horizon_unit

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        number = np.arange(len(self.values))
        reset = np.isin(number, self.resets).astype(np.uint8)
        scored = (number >= self.score_from).astype(np.uint8)
        known = np.maximum.accumulate(np.where(np.isnan(self.values), 0, number))
        fields = {"value": self.values[known]}
        if len(self.times):
            fields["timestamp"] = self.times
        yield from Chunk(fields, self.values, reset, scored).pieces(2)


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


def test_a_series_shorter_than_the_lag_has_no_figures_and_says_why() -> None:
    *_, last = forecast(JOB, Values([1, 2, 3]), [1, 7], control(None, 3), 0, 10)  # type: ignore[arg-type]
    assert isinstance(last, Finished)
    assert set(last.metrics) == {"samples_per_s", "samples"}
    assert last.notes == ("control.x: left out, its period is 3 rows, of 3 in a sequence",)


def test_without_dates_and_period_there_is_no_season() -> None:
    source = Values([1, 2, 3])
    week = Seasonal(SeasonalParameters(), source, "control.x")  # type: ignore[arg-type]
    *_, last = forecast(JOB, source, [1], week, 0, 10)  # type: ignore[arg-type]
    assert isinstance(last, Finished)
    assert last.notes == (
        "control.x: left out, there are no dates, and control.x.period is null, expected the rows "
        "of one",
    )


def by_date(source: Any, horizons: Sequence[int] = (1,), period: int | None = None) -> Finished:
    seasonal = Seasonal(SeasonalParameters(period=period), source, "control.x")
    *_, last = forecast(JOB, source, horizons, seasonal, 0, 10)
    assert isinstance(last, Finished)
    return last


def dates(first: str, count: int, unit: str, skip: Sequence[int] = ()) -> list[str]:
    every = np.datetime64(first, unit) + np.arange(count)
    return [str(time.astype("datetime64[s]")) for i, time in enumerate(every) if i not in skip]


def test_a_week_ago_is_the_date_a_week_ago_whatever_rows_are_missing() -> None:
    gone = [3, 4, 11, 30]
    times = dates("2024-01-01", 40, "D", gone)
    values = [i % 7 + i // 7 for i in range(40) if i not in gone]
    found = by_date(Values(values, times=times)).metrics
    # One more a week; no forecast of a day for which the day a week before is missing.
    by = dict(zip(times, values, strict=True))
    week = np.timedelta64(7, "D")
    pairs = [
        (v, by[str(np.datetime64(t) - week)])
        for t, v in zip(times, values, strict=True)
        if str(np.datetime64(t) - week) in by
    ]
    assert found["rmse_1"] == 1.0
    assert {v - before for v, before in pairs} == {1}
    assert found["scored_1"] == len(pairs) == 28


def test_a_year_ago_is_the_same_month_whether_it_ends_or_begins() -> None:
    starts = dates("2019-01", 48, "M")
    ends = [str(np.datetime64(t, "s") - 86_400) for t in starts]
    for times in (starts, ends):
        found = by_date(Values([i % 12 for i in range(48)], times=times)).metrics
        assert found["rmse_1"] == 0.0
        assert found["scored_1"] == 36


def test_weeks_have_a_year_of_52_and_years_one_of_one() -> None:
    weeks = [str(np.datetime64("2020-01-06", "s") + 7 * 86_400 * i) for i in range(120)]
    assert by_date(Values([i % 52 for i in range(120)], times=weeks)).metrics["rmse_1"] == 0.0
    years = dates("1900", 30, "Y")
    assert by_date(Values(range(30), times=years), [1, 3]).metrics["rmse_3"] == 3.0


def test_a_period_of_ones_own_is_time_too() -> None:
    gone = [2, 9]
    times = dates("2024-01-01T00", 30, "h", gone)
    found = by_date(Values([i % 6 for i in range(30) if i not in gone], times=times), period=6)
    assert found.metrics["rmse_1"] == 0.0


def test_a_season_that_none_reaches_is_told_by_its_length() -> None:
    (note,) = by_date(Values([1, 2, 3, 4], times=dates("2024-01-01", 4, "D"))).notes
    assert note == (
        "control.x: left out, no value in 4 rows has another that is known exactly 7 days before it"
    )


def test_seasons_do_not_reach_across_a_reset_or_past_what_was_known() -> None:
    times = dates("2024-01-01", 9, "D")
    both = Values([*range(9), *range(100, 109)], resets=[0, 9], times=[*times, *times])
    found = by_date(both, [1, 8]).metrics
    assert found["rmse_1"] == 7.0
    assert found["scored_1"] == 4
    assert "rmse_8" not in found


def test_filled_values_feed_forecasts_and_are_never_scored() -> None:
    gap = float("nan")
    found = final(Values([1, 2, gap, gap, 5, 9]), [1])
    # 2 after 1; 5 after the 2 that was filled in; 9 after 5.
    assert found["rmse_1"] == pytest.approx(sqrt((1 + 9 + 16) / 3))
    assert found["scored_1"] == 3
    assert found["nrmse_1"] == pytest.approx(sqrt(26 / 3) / np.std([2, 5, 9]))
    week = by_date(Values([1, gap, 3, 4, 5, 6, 7, 9, 9, 4], times=dates("2024-01-01", 10, "D")))
    # A week before day 8 there was no value: only 9 after 1 and 4 after 3 are forecast.
    assert week.metrics["rmse_1"] == pytest.approx(sqrt((64 + 1) / 2))


def test_horizons_in_time_leave_out_what_lies_further() -> None:
    times = dates("2024-01-01", 8, "D", skip=[3, 4])
    values = [1, 2, 4, 8, 16, 32]
    rows = final(Values(values, times=times), [1, 2])
    days = final(Values(values, times=times, horizon_unit="time"), [1, 2])
    assert (rows["scored_1"], rows["scored_2"]) == (5, 4)
    # Days 0 1 2 5 6 7: from 2 to 5 it is three.
    assert (days["scored_1"], days["scored_2"]) == (4, 2)
    assert days["rmse_1"] == pytest.approx(sqrt((1 + 4 + 64 + 256) / 4))


@pytest.mark.parametrize("values", [[1, 3, 2, 7, 5, 5], [0.25, -3, 8, 1, 4, 2]])
def test_a_large_number_that_all_values_share_changes_no_error(values: list[float]) -> None:
    plain, far = (final(Values([v + off for v in values]), [1, 2]) for off in (0, 1e9))
    for name in ("rmse_1", "mae_1", "nrmse_1", "rmse_2", "mae_2", "nrmse_2"):
        assert far[name] == pytest.approx(plain[name], rel=1e-9)


@pytest.mark.parametrize(
    ("values", "said"),
    [([10, 11, 12], ""), ([1, -3, 2, -1], "50% of the scored values are below 0"),
     ([0, 0, 0, 0, 9], "lie around 0"), ([1e9, 1e9 + 1, 1e9 - 1], "so far from 0")],
)  # fmt: skip
def test_where_mape_misleads_it_is_said(values: list[float], said: str) -> None:
    *_, last = forecast(JOB, Values([10, *values]), [1], control(None), 0, 10)  # type: ignore[arg-type]
    assert isinstance(last, Finished)
    assert bool(last.notes) == bool(said)
    assert all(said in note for note in last.notes)


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
    ("step", "season"),
    [("1 h", "7 days"), ("30 min", "7 days"), ("1 day", "7 days"), ("7 days", "364 days"),
     ("23 h", "161 h"), ("2 days", "366 days"), ("1 month", "12 months"), ("3 month", "12 months"),
     ("12 month", "12 months")],
)  # fmt: skip
def test_a_season_is_a_week_or_a_year(step: str, season: str) -> None:
    count, unit = step.split()
    sizes = {"min": 60, "h": 3600, "day": 86_400, "days": 86_400}
    if unit == "month":
        times = np.datetime64("2001-01", "M") + int(count) * np.arange(30)
    else:
        times = np.datetime64("2001-01-01", "s") + int(count) * sizes[unit] * np.arange(30)
    found = usual_step(times, np.ones(30, bool))
    assert found is not None
    assert span(found.season(), found.unit) == season


@pytest.mark.skipif(not (DATA / "hotgym").is_dir(), reason="no hotgym under HTMRUN_TEST_DATA")
def test_known_figures_of_hotgym() -> None:
    path = DATA / "hotgym" / "gymdata.csv"
    source = SeriesSource(SeriesParameters(path=str(path), value="c1"), Path.cwd())
    naive = final(source, [1, 5])
    assert naive["rmse_1"] == pytest.approx(10.37, abs=0.005)
    assert naive["rmse_5"] == pytest.approx(25.70, abs=0.005)
    week = by_date(source, [1, 5]).metrics
    assert week["rmse_1"] == week["rmse_5"] == pytest.approx(6.62, abs=0.005)


@pytest.mark.parametrize("dated", [True, False])
@pytest.mark.parametrize(
    "kind", [name for name, kind in kinds("control").items() if kind.component.forecasts]
)
def test_what_follows_the_last_row_changes_nothing_before(kind: str, dated: bool) -> None:
    """Controls are asked for rows behind the last one, too; forecasts of the others stay."""
    count, h = 700, 5
    rng, hours = np.random.default_rng(3), np.arange(count)
    known = rng.random(count) > 0.05
    values = 50 + 20 * np.sin(2 * np.pi * hours / 24) + rng.normal(size=count)
    times = np.datetime64("2026-01-05T00", "us") + hours * np.timedelta64(1, "h") if dated else None
    step = None if times is None else usual_step(times, hours > 0)
    series = Series(values, known, hours, times, step)
    found = kinds("control")[kind]
    period = None if kind in ("persistence", "knn", "ridge") else 24
    asked = {} if period is None else {"period": period}
    made = found.component(found.parameters.model_validate(asked), None, "control.x")
    longer = _longer(series, h)
    assert longer.age.tolist() == list(range(count + h))
    assert times is None or longer.times[-1] == times[-1] + np.timedelta64(h, "h")
    whole, short = made.forecast(longer, h), made.forecast(series, h)
    assert whole[:count].tobytes() == short.tobytes()
    assert np.isfinite(short[-50:]).any()
    assert np.isfinite(whole[count:]).any(), "rows behind the last one are forecast"


def test_the_next_seed_is_not_forecast_anew() -> None:
    """Controls have no chance in them; another series, or other settings, are another matter."""

    class Counted(Persistence):
        asked = 0

        def forecast(self, series: Series, horizon: int) -> np.ndarray:
            Counted.asked += 1
            return super().forecast(series, horizon)

    def last(values: list[float], seed: int) -> Finished:
        counted = Counted(PersistenceParameters(), None, "control.x")  # type: ignore[arg-type]
        *_, found = forecast(Job("naive", seed), Values(values), [1, 2], counted, 0, 10)  # type: ignore[arg-type]
        assert isinstance(found, Finished)
        return found

    first, second = last([1, 5, 2, 8, 3], 0), last([1, 5, 2, 8, 3], 1)
    assert Counted.asked == 2
    timed = {"samples_per_s"}
    assert {k: v for k, v in first.metrics.items() if k not in timed} == {
        k: v for k, v in second.metrics.items() if k not in timed
    }
    assert last([1, 5, 2, 8, 4], 0).metrics["rmse_1"] != first.metrics["rmse_1"]
    assert Counted.asked == 4
