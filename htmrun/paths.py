"""Where files lie that ship with htmrun, inside the wheel or beside the package, or with others."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def _shipped(name: str) -> Path:
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name


ENTRY_POINTS = "htmrun.kinds"
"""Installed packages name the modules with their kinds in this group."""
CONF = _shipped("conf")
KERNELS = _shipped("kernels")


@cache
def conf_of_packages() -> tuple[Path, ...]:
    """Return the folders `conf` of installed packages with kinds; imports none of these."""
    from importlib import metadata, util

    named = metadata.entry_points(group=ENTRY_POINTS)
    specs = [util.find_spec(top) for top in sorted({e.module.partition(".")[0] for e in named})]
    places = [p for spec in specs if spec for p in spec.submodule_search_locations or ()]
    return tuple(folder for place in places if (folder := Path(place, "conf")).is_dir())


def cache_directory() -> Path:
    """Return $XDG_CACHE_HOME/htmrun, or ~/.cache/htmrun where that is not set."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "htmrun"
