"""The site: built without a warning, the same as on GitHub, complete, and readable offline."""

from __future__ import annotations

import html
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt
from site_pages import experiments, fields, github, library, pictures

import htmrun
from htmrun.config.compose import load
from htmrun.paths import CONF
from tests.helpers.pages import ROOT, pages

CHROMIUM = shutil.which("chromium")
DOCS = [p.relative_to(ROOT / "docs") for p in pages() if p.is_relative_to(ROOT / "docs")]
COUNTED = ("h1", "h2", "h3", "h4", "li", "tr", "td", "pre", "a", "code", "strong", "em")

pytestmark = pytest.mark.xdist_group("site")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make site` builds it: a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    told = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


def article(site: Path, page: str) -> str:
    """Return the HTML of a page's own text, without what the theme adds to it."""
    text = (site / page).read_text(encoding="utf-8")
    found = re.search(r'<article class="md-content__inner md-typeset">(.*?)</article>', text, re.S)
    assert found is not None, page
    added = r'<a class="(?:headerlink|md-content__button|md-top).*?</a>|<a id="__codeline[^>]*></a>'
    return re.sub(added, "", found[1], flags=re.S)


def counts(text: str) -> dict[str, int]:
    return {tag: len(re.findall(rf"<{tag}[ >]", text)) for tag in COUNTED}


def test_pages_show_what_they_show_on_github(site: Path) -> None:
    """An independent CommonMark parser finds as many lists, tables, links and code on each page."""
    reader = MarkdownIt("commonmark").enable("table")
    for page in DOCS:
        name = "index.html" if page.name == "README.md" else page.with_suffix(".html").as_posix()
        there = reader.render((ROOT / "docs" / page).read_text(encoding="utf-8"))
        assert counts(article(site, name)) == counts(there), page


def test_lists_and_tables_after_a_paragraph_are_set_apart_and_nothing_else_is() -> None:
    text = (
        "so:\n- a\n  b\n- c\nd\n\n| x |\n| - |\nof\n1. one\n\nabout\n890. Run\n```\nt:\n- u\n```\n"
    )
    told = text.replace("so:\n", "so:\n\n", 1)
    assert github.as_python_markdown(text) == told


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r'<(?:script|link|img|iframe)[^>]*?(?:src|href)="?(https?:[^" >]+)')
    found = {p.name: loaded.findall(p.read_text(encoding="utf-8")) for p in site.rglob("*.html")}
    assert len(found) > 60
    assert {name: places for name, places in found.items() if places} == {}
    for style in (site / "assets").rglob("*.css"):
        assert not re.search(r"url\(['\"]?https?:", style.read_text(encoding="utf-8")), style


def test_each_experiment_has_a_page_that_begins_with_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = {path.stem for path in (CONF / "experiment").glob("*.yaml")}
    made = experiments.pages()
    assert set(made) == {f"experiments/{name}.md" for name in (*shipped, "index")}
    monkeypatch.chdir(tmp_path)
    Path("my.csv").write_text("value\n1\n2\n3\n")
    for one in experiments.found():
        name = one.entry.name
        text = made[f"experiments/{name}.md"][1]
        begins = re.match(rf"# {name}\n\n```sh\n(htmrun train .*)\n", text)
        assert begins is not None, name
        words = shlex.split(begins[1])[2:]
        assert words[0] == f"experiment={name}"
        # It composes without more (`found` did that), but for one that is nothing without a file.
        assert words[1:] == (["data.path=my.csv"] if name == "csv" else [])
        for arm in (*one.experiment.arm, *one.experiment.control):
            assert text.count(f"\n| `{arm}` |") == 1, (name, arm)
    assert load(["experiment=csv", "data.path=my.csv"]).experiment.data.path == "my.csv"


def test_each_field_of_the_configuration_files_stands_on_a_page() -> None:
    told = "\n".join(text for _, text in fields.pages().values())
    named = set(re.findall(r"<code>([\w.]+)</code>", told))
    parts = {part for name in named for part in name.split(".")}
    missing = set()
    for path in CONF.rglob("*.yaml"):
        if path.parent.name in ("data", "encoder", "sp", "tm", "classifier", "anomaly", "sweep"):
            keys = {str(key) for key in yaml.safe_load(path.read_text(encoding="utf-8")) or {}}
            missing |= {f"{path.name}: {key}" for key in keys - parts - {"defaults"}}
    assert missing == set()
    assert {"tracking.uri", "cluster.cpus", "arm.NAME.learn_every", "seeds"} <= named


def test_the_library_page_has_every_public_name(site: Path) -> None:
    public = set(htmrun.__all__) - {"__version__"}
    grouped = [name for names in library.groups().values() for name in names]
    assert sorted(grouped) == sorted(public)
    text = (site / "library/index.html").read_text(encoding="utf-8")
    shown = {name.rpartition(".")[2] for name in re.findall(r'<h3 id="(htmrun\.[\w.]+)"', text)}
    assert public - shown == set()
    about = html.unescape(re.sub(r"<[^>]+>", "", text))
    assert " ".join(str(htmrun.run.__doc__).split("\n\n")[0].split()) in " ".join(about.split())


def test_the_pictures_are_what_the_code_draws_and_the_code_draws_the_rules() -> None:
    for name, draw in pictures.DRAWN.items():
        committed = (pictures.IMAGES / name).read_text(encoding="utf-8")
        assert draw().text() == committed, f"{name}: run python -m site_pages.pictures"
    # Two epochs of twelve samples, by hand.
    commits = {"online": [*range(24)], "epoch_boost": [*range(24)],
               "minibatch": [4, 9, 11, 16, 21, 23], "growing": [0, 2, 6, 11, 19, 23]}  # fmt: skip
    for arm, schedule in pictures.ARMS.items():
        plan = pictures.plan_of(schedule, 24, 12)
        assert plan.commit.nonzero()[0].tolist() == commits[arm]
        boosts = [11, 23] if arm == "epoch_boost" else commits[arm]
        assert plan.boost.nonzero()[0].tolist() == boosts
    seen = pictures.observed()
    boost = seen["epoch_boost"][1]
    assert set((boost[1:] != boost[:-1]).nonzero()[0] + 1) <= {39, 79, 119}
    permanence = seen["minibatch"][0]
    assert {(s + 1) % 10 for s in (permanence[1:] != permanence[:-1]).nonzero()[0] + 1} == {0}


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_search_works_from_files_and_no_page_is_wider_than_a_phone(site: Path) -> None:
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright

    shown = ("index", "guides/start", "guides/regimes", "experiments/digits", "fields/encoder")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 400, "height": 800}, color_scheme="dark")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for name in shown:
            page.goto(f"file://{site}/{name}.html")
            assert page.evaluate("document.documentElement.scrollWidth") <= 400, name
        page.set_viewport_size({"width": 1280, "height": 800})
        page.keyboard.press("/")
        page.keyboard.type("learn_every")
        first = page.locator(".md-search-result__link").first
        first.wait_for(timeout=30_000)
        told = page.locator(".md-search-result__list").inner_text()
        browser.close()
    assert "What the regimes mean" in told
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:", "about:"))] == []
