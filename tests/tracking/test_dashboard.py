"""The dashboard: ports, links, its processes, and what a real browser shows."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest

from htmrun.cli.terminal.comparison_table import compare
from htmrun.compare.runs import Choice
from htmrun.errors import UserError
from htmrun.tracking import dashboard
from htmrun.tracking.gate import Access
from htmrun.tracking.plots import colour_of
from tests.helpers.synthetic import ARMS, RUN, records, tracker

# One server for all of its tests.
pytestmark = pytest.mark.xdist_group("dashboard")

SERVE = """
import sys
sys.path.insert(0, {root!r})
from htmrun.tracking.dashboard import serve
serve(None, {directory!r}, None, False, {host!r})
"""
SEEDS = 4
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


@pytest.fixture(scope="module")
def runs_of_three_arms(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    """Sixteen runs: more than the ten that MLflow draws when it is not told otherwise."""
    directory = tmp_path_factory.mktemp("dashboard")
    (directory / "mlflow.db").write_bytes(prepared.read_bytes())
    with tracker(directory, "20261121-000000-digits-0000") as older:
        for record in records(("older_arm",), controls=()):
            older.handle(record)
    with tracker(directory) as made:
        for record in records(seeds=SEEDS):
            made.handle(record)
    compare(Choice(directory=str(directory)), report=directory / "report")
    return directory


@pytest.fixture(scope="module")
def served(runs_of_three_arms: Path) -> Iterator[list[str]]:
    """What a running dashboard has printed; ended by SIGTERM, after which nothing may be left."""
    with serving(runs_of_three_arms, dashboard.LOOPBACK) as printed:
        yield printed


@pytest.fixture(scope="module")
def opened(
    runs_of_three_arms: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[str]]:
    """What a dashboard has printed that other machines may see, over runs that were moved."""
    place = tmp_path_factory.mktemp("moved") / "my runs"
    shutil.copytree(runs_of_three_arms, place)
    with serving(place, "0.0.0.0") as printed:
        yield printed


@contextmanager
def serving(directory: Path, host: str) -> Iterator[list[str]]:
    """Serve until the end, by SIGTERM, and yield what was printed; nothing may be left."""
    root = str(Path(__file__).parents[2])
    code = SERVE.format(root=root, directory=str(directory), host=host)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed: list[str] = []
    for line in process.stdout:
        printed.append(line.rstrip("\n"))
        if "Ctrl-C" in line:
            break
    family = psutil.Process(process.pid).children(recursive=True)
    yield printed
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 0
    assert family
    assert [child for child in family if child.is_running()] == []


def address(printed: list[str]) -> str:
    """Return where a dashboard listens; on a slow machine more than one line comes before it."""
    return next(line.strip() for line in printed if line.startswith("  http"))


def asked(
    printed: list[str], path: str = "/", host: str = "", password: str = "", **headers: str
) -> int:
    """Return the status of what is asked of a dashboard under a name; SEARCH is posted to it."""
    base = urlsplit(address(printed))
    assert base.port is not None
    connection = http.client.HTTPConnection("127.0.0.1", base.port, timeout=60)
    headers["Host"] = host.format(port=base.port, name=base.hostname) or f"localhost:{base.port}"
    if "Origin" in headers:
        headers["Origin"] = headers["Origin"].format(port=base.port, name=base.hostname)
    if password:
        key = base64.b64encode(f"htmrun:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {key}"
    body = json.dumps({"experiment_ids": ["1"]}) if path == SEARCH else None
    headers["Content-Type"] = "application/json"
    connection.request("POST" if body else "GET", path, body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


SEARCH = "/ajax-api/2.0/mlflow/runs/search"
EXPERIMENT = "/api/2.0/mlflow/experiments/get?experiment_id=1"


def test_another_name_than_this_machines_is_refused_also_for_reading(served: list[str]) -> None:
    for path in ("/", EXPERIMENT, SEARCH):
        for host in ("localhost", "localhost:{port}", "127.0.0.1:{port}", "localhost:8080"):
            assert asked(served, path, host) == 200, (path, host)
        for host in ("evil.example", "evil.example:{port}", "10.evil.example", "192.168.1.9",
                     "localhost.evil.example:{port}", "127.0.0.1.evil.example"):  # fmt: skip
            assert asked(served, path, host) == 403, (path, host)


def test_other_machines_are_asked_for_a_password(opened: list[str]) -> None:
    text = "\n".join(opened)
    (said,) = re.findall(r"^open to other machines: user htmrun, password (\S+) ", text, re.M)
    assert len(said) >= 16
    assert f"ssh -L {urlsplit(address(opened)).port}:localhost:" in text
    for path in ("/", EXPERIMENT, SEARCH, "/health", "/no/such", "/graphql"):
        assert asked(opened, path) == 401
        assert asked(opened, path, password="guessed") == 401
    for path in ("/", EXPERIMENT, SEARCH):
        assert asked(opened, path, "{name}:{port}", said) == 200
        assert asked(opened, path, "evil.example", said) == 403
    # A browser says where the page came from that asks.
    assert asked(opened, SEARCH, "{name}:{port}", said, Origin="http://{name}:{port}") == 200
    assert asked(opened, SEARCH, "{name}:{port}", said, Origin="http://evil.example") == 403


def test_who_may_look_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTMRUN_DASHBOARD_USER", "me")
    monkeypatch.setenv("HTMRUN_DASHBOARD_PASSWORD", "mine")
    access = Access.of("0.0.0.0")
    assert (access.user, access.password, access.made_up) == ("me", "mine", False)
    assert not Access.of("localhost").is_open
    for name, value in (("USER", "a:b"), ("USER", ""), ("PASSWORD", "")):
        with monkeypatch.context() as patch:
            patch.setenv(f"HTMRUN_DASHBOARD_{name}", value)
            with pytest.raises(UserError, match=rf"^HTMRUN_DASHBOARD_{name}: found"):
                Access.of("0.0.0.0")
    for host in ("no.such.name.example", "8.8.8.8", "", "::", "a b"):
        with pytest.raises(UserError, match=r"^--host: found"):
            Access.of(host)


def test_an_empty_store_says_how_to_start(tmp_path: Path, runs: Path) -> None:
    for directory in (tmp_path / "nothing", runs):
        with pytest.raises(UserError, match="run `htmrun train experiment=digits` first"):
            dashboard.serve(None, str(directory), None, False)
    assert not (tmp_path / "nothing").exists()


def test_next_free_port_is_taken_and_a_wanted_one_must_be_free() -> None:
    first = dashboard.free_port(None)
    with socket.socket() as busy:
        busy.bind((dashboard.LOOPBACK, first))
        busy.listen()
        assert dashboard.free_port(None) > first
        with pytest.raises(UserError, match=f"port: {first} is taken"):
            dashboard.free_port(first)


def test_links_name_the_newest_run_and_its_main_curve(runs_of_three_arms: Path) -> None:
    _, client = dashboard.open_existing(None, runs_of_three_arms)
    found = dashboard.newest(client)
    assert (found.run, found.curve, len(found.runs)) == (RUN, "accuracy", 4 * SEEDS)
    # A link that names every run is for few runs; with many the charts are all.
    [(_, charts)] = dashboard.page_links("http://h:1", found)
    few = replace(found, runs=found.runs[-3:])
    _, (_, metric), (_, compared) = dashboard.page_links("http://h:1", few)
    query = parse_qs(charts.partition("?")[2])
    assert query["workflowType"] == ["machine_learning"]
    assert query["compareRunsMode"] == ["CHART"]
    assert parse_qs(metric.partition("?")[2])["plot_metric_keys"] == ['["accuracy"]']
    assert found.runs[-1] in compared


ANSWERS = """
import sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
time.sleep(float(sys.argv[2]))
try:
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
except OSError as error:
    sys.exit(f"ERROR: [Errno {error.errno}] error while attempting to bind: address already in use")
"""


@contextmanager
def answering(port: int, log: IO[bytes], after: float = 0.0) -> Iterator[subprocess.Popen[bytes]]:
    """A program that answers at `port` as MLflow would, or finds it taken."""
    command = [sys.executable, "-c", ANSWERS, str(port), str(after)]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_another_program_that_answers_at_the_port_is_not_taken_for_ours() -> None:
    """Two dashboards that start at once find the same port free."""
    port = dashboard.free_port(None)
    with TemporaryFile() as log, TemporaryFile() as more, answering(port, log) as first:
        assert dashboard._comes_up(first, port, log)
        # It looks while the other one answers, before it finds out itself.
        with answering(port, more, after=1.5) as second:
            assert not dashboard._comes_up(second, port, more)
            assert second.wait(120) == 1
        assert dashboard.free_port(None) != port


def test_a_port_taken_meanwhile_is_left_for_the_next(
    runs_of_three_arms: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried: list[int] = []

    def comes_up(_process: object, port: int, *_: object) -> bool:
        tried.append(port)
        return len(tried) > 1

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dashboard, "_comes_up", comes_up)
    monkeypatch.setattr(dashboard, "_show", ended)
    monkeypatch.setattr(dashboard, "free_port", lambda *_: 5100 + len(tried))
    dashboard.serve(None, str(runs_of_three_arms), None, False)
    assert tried == [5100, 5101]
    assert capsys.readouterr().out.splitlines()[-1] == "stopped"


def test_a_server_that_cannot_start_says_why(
    runs_of_three_arms: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such module >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(dashboard.sys, "executable", str(broken))
    with pytest.raises(UserError, match="did not start: no such module"):
        dashboard.serve(None, str(runs_of_three_arms), None, False)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_the_link_shows_the_mean_and_band_of_all_arms_in_one_chart(
    served: list[str], tmp_path: Path
) -> None:
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright

    link = next(line.strip() for line in served if line.startswith("  http"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.goto(link)
        chart = page.locator(".js-plotly-plot").first
        chart.wait_for(timeout=180_000)
        drawn = _drawn(chart, deadline=time.monotonic() + 120)
        assistant = page.locator("text=Assistant").locator("visible=true").count()
        text = page.inner_text("body")
        kept = os.environ.get("HTMRUN_SCREENSHOTS", str(tmp_path))
        page.screenshot(path=Path(kept) / "dashboard.png")
        browser.close()
    # A mean with its band for each arm, in the colours that its runs and the plots have.
    assert drawn == {colour_of(place) for place in range(4)}
    assert "arms compared" in text
    shown = text.splitlines()  # The run list beside the charts, arms as they come in the run.
    groups = [f"Group: {arm}" for arm in (*ARMS, "no_sp")]
    assert [line for line in shown if line.startswith("Group: ")] == groups
    assert "older_arm" not in text
    assert not assistant, "the assistant takes a quarter of the page"


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_the_report_is_read_in_the_dashboard(
    served: list[str], runs_of_three_arms: Path, tmp_path: Path
) -> None:
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright

    _, client = dashboard.open_existing(None, runs_of_three_arms)
    found = dashboard.newest(client)
    first = next(r for r in found.runs if client.get_run(r).info.run_name == "online-s000")
    base = next(line.strip() for line in served if line.startswith("  http")).partition("/#")[0]
    link = f"{base}/#/experiments/{found.experiment}/runs/{first}/artifacts/report/report.html"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.goto(link)
        answer = page.frame_locator("iframe").locator(".answer")
        answer.wait_for(timeout=180_000)
        said = answer.inner_text()
        page.wait_for_timeout(2000)
        kept = os.environ.get("HTMRUN_SCREENSHOTS", str(tmp_path))
        page.screenshot(path=Path(kept) / "dashboard-report.png")
        browser.close()
    assert "has the best mean accuracy" in said
    assert "4 seeds cannot decide that: nothing is tested below 6" in said


def _drawn(chart: object, deadline: float) -> set[str]:
    """Return the colours in which lines with points are drawn in the chart, once there are any."""
    script = """plot => [...plot.querySelectorAll('.scatterlayer .trace path.js-line')]
                          .map(line => getComputedStyle(line))
                          .filter(look => look.strokeOpacity !== '0')  // Edges of bands.
                          .map(look => look.stroke)"""
    found: set[str] = set()
    while time.monotonic() < deadline and len(found) < 4:
        strokes = chart.evaluate(script)  # type: ignore[attr-defined]
        numbers = (re.findall(r"[\d.]+", stroke) for stroke in strokes)
        found = {f"#{int(r):02X}{int(g):02X}{int(b):02X}" for r, g, b, *a in numbers if a != ["0"]}
        time.sleep(0.3)
    return found
