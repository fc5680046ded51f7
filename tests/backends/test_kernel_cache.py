"""Compiled kernels are kept by the state of all sources, so that none can be stale."""

from __future__ import annotations

import shutil
from pathlib import Path

from htmrun.backends.cpu.common import cache
from htmrun.backends.cpu.pooler import kernel


def test_a_change_in_any_source_changes_the_folder(tmp_path, monkeypatch):
    sources = tmp_path / "cpu"
    shutil.copytree(
        Path(cache.__file__).parents[1], sources, ignore=shutil.ignore_patterns("__py*")
    )
    monkeypatch.setattr(cache, "_SOURCES", (sources,))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    before = cache.kernel_cache()
    assert before.parent == tmp_path / "kernels"
    assert cache.kernel_cache() == before
    with (sources / "pooler" / "learning.py").open("a") as file:
        file.write("# changed\n")
    assert cache.kernel_cache() != before


def test_kernels_really_lie_there_and_others_keep_their_place():
    from numba.core import config

    assert str(cache.kernel_cache()) in kernel.run_chunk.stats.cache_path
    assert str(cache.kernel_cache()) != config.CACHE_DIR
