"""The report: right figures, every plot, nothing from outside, readable on light and on dark."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from htmrun.cli.terminal.comparison_table import compare
from htmrun.compare.report.blocks import dash
from htmrun.compare.report.charts import charts
from htmrun.compare.runs import Choice
from htmrun.errors import UserError
from htmrun.tracking.arrays import read_series
from htmrun.tracking.plots import COLOURS
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.tracking.store import open_existing
from htmrun.training.records import Finished, Job, Progress, Started
from tests.helpers.synthetic import ARMS, RUN, level, tracker

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
SEEDS = 7
POINTS = 8
PLOTS = (
    *("difference-accuracy", "difference-churn", "seeds", "curve-accuracy"),
    *("curve-recent-accuracy", "speed-quality", "noise-accuracy", "fault-accuracy"),
    *("churn-share", "tm-growth-segments", "sp-boost", "sp-duty", "sp-permanences"),
    *("tm-permanences", "sp-activity", "windows", "tasks-accuracy", "change-around"),
)


def series(job: Job) -> dict[str, np.ndarray]:
    """Return arrays as a trainer keeps them."""
    generator = np.random.default_rng(job.seed)
    samples = np.arange(1, POINTS + 1) * 100.0
    rising = level(job) * np.arange(1, POINTS + 1) / POINTS
    held_out = np.where(np.arange(POINTS) % 2 == 1, rising, np.nan)
    return {
        "curve/sample": samples, "curve/recent/accuracy": rising, "curve/accuracy": held_out,
        "noise_accuracy": np.linspace(0.9, 0.1, 21), "fault_accuracy": np.linspace(0.9, 0.5, 7),
        "churn/sample": samples[:3], "churn/share": generator.random(3),
        "churn/to_wrong": generator.random(3),
        "tm/growth/sample": samples, "tm/growth/segments": np.arange(POINTS) * 10.0,
        "sp/boost": generator.random(96).astype(np.float32),
        "sp/duty": generator.random(96).astype(np.float32),
        "sp/activity": generator.random(96).astype(np.float32), "sp/shape": np.array([8, 12]),
        "tasks/accuracy": np.array([[0.1, 0.2], [0.9, 0.25], [0.5, 0.75]]) - 0.01 * job.seed,
        "change/around": generator.random(3), "change/offset": np.array([-20.0, 0.0, 20.0]),
        "sp/permanences": generator.integers(0, 9, 50), "tm/permanences": np.arange(50),
    }  # fmt: skip


WINDOWS = {"online": 1, "minibatch": 10, "epoch_boost": 50, "no_sp": 1}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    directory = tmp_path_factory.mktemp("report")
    shutil.copy(prepared, directory / "mlflow.db")
    tags = {
        "htmrun.task": "classification", "htmrun.data": "<b>digits</b>",
        "htmrun.data_hash": "abc", "htmrun.overrides": "experiment=digits seeds=[0,1]",
    }  # fmt: skip
    made = tracker(
        directory, tags=tags,
        job_parameters=lambda job: {
            "arm": job.arm, "seed": job.seed, "sp": {"columns": 96},
            "regime": {"learn_every": WINDOWS[job.arm], "boost_at": "commit"},
        },
    )  # fmt: skip
    with made:
        for arm in (*ARMS, "no_sp"):
            for seed in range(SEEDS):
                job = Job(arm, seed, arm == "no_sp")
                made.handle(Started(job, 800))
                made.handle(Progress(job, 400, 0, {"recent/accuracy": 0.5}, 1000.0))
                figures = {
                    "accuracy": level(job), "churn": 0.01 * (seed + len(arm)),
                    "samples_per_s": 1000.0 * len(arm) + seed, "samples": 800.0,
                }  # fmt: skip
                made.handle(Finished(job, figures, f"hash{seed}", 0.5, series(job)))
    return directory


@pytest.fixture(scope="module")
def folder(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("written") / "new" / "report"
    compare(Choice(directory=str(store)), report=written)
    return written


def text_of(page: str) -> str:
    """Return the page without scripts and tags, blanks folded."""
    plain = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", plain))


def test_the_page_answers_with_scipy_s_figures(folder: Path) -> None:
    text = text_of((folder / "report.html").read_text(encoding="utf-8"))
    ours, base = ([level(Job(arm, s)) for s in range(SEEDS)] for arm in ("minibatch", "online"))
    # Seven of one sign: 2 / 2 ** 7, doubled by Holm.
    assert (
        f"online is best in accuracy: {np.mean(base):.4f} against {np.mean(ours):.4f} of "
        "minibatch, the best other arm (p = 0.0312)."
    ) in text
    # One control: nothing to correct.
    assert "online beats the control no_sp (0.80" in text
    assert "(p = 0.0156)." in text
    difference = np.mean(base) - np.mean(ours)
    assert f"minibatch: worse in accuracy ({difference:.4f} lower, p = 0.0312)" in text
    assert "learn_every 1 10 50 1" in text
    assert "htmrun train experiment=digits 'seeds=[0,1]'" in text.replace("&#39;", "'")
    assert "share of right answers" in text


def test_words_of_others_are_text_not_markup(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;digits&lt;/b&gt;" in page
    assert "<b>digits</b>" not in page


def test_the_page_is_whole_and_small(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.lstrip().startswith("<!DOCTYPE html>")
    assert len(page) < 5_000_000
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert re.findall(r"<(?:link|img|iframe|script)\b", markup) == []
    assert "default-src 'none'" in page
    assert str(Path.home()) not in text_of(page)


def test_every_plot_is_there_as_png(folder: Path) -> None:
    found = sorted(path.stem for path in (folder / "plots").iterdir())
    assert found == sorted(PLOTS)
    for path in (folder / "plots").iterdir():
        assert path.read_bytes()[:4] == b"\x89PNG", path.name
        assert path.stat().st_size > 5_000, path.name


def test_bands_are_intervals_over_seeds(store: Path) -> None:
    from htmrun.compare.comparison import compare_arms
    from htmrun.tracking.read_runs import read

    [run] = read((), None, str(store))
    arrays = read_series(open_existing(None, store)[1], run)
    made = {c.name: c for c in charts(run, compare_arms(run, ["accuracy"]), arrays)}
    rows = made["curve-accuracy"].spec["data"]["values"]
    last = next(r for r in rows if r["arm"] == "online" and r["x"] == 800)
    values = [level(Job("online", s)) for s in range(SEEDS)]
    low, high = scipy.stats.t.interval(
        0.95, SEEDS - 1, loc=np.mean(values), scale=scipy.stats.sem(values)
    )
    assert (last["mean"], last["low"], last["high"]) == pytest.approx(
        (np.mean(values), low, high), rel=1e-3
    )
    heat = made["sp-activity"].spec
    assert heat["data"]["values"][0]["arm"] == "online"
    assert "% 12" in str(heat["transform"])
    matrix = {
        (row["after"], row["task"]): row["accuracy"]
        for row in made["tasks-accuracy"].spec["data"]["values"]
        if row["arm"] == "online"
    }
    assert matrix[1, 2] == pytest.approx(0.25 - 0.01 * np.mean(range(SEEDS)))
    assert matrix[2, 1] == pytest.approx(0.5 - 0.01 * np.mean(range(SEEDS)))
    shares = [r["share"] for r in made["sp-permanences"].spec["data"]["values"]]
    assert sum(shares[:50]) == pytest.approx(1.0, abs=1e-3)


def test_the_page_is_kept_with_the_first_job(store: Path, folder: Path) -> None:
    client = open_existing(None, store)[1]
    jobs = {run.info.run_name: run for run in client.search_runs(["1"])}
    kept = [f.path for f in client.list_artifacts(jobs["online-s000"].info.run_id, "report")]
    assert kept == ["report/report.html"]
    assert client.list_artifacts(jobs["online-s001"].info.run_id, "report") == []


def test_a_report_that_cannot_be_written_is_one_line(store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder, message in (
        (tmp_path / "file", "--report: .*file is a file, expected a folder"),
        (tmp_path / "file" / "below", "--report: cannot write to"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            compare(Choice(directory=str(store)), report=folder)
        assert "\n" not in str(caught.value)


def test_one_seed_and_one_arm_make_a_page_too(runs: Path) -> None:
    with tracker(runs, tags={"htmrun.task": "classification"}) as made:
        made.handle(Finished(Job("online", 0), {"accuracy": 0.9}, "h", 1.0))
    compare(Choice(directory=str(runs)), report=runs / "page")
    assert "online reaches accuracy 0.9000." in (runs / "page" / "report.html").read_text(
        encoding="utf-8"
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_draws_offline(scheme: str, folder: Path, browser: object, tmp_path: Path) -> None:
    context = browser.new_context(  # type: ignore[attr-defined]
        color_scheme=scheme, viewport={"width": 1200, "height": 900}, offline=True
    )
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    page.goto((folder / "report.html").as_uri())
    page.wait_for_function(
        f"document.querySelectorAll('.chart svg.marks, .chart canvas').length >= {len(PLOTS)}",
        timeout=180_000,
    )
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = page.evaluate("document.querySelector('#seeds svg text').getAttribute('fill')")
    keep = Path(os.environ.get("HTMRUN_SCREENSHOTS", tmp_path))
    page.screenshot(path=keep / f"report-{scheme}.png", full_page=True)
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    dark = scheme == "dark"
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 200) is dark
    assert (int(ink.lstrip("#")[:2], 16) > 0x80) is dark if len(ink) == 7 else not dark


# Texts of axes and legends that reach beyond the picture that they are drawn in.
CUT = """[...document.querySelectorAll('.chart svg.marks')].flatMap(svg => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('.role-legend text, .role-axis-title text')].filter(text => {
    const at = text.getBoundingClientRect();
    return at.right > box.right + 1 || at.bottom > box.bottom + 1 || at.left < box.left - 1;
  }).map(text => text.textContent);
})"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1280])
def test_no_legend_is_cut(width: int, folder: Path, browser: object, tmp_path: Path) -> None:
    context = browser.new_context(  # type: ignore[attr-defined]
        viewport={"width": width, "height": 900}, offline=True
    )
    page = context.new_page()
    page.goto((folder / "report.html").as_uri())
    page.wait_for_function(
        f"document.querySelectorAll('.chart svg.marks, .chart canvas').length >= {len(PLOTS)}",
        timeout=180_000,
    )
    keep = Path(os.environ.get("HTMRUN_SCREENSHOTS", tmp_path))
    page.screenshot(path=keep / f"report-{width}.png", full_page=True)
    cut = page.evaluate(CUT)
    entries = page.locator("#curve-accuracy .role-legend text").all_text_contents()
    wide = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert cut == []
    assert {*ARMS, "no_sp"} <= set(entries)
    assert wide <= width


def test_legends_have_the_arms_that_are_drawn(store: Path) -> None:
    from htmrun.compare.comparison import compare_arms
    from htmrun.tracking.read_runs import read

    [run] = read((), None, str(store))
    arrays = read_series(open_existing(None, store)[1], run)
    for found in arrays["no_sp"].values():
        found.pop("sp/boost")
    made = {c.name: c for c in charts(run, compare_arms(run, ["accuracy"]), arrays)}
    for name, arms in (("sp-boost", [*ARMS]), ("sp-duty", [*ARMS, "no_sp"])):
        [layer] = made[name].spec["layer"]
        assert layer["encoding"]["color"]["legend"]["values"] == arms
        assert layer["encoding"]["strokeDash"]["legend"]["values"] == arms


def test_arms_that_share_a_colour_differ_in_their_dashes() -> None:
    names = [f"arm{i}" for i in range(11)]
    controls = ["untrained", "no_sp", "more"]
    run = ExperimentRun("id", "many", "classification", ("id",), names, controls, [], {})
    dashes = dash(run)["scale"]["range"]
    looks = [(i % len(COLOURS), tuple(d)) for i, d in enumerate(dashes)]
    assert len(set(looks)) == len(run.everybody) == 14
    assert dashes[0] == [1, 0]


def test_nothing_heavy_is_imported_for_help() -> None:
    code = (
        "import sys; from htmrun.cli import main; main(['compare', '--help']);"
        "print([m for m in ('vl_convert', 'jinja2', 'scipy', 'mlflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]"), done.stdout[-200:]


def test_the_run_is_named(folder: Path) -> None:
    assert RUN in text_of((folder / "report.html").read_text(encoding="utf-8"))
