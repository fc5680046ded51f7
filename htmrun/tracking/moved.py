"""A folder of runs that was moved or copied: what lies beside its database belongs to it.

MLflow keeps where artifacts lie as absolute addresses, in the database. Opened at another place it
would read them, and write new ones, where it once was. So whoever opens it first puts them right:
in the database itself, or, where nothing can be written, in a copy for the time that a command
takes.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlparse

ARTIFACTS = "artifacts"


def bring_home(database: Path, folder: Path | None = None) -> int:
    """Let experiments keep their artifacts in `folder` (None: the database's); return how many did.

    Only of those whose artifacts lie there, or that have lost theirs: artifacts may be kept
    elsewhere on purpose. A file that is no database of MLflow's is left for MLflow to complain.
    """
    home = (folder or database.parent).resolve()
    try:
        with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
            rows = connection.execute("SELECT experiment_id, artifact_location FROM experiments")
            strays = [(i, old, new) for i, old in rows.fetchall() if (new := _at(home, old or ""))]
            for experiment, old, new in strays:
                _move(connection, experiment, old, new)
            return len(strays)
    except sqlite3.Error:
        return 0


def _at(home: Path, location: str) -> str:
    """Return where the artifacts of an experiment lie at home; "" where they need not move."""
    place = urlparse(location)
    was = Path(unquote(place.path))
    if place.scheme not in ("", "file") or was.parent.name != ARTIFACTS:
        return ""
    here = home / ARTIFACTS / was.name
    if here == was or not (here.is_dir() or (here.parent.is_dir() and not was.exists())):
        return ""
    return here.as_uri()


def _move(connection: sqlite3.Connection, experiment: int, old: str, new: str) -> None:
    connection.execute(
        "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (new, experiment)
    )
    connection.execute(
        "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) "
        "WHERE experiment_id = ? AND substr(artifact_uri, 1, ?) = ?",
        (new, len(old) + 1, experiment, len(old) + 1, f"{old}/"),
    )


def writable(database: Path) -> bool:
    """Return whether the database and what SQLite keeps beside it can be written."""
    return os.access(database, os.W_OK) and os.access(database.parent, os.W_OK)


def readable_copy(database: Path) -> Path:
    """Return a copy of a database on read-only media, whose artifacts are those beside the first.

    It is removed when the process ends.
    """
    folder = Path(tempfile.mkdtemp(prefix="htmrun-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for path in (database, database.with_name(f"{database.name}-wal")):
        if path.exists():
            (folder / path.name).write_bytes(path.read_bytes())
    copy = folder / database.name
    bring_home(copy, database.parent)
    return copy
