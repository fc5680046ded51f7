"""The rooms of `htmrun`: no module needs itself, and nothing heavy is imported too early.

The floors stand in pyproject.toml, where import-linter reads them.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest


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
