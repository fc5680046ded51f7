"""What is drawn of a series: the right rows, in MLflow's pictures and in the report's charts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from matplotlib.dates import num2date
from matplotlib.figure import Figure

from htmrun.compare.report.along import along
from htmrun.tracking import series_plots
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.tracking.stretches import (
    Glimpse,
    axis,
    best,
    errors_of,
    glimpse,
    stretch,
    timeline,
    windows,
)
from htmrun.training.measures.anomaly import log_scale

ROWS = 1500
HOUR = np.timedelta64(1, "h")


def told(seed: int = 0, off: float = 1.0) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays and the table of a job whose forecasts are `off` the value."""
    random = np.random.default_rng(seed)
    value = np.arange(ROWS) % 24 + random.normal(size=ROWS)
    value[10] = np.nan
    times = np.datetime64("2026-01-05T00", "us") + np.arange(ROWS) * HOUR
    table: dict[str, Any] = {"time": times, "value": value}
    series: dict[str, Any] = {}
    for h in (1, 5):
        forecast = np.roll(value, -h) + off * random.normal(size=ROWS)
        table |= {f"forecast_{h}": forecast, f"low_{h}": forecast - 2, f"high_{h}": forecast + 3}
        loss = np.full(ROWS, np.nan, np.float32)
        loss[h:] = (forecast[:-h] - value[h:]) ** 2
        series[f"loss/{h}"] = loss
    likelihood, alert = random.random(ROWS) * 0.9, np.zeros(ROWS, int)
    likelihood[[200, 777]], alert[777] = 0.999999, 1
    label = np.zeros(ROWS, int)
    label[700:800] = 1
    return series, table | {"likelihood": likelihood, "alert": alert, "label": label}


def control(seed: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    series, table = told(seed, off=2.0)
    return series, {n: table[n] for n in ("time", "value", "forecast_1", "forecast_5")}


@pytest.fixture(scope="module")
def found() -> dict[str, dict[int, Glimpse]]:
    made: dict[str, dict[int, Glimpse]] = {}
    for arm, off in (("online", 1.0), ("minibatch", 0.5), ("worse", 3.0), ("worst", 4.0)):
        made[arm] = {seed: glimpse(*told(seed, off)) for seed in (0, 1)}  # type: ignore[misc]
    made["persistence"] = {seed: glimpse(*control(seed)) for seed in (0, 1)}  # type: ignore[misc]
    return made


RUN = ExperimentRun(
    "1", "load", "forecast", arms=["online", "minibatch", "worse", "worst"],
    controls=["persistence"],
)  # fmt: skip


def test_a_forecast_stands_beside_the_value_that_it_is_of() -> None:
    value = np.array([1.0, 2, 3, 4, 5])
    part = stretch({"value": value, "forecast_2": value * 10}, 2, rows=4)
    assert part.x.tolist() == [1, 2, 3, 4]
    assert part.value.tolist() == [2, 3, 4, 5]
    np.testing.assert_array_equal(part.forecast, [np.nan, 10, 20, 30])
    assert part.low is None
    short = stretch({"value": value[:1], "forecast_2": value[:1]}, 2)
    np.testing.assert_array_equal(short.forecast, [np.nan])


def test_errors_are_those_of_a_rolling_mean() -> None:
    series, table = told()
    loss = series["loss/5"]
    loss[600:640] = np.nan
    made = errors_of(loss, axis(table))
    assert made.window == 30
    rolled = pandas.Series(loss.astype(float)).rolling(30, min_periods=15).mean() ** 0.5
    rows = (made.x - made.x[0]) // HOUR + 29
    assert rows[0] == 29
    assert rows[-1] == ROWS - 1
    np.testing.assert_allclose(made.rms, rolled.to_numpy()[rows.astype(int)], rtol=1e-6)
    assert np.isnan(made.rms).any()


def test_no_peak_of_a_long_series_is_lost() -> None:
    _, table = told()
    table["value"][1234] = 99.0
    line = timeline(table)
    assert len(line.x) == 600
    assert line.high.max() == 99.0
    assert np.nanmin(line.low) == np.nanmin(table["value"])
    assert line.unusual.max() == log_scale(np.array([0.999999]))[0]
    assert line.alerts.tolist() == [table["time"][777].astype("datetime64[ms]").item()]
    assert (line.windows == table["time"][[[700, 799]]].astype("datetime64[ms]")).all()
    assert windows(table) == [[700, 799]]


def test_times_that_go_back_are_no_axis() -> None:
    _, table = told()
    table["time"][800:] -= 900 * HOUR
    assert axis(table).tolist() == list(range(ROWS))


def test_what_forecasts_nothing_is_not_drawn(tmp_path: Path) -> None:
    assert glimpse({"loss/1": np.zeros(5, np.float32)}, {}) is None
    for draw in (series_plots.plot_forecasts, series_plots.plot_errors):
        draw({}, [], tmp_path / "none.png")
    series_plots.plot_anomalies({}, tmp_path / "none.png")
    assert list(tmp_path.iterdir()) == []
    assert [chart for chart in along(RUN, {}) if chart] == []


def test_the_best_arms_have_the_least_error(found: Any) -> None:
    assert best(found, RUN.arms, 1, 2) == ["online", "minibatch"]
    assert best(found, RUN.arms, 1, 1) == ["minibatch"]
    assert best(found, ["nobody"], 1, 1) == []


@pytest.fixture
def figures(tmp_path: Path, found: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    saved: dict[str, Figure] = {}
    real = Figure.savefig

    def keep(self: Figure, path: Path, **settings: object) -> None:
        saved[path.stem] = self
        real(self, path, **settings)

    monkeypatch.setattr(Figure, "savefig", keep)
    series_plots.plot_forecasts(found, RUN.controls, tmp_path / "forecasts.png", "load")
    series_plots.plot_errors(found, RUN.controls, tmp_path / "errors.png", "load")
    series_plots.plot_anomalies(found, tmp_path / "anomalies.png", "load")
    for name in saved:
        assert (tmp_path / f"{name}.png").stat().st_size > 20_000
    return saved


def test_pictures_have_the_rows_of_the_tables(figures: dict[str, Figure], found: Any) -> None:
    near, far = figures["forecasts"].axes
    _, table = told(0, 0.5)
    names = [line.get_label() for line in far.lines]
    assert names == ["online", "minibatch", "worse", "persistence", "value"], "the worst is not"
    np.testing.assert_array_equal(far.lines[1].get_ydata(), table["forecast_5"][-245:-5])
    np.testing.assert_array_equal(far.lines[4].get_ydata(), table["value"][-240:])
    assert len(far.collections) == 3, "bands of the arms alone"
    assert near.lines[3].get_linestyle() == "--"
    [first, _] = figures["errors"].axes
    lines = {line.get_label(): line for line in first.lines}
    assert list(lines) == [*RUN.arms, "persistence"]
    means = np.mean([found["worse"][s].errors[1].rms for s in (0, 1)], axis=0)
    np.testing.assert_allclose(lines["worse"].get_ydata(), means)
    above, *below = figures["anomalies"].axes
    assert [axis.get_ylabel().split("\n")[1] for axis in below] == ["online", "minibatch", "worse"]
    alert = above.collections[1].get_offsets()[0][0]
    assert num2date(alert).replace(tzinfo=None) == told()[1]["time"][777].item()
    assert "shaded: labelled windows" in figures["anomalies"].get_suptitle()


def test_charts_have_the_rows_of_the_tables(found: Any) -> None:
    made = {chart.name: chart for chart in along(RUN, found) if chart}
    assert list(made) == ["forecast-1", "forecast-5", "error-1", "error-5", "anomalies"]
    _, table = told(0, 0.5)
    rows = [r for r in made["forecast-5"].spec["data"]["values"] if r["arm"] == "minibatch"]
    assert len(rows) == 240
    assert rows[-1]["x"] == table["time"][-1].astype("datetime64[ms]").astype(int)
    last = [float(f"{table[n][-6]:.5g}") for n in ("forecast_5", "low_5", "high_5")]
    assert [rows[-1][n] for n in ("forecast", "low", "high")] == last
    assert "Left out, with larger errors: worst." in made["forecast-5"].caption
    errors = [r for r in made["error-1"].spec["data"]["values"] if r["arm"] == "online"]
    mean = np.mean([found["online"][s].errors[1].rms[-1] for s in (0, 1)])
    assert errors[-1]["mean"] == pytest.approx(mean, rel=1e-4)
    assert errors[-1]["x"] == rows[-1]["x"]
    assert min(r["low"] for r in made["error-1"].spec["data"]["values"]) >= 0
    panels = made["anomalies"].spec["vconcat"]
    assert len(panels) == 4
    assert "labelled windows" in made["anomalies"].caption
    [shaded] = panels[0]["layer"][0]["data"]["values"]
    assert (shaded["x2"] - shaded["x"]) / 3_600_000 == 99
    assert panels[0]["layer"][2]["data"]["values"][0]["arm"] == "online"
