"""The page of a whole series: right figures, offline, and it answers to whoever looks at it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from htmrun.cli.terminal.comparison_table import compare
from htmrun.compare.report.series_page import packed, render_series, unpacked
from htmrun.compare.runs import Choice
from htmrun.execution.quota import Quota
from htmrun.tracking.forecasts import ForecastFiles, Tables
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.tracking.stretches import windows
from htmrun.training.measures.anomaly import log_scale
from htmrun.training.records import Finished, Job
from tests.helpers.synthetic import tracker

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
ROWS = 3000
RUN = ExperimentRun("20261129-1", "load", "forecast", arms=["online"], controls=["persistence"])


def told(rows: int = ROWS, seed: int = 0, dated: bool = True) -> tuple[Any, Any]:
    """Return tables and losses of an arm and a control that forecast an hourly wave."""
    random = np.random.default_rng(seed)
    value = 50 + 20 * np.sin(np.arange(rows) * 2 * np.pi / 24) + random.normal(size=rows)
    value[100:103] = np.nan
    times = np.datetime64("2026-01-05T00", "us") + np.arange(rows) * np.timedelta64(1, "h")
    made = {h: np.roll(value, -h) + random.normal(size=rows) for h in (1, 5)}
    alert = np.zeros(rows, np.int64)
    alert[[row for row in (700, 2500) if row < rows]] = 1
    online: dict[str, np.ndarray] = {"time": times, "value": value}
    for h, forecast in made.items():
        online |= {f"forecast_{h}": forecast, f"low_{h}": forecast - 3, f"high_{h}": forecast + 2}
    online |= {"anomaly": random.random(rows), "likelihood": random.random(rows), "alert": alert}
    persistence = {"time": times, "value": value, "forecast_1": value, "forecast_5": value}
    if not dated:
        del online["time"], persistence["time"]
    tables = {"online": {seed: online}, "persistence": {seed: persistence}}
    losses = {
        arm: {seed: {f"loss/{h}": lost(found[seed][f"forecast_{h}"], value, h) for h in (1, 5)}}
        for arm, found in tables.items()
    }
    return tables, losses


def lost(forecast: np.ndarray, value: np.ndarray, h: int) -> np.ndarray:
    found = np.full(len(value), np.nan, np.float32)
    found[h:] = (forecast[:-h] - value[h:]) ** 2
    return found


def test_what_is_packed_is_exact_to_its_range() -> None:
    values = np.random.default_rng(1).normal(size=5000) * 1e3
    values[::7] = np.nan
    found = unpacked(packed(values))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
    assert np.nanmax(np.abs(found - values)) <= np.ptp(values[~np.isnan(values)]) / 131_068 * 1.001
    for same in (np.full(3, 7.5), np.full(3, np.nan), np.zeros(0)):
        np.testing.assert_array_equal(unpacked(packed(same)), same)


def test_windows_are_stretches_of_labels() -> None:
    label = np.array([1, 1, 0, 0, 1, 0, 1])
    assert windows({"label": label}) == [[0, 1], [4, 4], [6, 6]]
    assert windows({"value": label}) == []


def test_seeds_that_find_no_room_are_named() -> None:
    tables: Tables = {"online": {}, "persistence": {}}
    for seed in (0, 1):
        found, _ = told(400, seed)
        for arm in tables:
            tables[arm] |= found[arm]
    whole, less = (render_series(RUN, tables, {}, most) for most in (10**9, 1000))
    assert "too large" not in whole
    assert "2 jobs would make the page too large and are left out: online 1, persistence 1." in less
    assert len(less) < len(whole)


def test_words_of_others_are_text_not_markup() -> None:
    run = ExperimentRun("<b>1</b>", "</script><b>x", "forecast", arms=["</script>"], controls=[])
    page = render_series(run, {"</script>": told(50)[0]["online"]}, {})
    assert "&lt;b&gt;1&lt;/b&gt;" in page
    assert page.count("</script>") == 5  # Those that the page has itself.
    assert "default-src 'none'" in page
    assert "Permission is hereby granted" in page, "the licence of uPlot"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@contextmanager
def opened(browser: Any, path: Path, **settings: Any) -> Iterator[Any]:
    """Open a page without any network; nothing it says or asks for may be wrong."""
    given = {"viewport": {"width": 1280, "height": 900}, **settings}
    context = browser.new_context(offline=True, **given)
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    yield page
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "series.html"
    tables, losses = told()
    path.write_text(render_series(RUN, tables, losses), encoding="utf-8")
    return path


def settled(page: Any) -> list[int]:
    """Return the rows that are shown, once they are drawn."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    return list(page.evaluate("htmrun.range"))


@pytest.mark.browser
def test_it_answers_to_drags_wheel_keys_and_buttons(written: Path, browser: Any) -> None:
    with opened(browser, written) as page:
        last = ROWS  # One row more: what is forecast behind the last one.
        assert settled(page) == [last + 1 - 500, last]
        page.keyboard.press("0")
        assert settled(page) == [0, last]
        box = page.locator(".u-over").first.bounding_box()
        at = lambda share: (box["x"] + share * box["width"], box["y"] + 50)  # noqa: E731
        page.mouse.move(*at(0.25))
        page.mouse.down()
        page.mouse.move(*at(0.5), steps=3)
        page.mouse.up()
        dragged = settled(page)
        assert dragged == pytest.approx([last / 4, last / 2], abs=4)
        shown = page.evaluate("plots.map(plot => [plot.scales.x.min, plot.scales.x.max])")
        begin = np.datetime64("2026-01-05T00", "s").astype(int)
        assert shown == [[begin + 3600 * row for row in dragged]] * 3, "all charts show the same"
        page.keyboard.press("ArrowRight")
        moved = settled(page)
        assert moved == pytest.approx([row + 0.25 * np.ptp(dragged) for row in dragged], abs=1)
        page.mouse.move(*at(0.5))
        page.mouse.wheel(0, -100)
        assert np.ptp(settled(page)) == pytest.approx(0.8 * np.ptp(moved), abs=2)
        page.mouse.dblclick(*at(0.5))
        assert settled(page) == [0, last]
        page.get_by_role("button", name="zoom in").click()
        assert settled(page) == pytest.approx([last / 4, 3 * last / 4], abs=1)
        page.keyboard.press("n")
        assert np.mean(settled(page)) == pytest.approx(2500, abs=1)
        assert "alert" in page.locator("#readout").inner_text()
        page.keyboard.press("p")
        assert np.mean(settled(page)) == pytest.approx(700, abs=1)
        strip = page.locator("#overview").bounding_box()
        page.mouse.click(strip["x"] + strip["width"] / 2, strip["y"] + 20)
        assert np.mean(settled(page)) == pytest.approx(last / 2, abs=3)


@pytest.mark.browser
def test_the_figures_of_a_row_are_those_of_the_table(written: Path, browser: Any) -> None:
    tables, losses = told()
    online = tables["online"][0]
    with opened(browser, written) as page:
        page.get_by_label("Ahead").select_option("5")
        page.evaluate("new Promise(done => setTimeout(done, 300))")
        page.evaluate("readout(2500)")
        text = page.locator("#readout").inner_text()
        found = [float(n) for n in re.findall(r"-?\d+\.\d+", text.split("online")[1])]
        assert "2026-04-19 04:00 (row 2,500)" in text
        # Made five rows before, at which it stands in the table.
        expected = [
            online["forecast_5"][2495], online["low_5"][2495], online["high_5"][2495],
            np.sqrt(losses["online"][0]["loss/5"][2500]), log_scale(online["likelihood"])[2500],
        ]  # fmt: skip
        assert found[:5] == pytest.approx(expected, rel=1e-3, abs=2e-3)
        value = float(text.splitlines()[0].rpartition(" ")[2])
        assert value == pytest.approx(online["value"][2500], rel=1e-3)
        rolled = page.evaluate(
            "Array.from(rolling(shown.jobs[0].error, 100), v => isNaN(v) ? null : v)"
        )
    squares = pandas.Series(losses["online"][0]["loss/5"].astype(float))
    mean = squares.rolling(100, min_periods=50).mean() ** 0.5
    got = np.array(rolled[: len(mean)], float)
    use = np.arange(len(mean)) > 200
    np.testing.assert_allclose(got[use], mean[use], rtol=1e-3)


@pytest.mark.browser
def test_no_peak_is_lost_where_a_pixel_stands_for_many_rows(written: Path, browser: Any) -> None:
    script = """([rows, peak]) => {
      const values = Float64Array.from({length: rows}, (_, i) => i === peak ? 99 : Math.sin(i));
      values[5] = NaN;
      const xs = Float64Array.from({length: rows}, (_, i) => i);
      return view(xs, [{values}, {values, keep: "low"}], 0, rows, 300);
    }"""
    with opened(browser, written) as page:
        xs, both, low = page.evaluate(script, [20_011, 777])
        few = page.evaluate(script, [400, 77])
    assert len(xs) == len(both) == len(low) == 600
    assert xs == sorted(xs)
    assert max(both) == 99
    assert max(low) < 1
    assert len(few[0]) == 400
    assert few[1][5] is None
    assert few[1][77] == 99


@pytest.mark.browser
@pytest.mark.parametrize(
    ("width", "scheme", "dated"),
    [(400, "light", True), (1280, "dark", True), (1280, "light", False)],
)
def test_it_fits_and_can_be_read(
    width: int, scheme: str, dated: bool, browser: Any, tmp_path: Path
) -> None:
    path = tmp_path / "series.html"
    tables, losses = told(dated=dated)
    path.write_text(render_series(RUN, tables, losses), encoding="utf-8")
    viewport = {"width": width, "height": 900}
    with opened(browser, path, viewport=viewport, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        drawn = page.evaluate("plots.map(plot => plot.series.length - 1)")
        titles = page.locator(".panel h2").all_text_contents()
        where = page.locator("#where").inner_text()
        keep = Path(os.environ.get("HTMRUN_SCREENSHOTS", tmp_path))
        page.screenshot(path=keep / f"series-{width}-{scheme}-{dated}.png", full_page=True)
        page.get_by_label("persistence").uncheck()
        assert page.evaluate("plots.map(plot => plot.series.length - 1)") == [4, 1, 1]
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 200) is (scheme == "dark")
    assert drawn == [5, 2, 1]  # Two ends, two forecasts and the value; two errors; one likelihood.
    assert titles[1] == "Error: RMSE of the last 100 rows"
    assert where == (
        "2026-04-19 05:00 to 2026-05-10 00:00, 500 rows"
        if dated
        else "row 2,501 to row 3,000, 500 rows"
    )


@pytest.mark.browser
def test_a_short_series_without_memory_or_errors_is_shown_too(browser: Any, tmp_path: Path) -> None:
    value = np.array([1.0, np.nan, 2.0, 4.0])
    path = tmp_path / "short.html"
    tables = {"persistence": {3: {"value": value, "forecast_2": value}}}
    path.write_text(render_series(RUN, tables, {}), encoding="utf-8")
    with opened(browser, path) as page:
        assert settled(page) == [0, 5]
        assert page.locator(".panel h2").all_text_contents() == ["Value and forecast"]
        assert page.get_by_role("button", name="alert").count() == 0
        page.evaluate("readout(5)")
        assert "value not yet known" in page.locator("#readout").inner_text()


@pytest.mark.browser
def test_anomalies_without_forecasts_are_shown_with_their_labels(
    browser: Any, tmp_path: Path
) -> None:
    online = told()[0]["online"][0]
    table = {n: online[n] for n in ("time", "value", "likelihood", "alert")}
    table["label"] = (np.arange(ROWS) // 100 == 7).astype(int)
    path = tmp_path / "anomalies.html"
    path.write_text(render_series(RUN, {"online": {0: table}}, {}), encoding="utf-8")
    with opened(browser, path) as page:
        titles = page.locator(".panel h2").all_text_contents()
        assert [title.partition(":")[0] for title in titles] == ["Value", "How unusual"]
        assert page.get_by_label("Ahead").count() == 0
        assert "labelled windows are shaded" in page.inner_text("main")
        assert page.evaluate("shown.frame.windows") == [[700, 799]]
        page.evaluate("readout(700)")
        head = page.locator("#readout th").all_text_contents()
        assert head == ["", "log-likelihood", ""]


DRAWN = """async () => {
  const taken = [];
  for (let i = 0; i < 9; i++) {
    show(i * 100, 49999 - i * 300);
    const begun = performance.now();
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    taken.push(performance.now() - begun);
  }
  return taken;
}"""


@pytest.mark.browser
def test_fifty_thousand_rows_are_small_and_soon_drawn(browser: Any, tmp_path: Path) -> None:
    arms = ["online", "minibatch", "epoch_boost"]
    run = ExperimentRun("1", "load", "forecast", arms=arms, controls=["persistence", "seasonal"])
    tables: Tables = {}
    series: dict[str, dict[int, Any]] = {}
    found, losses = told(50_000)
    for name in run.everybody:
        like = "persistence" if name in run.controls else "online"
        tables[name], series[name] = found[like], losses[like]
    path = tmp_path / "long.html"
    path.write_text(render_series(run, tables, series), encoding="utf-8")
    assert path.stat().st_size < 5_500_000
    with opened(browser, path) as page:
        taken = page.evaluate(DRAWN)
    print(f"{path.stat().st_size / 1e6:.1f} MB, drawn in {min(taken):.0f} to {max(taken):.0f} ms")
    assert np.median(taken) < 1000


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a recorded run whose jobs kept what they said of each row."""
    store = tmp_path_factory.mktemp("store")
    files = ForecastFiles(Quota("tracking.forecasts_mb", "forecasts", 1e9))
    tags = {"htmrun.task": "forecast", "htmrun.data": "load", "htmrun.data_hash": "abc"}
    with tracker(store, tags=tags, forecasts=files.write) as made:
        for seed in (0, 1):
            tables, losses = told(ROWS, 0)
            for arm in ("online", "persistence"):
                job = Job(arm, seed, control=arm == "persistence")
                figures = {"rmse_1": 1.0 + seed, "rmse_5": 2.0, "samples": float(ROWS)}
                made.handle(
                    Finished(job, figures, "hash", 1.0, losses[arm][0], forecasts=tables[arm][0])
                )
    compare(Choice(directory=str(store)), report=store / "report")
    return store / "report"


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1280])
def test_the_report_draws_the_series_and_leads_to_the_page(
    width: int, report: Path, browser: Any, tmp_path: Path
) -> None:
    path = report / "report.html"
    context = browser.new_context(offline=True, viewport={"width": width, "height": 900})
    page = context.new_page()
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.goto(path.as_uri())
    for name in ("forecast-1", "forecast-5", "error-1", "error-5", "anomalies"):
        page.wait_for_selector(f"#{name} svg.marks", timeout=120_000)
        box, drawn = (page.locator(f"#{name}{s}").bounding_box() for s in ("", " svg.marks"))
        assert drawn["width"] <= box["width"] + 1, name
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dates = page.locator("#forecast-5 .role-axis-label text").all_text_contents()
    assert any(re.fullmatch(r"\d+ May", text) for text in dates), dates
    keep = Path(os.environ.get("HTMRUN_SCREENSHOTS", tmp_path))
    page.screenshot(path=keep / f"report-series-{width}.png", full_page=True)
    page.get_by_role("link", name="The whole series").click()
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    context.close()
    assert said == []
