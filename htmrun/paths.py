"""Where the files that ship with htmrun lie: inside the wheel, or beside the package."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def _shipped(name: str) -> Path:
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name


CONF = _shipped("conf")
KERNELS = _shipped("kernels")


def cache_directory() -> Path:
    """Return $XDG_CACHE_HOME/htmrun, or ~/.cache/htmrun where that is not set."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "htmrun"
