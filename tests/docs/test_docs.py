"""The documentation does what it says: code runs, files are valid, commands work, links lead on."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import htmrun
from htmrun.cli import main
from htmrun.config.compose import is_file, load
from htmrun.execution.quota import Quota
from htmrun.tracking.forecasts import ForecastFiles
from htmrun.training.records import Finished, Job
from tests.helpers.own_code import fresh_registry
from tests.helpers.pages import (
    ROOT,
    Block,
    Command,
    anchors,
    blocks,
    commands,
    links,
    mentioned,
    pages,
)
from tests.helpers.synthetic import RUN, tracker

WRITTEN = ("yaml", "csv")
RUNNABLE = (
    "train", "sweep", "show", "compare", "series", "runs", "clean", "dashboard", "doctor",
)  # fmt: skip


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else page.name


LIBRARY = ROOT / "docs" / "guides" / "library.md"
GUIDES = [page for page in pages() if any(b.language == "python" for b in blocks(page))]
COMMANDED = [page for page in pages() if any(commands(block) for block in blocks(page))]


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        if "://" in target or target.startswith("mailto:"):
            continue
        place, _, anchor = target.partition("#")
        found = (page.parent / place).resolve() if place else page
        assert found.exists(), f"{name_of(page)}: {target} does not exist"
        assert found.is_relative_to(ROOT), f"{name_of(page)}: {target} leaves the repository"
        if anchor and found.suffix == ".md":
            assert anchor in anchors(found), f"{name_of(page)}: {target} has no such heading"


def test_no_page_of_the_documentation_is_left_out_of_its_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / target.partition("#")[0]).resolve() for target in links(index)}
    missing = [p for p in pages() if p.is_relative_to(ROOT / "docs") and p != index]
    assert [name_of(page) for page in missing if page.resolve() not in linked] == []


@pytest.mark.parametrize("page", [page for page in GUIDES if page != LIBRARY], ids=name_of)
def test_python_code_runs_as_it_stands(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_python(page, {"__name__": "docs"})


@pytest.mark.parametrize("block", [b for b in blocks(LIBRARY) if b.language == "python"])
def test_each_block_of_the_library_guide_runs_alone_from_public_names(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= {"htmrun", "numpy", "torch"}
        if isinstance(node, ast.ImportFrom):
            assert node.module == "htmrun"
            assert {alias.name for alias in node.names} <= set(htmrun.__all__)
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(block.text, f"{LIBRARY.name}:{block.line}", "exec"), {"__name__": "docs"})


def test_the_library_guide_names_everything_that_is_public() -> None:
    text = LIBRARY.read_text(encoding="utf-8")
    assert [n for n in htmrun.__all__ if f"`{n}`" not in text and n != "__version__"] == []


@pytest.mark.parametrize("page", COMMANDED, ids=name_of)
def test_commands_do_what_the_page_says(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    served: list[tuple[Any, ...]] = []
    monkeypatch.setattr("htmrun.tracking.dashboard.serve", lambda *a: served.append(a))
    # A sweep is composed and validated; its trials would take minutes.
    monkeypatch.setattr("htmrun.sweep.session.run_sweep", lambda *_, **__: 0)
    if any(b.language == "python" for b in blocks(page)) and page.stem == "own-data":
        run_python(page, {"__name__": "docs"})
    write_files(page)
    capsys.readouterr()
    # A page may bring kinds of its own, which other tests are not to meet.
    with fresh_registry():
        for command in (command for block in blocks(page) for command in commands(block)):
            try_out(command, f"{name_of(page)}:{command.line}", capsys)


@pytest.mark.parametrize("page", [page for page in pages() if mentioned(page)], ids=name_of)
def test_train_commands_that_are_only_mentioned_are_valid(page: Path) -> None:
    """Their data need not be there: the configuration is composed and validated."""
    for words in mentioned(page):
        places = [n + 1 for n, word in enumerate(words) if word == "--on"]
        overrides = [w for n, w in enumerate(words) if not w.startswith("-") and n not in places]
        if overrides and not any(map(is_file, overrides)):
            load(overrides, look=False)


def run_python(page: Path, names: dict[str, Any]) -> None:
    """Run the page's Python blocks one after the other, as one program."""
    with contextlib.redirect_stdout(io.StringIO()):
        for block in blocks(page):
            if block.language == "python":
                # Empty lines keep the line numbers of a traceback those of the page.
                code = "\n" * block.line + block.text
                exec(compile(code, name_of(page), "exec"), names)


def write_files(page: Path) -> None:
    """Write the blocks that are files; YAML and CSV without a name would be tested by nothing."""
    for block in blocks(page):
        if block.file is not None:
            path = Path(block.file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        else:
            assert block.language not in WRITTEN, f"{name_of(page)}:{block.line}: needs a file name"


def try_out(command: Command, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run a command as cheaply as its promise can be tested: training only as a dry run."""
    words = list(command.words)
    assert words[:1] == [] or words[0].startswith("-") or words[0] in RUNNABLE, place
    if words[:1] == ["train"] and len(words) > 1:
        words.append("--dry-run")
    if words[:1] in (["compare"], ["series"], ["runs"], ["clean"]) and not Path("runs").exists():
        finished_run()
        capsys.readouterr()
    if words[:2] in (["compare", "RUN"], ["series", "RUN"]):
        words[1] = RUN[:12]
    status = main(words)
    captured = capsys.readouterr()
    errors = captured.err.replace(f"{Path.cwd()}/", "").splitlines()
    if command.errors is None:
        assert status == 0, f"{place}: {captured.err}"
        assert "error" not in captured.err, place
    else:
        assert (status, errors) == (2, list(command.errors)), place


def finished_run() -> None:
    """Leave a finished experiment run in ./runs, for commands that read one."""
    files = ForecastFiles(Quota("tracking.forecasts_mb", "forecasts", 1e6))
    said = {"value": np.arange(10.0), "forecast_1": np.arange(10.0) + 1}
    with tracker(Path("runs"), forecasts=files.write) as kept:
        for arm in ("online", "minibatch", "persistence"):
            figures = {"accuracy": 0.9, "nll": 0.1, "churn": 0.0, "samples": 10.0}
            job = Job(arm, 0, control=arm == "persistence")
            kept.handle(Finished(job, figures, "hash", 1.0, forecasts=said))


def test_the_tests_above_can_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```sh\nhtmrun train experiment=digits sp.colums=1  # a typo\n```\n"
        "```console\n$ htmrun train experiment=digits epochs=0\nerror: something else\n```\n",
        encoding="utf-8",
    )
    shell, console = (commands(block)[0] for block in blocks(page))
    assert shell.words == ("train", "experiment=digits", "sp.colums=1")
    assert console.errors == ("error: something else",)
    for command in (shell, console):
        with pytest.raises(AssertionError, match=r"page\.md:"):
            try_out(command, "page.md:1", capsys)
    page.write_text("```yaml\nname: x\n```\n[there](nowhere.md)\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="needs a file name"):
        write_files(page)
    with pytest.raises(AssertionError, match=r"nowhere\.md does not exist"):
        test_relative_links_lead_somewhere(page)


def test_contributing_says_where_things_are() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## Where things live")[2].partition("\n## ")[0]
    for line in section.splitlines():
        folder = None
        for name in re.findall(r"`([\w/.]+(?:/|\.\w+))`", line):
            places = [ROOT / name, ROOT / "htmrun" / name]
            places += [] if folder is None else [folder / name]
            found = next((place for place in places if place.exists()), None)
            assert found is not None, f"{name}: {line}"
            folder = found if found.is_dir() else found.parent


def test_the_guides_have_what_the_tests_look_for() -> None:
    guides = {page.stem for page in pages() if page.parent.name == "guides"}
    assert {"own-data", "experiments", "regimes", "results", "library"} <= guides
    assert {"own-data", "library"} <= {page.stem for page in GUIDES}
    assert sum(len(commands(b)) for page in COMMANDED for b in blocks(page)) > 40
    experiments = ROOT / "docs" / "guides" / "experiments.md"
    assert sum(b.language == "yaml" for b in blocks(experiments)) >= 4
