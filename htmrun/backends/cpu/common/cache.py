"""Where compiled kernels are kept: a folder named after the sources they were made from.

numba looks only at the file of the function itself when it decides whether a kernel on disk
is still right, not at the files that the function calls into. After an update it could load
a stale kernel, silently. A folder per state of the sources cannot hold one.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from htmrun.paths import cache_directory

_SOURCES = (Path(__file__).parents[1], Path(__file__).parents[2] / "fixed_point.py")


def kernel_cache() -> Path:
    """Return the folder for kernels of these sources, this Python and this numba.

    It lies in NUMBA_CACHE_DIR if that is set, otherwise in the user's cache.
    """
    import numba

    digest = hashlib.sha256(f"{numba.__version__} {platform.python_version()}".encode())
    for source in _SOURCES:
        for file in sorted(source.rglob("*.py")) if source.is_dir() else [source]:
            digest.update(file.read_bytes())
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    base = Path(chosen) if chosen else cache_directory() / "kernels"
    return base / digest.hexdigest()[:16]


@contextmanager
def kernels_kept_by_source() -> Iterator[None]:
    """Let functions that are decorated inside keep their machine code in `kernel_cache()`."""
    from numba.core import config

    # numba chooses the place when a function is decorated; other users of numba keep theirs.
    before = config.CACHE_DIR  # type: ignore[attr-defined]
    config.CACHE_DIR = str(kernel_cache())  # type: ignore[attr-defined]
    try:
        yield
    finally:
        config.CACHE_DIR = before  # type: ignore[attr-defined]
