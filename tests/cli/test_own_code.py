"""Kinds of one's own: `--import`, installed packages, and runs that say whose code they need."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from htmrun.cli import main
from htmrun.components import foreign, registry
from htmrun.errors import UserError
from htmrun.tracking.stored import read_run
from tests.helpers.own_code import fresh_registry, write_own, write_package

Capsys = pytest.CaptureFixture[str]
IMPORT = ("--import", "rings")
RINGS = ("--config-dir", "conf", "experiment=rings")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with the module `rings`, and a registry that is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    write_own(tmp_path)
    with fresh_registry():
        yield tmp_path


def error_of(capsys: Capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    found = capsys.readouterr().err
    assert found.count("\n") == 1
    return found.removeprefix("error: ").rstrip()


def test_a_run_with_ones_own_source_says_whose_code_it_needs(here: Path, capsys: Capsys) -> None:
    """Two worker processes have the module, too."""
    with fresh_registry():
        assert main(["train", *IMPORT, *RINGS, "seeds=[0,1]", "workers=2"]) == 0
    run = read_run(None, None, "runs")
    assert len(run.finished) == 2
    version = run.tags["htmrun.kinds.rings"]
    assert re.fullmatch(r"sha256:[0-9a-f]{16}", version)
    assert "rings" not in str(run.resolved["data"]), "the configuration names no module"
    when = f"as when {run.run} was recorded"
    missing = f"kinds: rings is not here, expected --import rings {when}"
    assert error_of(capsys, "rerun") == missing
    assert error_of(capsys, "resume") == missing
    assert error_of(capsys, "export", run.run, "folder") == missing
    with fresh_registry():
        assert main(["rerun", *IMPORT]) == 0
        assert main(["export", run.run, "folder", *IMPORT]) == 0
    assert error_of(capsys, "rerun", "folder") == missing
    (here / "rings.py").write_text((here / "rings.py").read_text() + "# another\n")
    with fresh_registry():
        other = f"kinds: the module rings is another here, expected the same {when}"
        assert error_of(capsys, "rerun", *IMPORT) == other


MEASURE = """
from htmrun import Measure
from htmrun.training.measures.measure import Found, Metric


@register("measure")
class Commits(Measure):
    metrics = (Metric("ring/commits", "learning", "down", "how often it was learned"),)

    def finish(self, run):
        return Found({"ring/commits": run.commits + run.job.seed})
"""


def test_only_the_module_knows_which_way_its_metric_is_better(here: Path, capsys: Capsys) -> None:
    module = here / "rings.py"
    module.write_text(module.read_text() + MEASURE)
    arms = ("seeds=[0,1,2,3,4,5]", "workers=1", "arm=[online,minibatch]")
    with fresh_registry():
        assert main(["train", *IMPORT, *RINGS, *arms]) == 0
    told = {}
    for options in ((), IMPORT):
        capsys.readouterr()
        with fresh_registry():
            assert main(["compare", "-m", "ring/commits", *options]) == 0
        told[options] = capsys.readouterr().out
    assert "best" not in told[()]
    assert told[IMPORT].startswith("minibatch is best in ring/commits: ")


def test_no_configuration_imports_a_module(here: Path, capsys: Capsys) -> None:
    path = here / "conf" / "experiment" / "rings.yaml"
    path.write_text(path.read_text() + "import: [rings]\n")
    assert main(["train", *RINGS]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: import: unknown field")
    assert second.startswith("error: data.kind: found 'ring', expected one of ")
    assert "rings" not in sys.modules


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named"),
        ("def f(:", "SyntaxError: "),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_broken_module_is_one_line(here: Path, capsys: Capsys, text: str, reason: str) -> None:
    (here / "rings.py").write_text(text)
    found = error_of(capsys, "show", *IMPORT)
    assert found.startswith(f"--import: 'rings' cannot be imported ({reason}")
    assert found.endswith("expected a module that defines kinds")


@pytest.fixture
def installed(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where packages are found that somebody has installed."""
    folder = here / "site"
    write_package(folder, "ring-kinds", "1.2", "ring_kinds")
    write_own(folder / "ring_kinds", "__init__")
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_an_installed_package_brings_kinds_and_groups(installed: Path, capsys: Capsys) -> None:
    """Its folder `conf` is searched, and it is not even imported where nothing is composed."""
    assert main(["show"]) == 0
    assert "rings" in capsys.readouterr().out
    assert "ring_kinds" not in sys.modules
    assert main(["train", "experiment=rings", "workers=1"]) == 0
    run = read_run(None, None, "runs")
    assert run.tags["htmrun.kinds.ring-kinds"] == "1.2"
    assert main(["doctor"]) == 0
    assert re.search(r"own kinds +ring-kinds 1\.2: source ring", capsys.readouterr().out)
    assert main(["rerun"]) == 0


@pytest.mark.parametrize("change", ["removed", "another version"])
def test_a_package_that_a_run_needs_is_named(here: Path, change: str) -> None:
    tags = {"htmrun.kinds.ring-kinds": "1.2", "htmrun.data": "ring"}
    if change != "removed":
        write_package(here / "site", "ring-kinds", "1.3", "ring_kinds")
        write_own(here / "site" / "ring_kinds", "__init__")
        sys.path.insert(0, str(here / "site"))
    lack = "is not installed" if change == "removed" else "is 1.3 here"
    line = f"kinds: ring-kinds {lack}, expected 1.2 as when it was recorded"
    with pytest.raises(UserError) as error:
        foreign.must_have(tags, "as when it was recorded")
    assert str(error.value) == line


def test_a_broken_package_is_named_in_one_line(installed: Path, capsys: Capsys) -> None:
    (installed / "ring_kinds" / "__init__.py").write_text("import nowhere_to_be_found")
    assert error_of(capsys, "train", "experiment=digits", "--dry-run") == (
        "htmrun.kinds: 'own' of ring-kinds 1.2 cannot be imported (ModuleNotFoundError: No module "
        "named 'nowhere_to_be_found'), expected a module that defines kinds"
    )
    registry._done.discard(registry.ENTRY_POINTS)
    assert main(["doctor"]) == 0
    assert "'own' of ring-kinds 1.2 cannot be" in " ".join(capsys.readouterr().out.split())
    assert main(["--help"]) == 0


def test_a_name_that_is_taken_is_refused_with_both_origins(installed: Path, capsys: Capsys) -> None:
    module = installed / "ring_kinds" / "__init__.py"
    module.write_text(module.read_text().replace('"ring"', '"digits"'))
    assert error_of(capsys, "train", "experiment=digits", "--dry-run") == (
        "htmrun.kinds: found source 'digits' in htmrun and in ring-kinds 1.2, expected one"
    )


def test_code_travels_to_a_worker_that_lacks_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fresh_registry():
        registry.load(["rings"])
        code = foreign.Code.here()
        assert [*code.modules] == ["rings"]
        assert [*code.needed] == ["htmrun.kinds.rings"]
    shutil.move(here / "rings.py", here / "away.py")
    with fresh_registry():
        code.load()
        assert "ring" in registry.kinds("source")
    (here / "rings.py").write_text((here / "away.py").read_text() + "# another\n")
    monkeypatch.syspath_prepend(str(here))
    with fresh_registry(), pytest.raises(UserError, match="the module rings is another here"):
        code.load()
    with fresh_registry(), pytest.raises(UserError, match=r"far is not installed, expected 2\.0"):
        foreign.Code({"htmrun.kinds.far": "2.0"}, {}).load()
