"""Temporary folders, which the next process removes where their own could not.

A lock in each, which the kernel takes away with its process, says that somebody needs it.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOCK = ".lock"


@contextmanager
def scratch(parent: Path | None = None, prefix: str = "htmrun-") -> Iterator[Path]:
    """Yield a new folder in `parent` (None: where the system has such), removed in the end."""
    parent = Path(tempfile.gettempdir()) if parent is None else parent
    remove_abandoned(parent, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        with (folder / "new").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Under its name it is held already: nobody finds it free.
            (folder / "new").rename(folder / _LOCK)
            yield folder
    finally:
        _remove(folder)


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Remove the folders in `parent` whose process died, as far as that is allowed."""
    for path in parent.glob(f"{prefix}*/{_LOCK}"):
        try:
            with path.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(path.parent)
        except OSError:  # In use, gone meanwhile, or another user's.
            continue


def _remove(folder: Path) -> None:
    """Remove a folder, its lock last: cut off in the middle, the rest is found by it."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _LOCK:
                path.unlink()
    shutil.rmtree(folder, ignore_errors=True)
