"""The script that draws charts is put together once."""

from __future__ import annotations

from pathlib import Path

import pytest
import vl_convert

from htmrun.compare.report.vega import vega_bundle


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "htmrun"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the scripts put together meanwhile; each is another."""
    found: list[str] = []

    def put_together() -> str:
        found.append(f"script {len(found)}\nof two lines")
        return found[-1]

    monkeypatch.setattr(vl_convert, "javascript_bundle", put_together)
    return found


def test_the_second_page_takes_the_script_of_the_first(made: list[str]) -> None:
    assert [vega_bundle(), vega_bundle()] == ["script 0\nof two lines"] * 2


def test_a_script_that_is_not_whole_is_made_again(made: list[str], cache: Path) -> None:
    vega_bundle()
    (kept,) = cache.iterdir()
    kept.write_text(kept.read_text()[:-1])
    assert vega_bundle() == "script 1\nof two lines"
    assert vega_bundle() == "script 1\nof two lines"


def test_a_cache_that_cannot_be_written_costs_only_time(made: list[str], cache: Path) -> None:
    cache.write_text("no folder")
    assert [vega_bundle(), vega_bundle()] == made
    assert len(made) == 2
