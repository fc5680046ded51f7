"""The rooms of `htmrun`: no module needs itself, and nothing heavy is imported too early.

The floors stand in pyproject.toml, where import-linter reads them.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

from tests.helpers.pages import ROOT

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def circle(package: str) -> list[str]:
    """Return modules that import each other in a circle, those inside functions included."""
    graph = grimp.build_graph(package, exclude_type_checking_imports=True, cache_dir=None)
    edges = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle("htmrun") == []


def test_a_circle_that_a_function_hides_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "round_about"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "here.py").write_text("from round_about import there\n")
    (package / "there.py").write_text("def late():\n    from round_about.here import there\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert set(circle("round_about")) == {"round_about.here", "round_about.there"}


EXTRAS = {"cupy", "pynvml", "ray"}
LATE = {
    # numba chooses where to keep machine code when it is imported and decorates.
    "htmrun/backends/cpu/common/cache.py", "htmrun/execution/places.py",
    # Their classes derive from those of torch and Optuna.
    "htmrun/components/networks/readout.py", "htmrun/training/measures/network_layers.py",
    "htmrun/sweep/samplers.py",
    # It travels to another machine and imports what is there.
    "htmrun/execution/ray_nodes.py",
    # Every command imports it; the standard library's part is used by few.
    "htmrun/paths.py",
}  # fmt: skip
"""Files whose functions import something; commands (`htmrun/cli/*.py`) do so for `--help`."""


def test_functions_import_nothing_but_what_must_come_late() -> None:
    found = set()
    for path in (ROOT / "htmrun").rglob("*.py"):
        name = path.relative_to(ROOT)
        functions = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, FUNCTIONS))
        for node in (inside for function in functions for inside in ast.walk(function)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = node.names[0].name if isinstance(node, ast.Import) else str(node.module)
                if module.partition(".")[0] not in EXTRAS and name.parts[1:-1] != ("cli",):
                    found.add(name.as_posix())
    assert found == LATE


def test_at_most_eleven_rooms_and_six_loose_files() -> None:
    names = [p for p in (ROOT / "htmrun").iterdir() if p.name not in ("__pycache__", "py.typed")]
    rooms = [path for path in names if path.is_dir()]
    assert len(rooms) <= 11
    assert len(names) - len(rooms) <= 6
    for room in rooms:
        text = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
        assert "." in text, f"{room.name}: its first sentence says what belongs in it"
