"""Where studies are kept: a journal file, or a database that many machines reach."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htmrun._imports import optuna, sqlalchemy
from htmrun.config.store_uri import hide_password
from htmrun.errors import UserError
from htmrun.tracking.lines import append_whole

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

_ATTEMPTS = 6

_DATABASES = ("postgresql", "mysql", "sqlite")


def open_storage(where: str) -> BaseStorage:
    """Return the storage at `where`: a database's URL or the path of a journal file.

    Raises UserError when it cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if "://" not in where:
        return _journal(Path(where))
    if where.partition("://")[0].partition("+")[0] not in _DATABASES:
        raise UserError(
            f"sweep.storage: found '{hide_password(where)}', expected null, a file, "
            "postgresql://..., mysql://... or sqlite:///FILE"
        )
    try:
        return _database(where)
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, OSError) as error:
        text = hide_password(" ".join(str(error).split()))[:300]
        raise UserError(f"sweep.storage: cannot use {hide_password(where)}: {text}") from error


def _database(where: str) -> BaseStorage:
    """Open a database; where several workers create its tables at once, all but one must wait."""
    for _ in range(_ATTEMPTS):
        try:
            return optuna.storages.RDBStorage(where)
        except (sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError):
            time.sleep(0.5)
    return optuna.storages.RDBStorage(where)


def _journal(path: Path) -> BaseStorage:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not _is_journal(path):
            raise UserError(
                f"sweep.storage: found {path}, which is no journal of a study, expected one or a "
                "file that does not exist yet"
            )
        journal: Any = _Journal(path.absolute())
        return optuna.storages.JournalStorage(journal)
    except OSError as error:
        raise UserError(
            f"sweep.storage: cannot keep the study in {path} ({error.strerror or error})"
        ) from None


class _JournalLock:
    """Optuna's interface of a lock: on the journal itself, let go of by the kernel."""

    def __init__(self, path: Path) -> None:
        self._path, self._descriptor = path, -1

    def acquire(self) -> bool:
        """Wait until nobody else writes."""
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Let others write."""
        os.close(self._descriptor)


class _Journal:
    """Optuna's journal in a file, whose records are written whole or not at all."""

    def __init__(self, path: Path) -> None:
        # Optuna's own lock stays behind when its process is killed, and holds others up.
        self._path, self._lock = path, _JournalLock(path)
        backend: Any = optuna.storages.journal.JournalFileBackend
        self.read_logs = backend(str(path), self._lock).read_logs

    def append_logs(self, logs: Sequence[Mapping[str, Any]]) -> None:
        """Append records; raises OSError, and leaves what was there."""
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        self._lock.acquire()
        try:
            append_whole(self._path, text.encode())
        finally:
            self._lock.release()


def _is_journal(path: Path) -> bool:
    if not path.is_file() or not os.access(path, os.R_OK | os.W_OK):
        return False
    with path.open("rb") as file:
        first = file.read(12)
    return first == b"" or first.startswith(b'{"op_code"')
