"""The SQLite database that runs are kept in by default, and MLflow's client on it."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil

from htmrun._imports import mlflow
from htmrun.errors import UserError
from htmrun.tracking.scratch import remove_abandoned, scratch

_LOCAL = frozenset(
    ("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "overlay", "apfs", "hfs")
)

_DEFAULTS = {
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A server that goes away must not hold up the run for minutes: the outbox takes over.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


def sqlite_file(uri: str) -> Path | None:
    """Return the database file of a SQLite URI, None for every other URI."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def mlflow_client(uri: str) -> Any:
    """Return an `MlflowClient` of `uri`, with MLflow's chatter and long retries turned off.

    The environment variables are defaults: what the user has set stays.
    """
    set_defaults()
    for logger in ("mlflow", "alembic"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    # They print a traceback of what is raised anyway, and told in one line.
    for logger in ("mlflow.store.db.utils", "sqlalchemy.pool"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    # It keeps where a run's artifacts lie by the run's id alone, which a copy of a folder shares.
    kept = getattr(mlflow.tracking._tracking_service.utils, "_artifact_repos_cache", {})
    kept.clear()
    return mlflow.MlflowClient(tracking_uri=uri)


def set_defaults() -> None:
    """Set variables of MLflow's that the user has not set; UserError for one of his it cannot read.

    MLflow is imported only where there is one of his.
    """
    own = any(name.startswith("MLFLOW_") and name not in _DEFAULTS for name in os.environ)
    own = own or any(os.environ.get(name, value) != value for name, value in _DEFAULTS.items())
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    if own:
        _check_variables()


def _check_variables() -> None:
    """Raise UserError for a variable of MLflow's that it could not read when it needs it."""
    for variable in vars(import_module("mlflow.environment_variables")).values():
        if str(getattr(variable, "name", "")).startswith("MLFLOW_") and variable.is_set():
            try:
                variable.get()
            except Exception:
                raise UserError(
                    f"{variable.name}: found '{variable.get_raw()}' in the environment, expected "
                    f"{_VALUES.get(variable.type, 'another value')}"
                ) from None


_VALUES = {int: "an integer", float: "a number", bool: "true or false"}


def prepare_database(uri: str, notice: Callable[[str], None]) -> None:
    """Create the SQLite database of `uri` if it is missing, whole or not at all.

    It is built under another name and then linked into place: two first runs at the same
    moment, or an interrupted one, would otherwise leave a database that stays broken.
    """
    path = sqlite_file(uri)
    if path is None:
        return
    remove_abandoned(path.parent, f".{path.name}-")
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch(path.parent, f".{path.name}-") as folder:
        notice(f"preparing {_short(path)} ...")
        building = folder / path.name
        mlflow_client(f"sqlite:///{building}").search_experiments(max_results=1)
        # Before others see it: whoever reads it meanwhile would be in the way.
        _use_write_ahead_log(building)
        _put_in_place(building, path)


def _put_in_place(building: Path, path: Path) -> None:
    try:
        os.link(building, path)
    except FileExistsError:
        return  # Another process was faster; its database is as good.
    except OSError:  # A file system without hard links.
        if not path.exists():
            building.replace(path)


def _use_write_ahead_log(path: Path) -> None:
    """Make commits cheaper, and let a dashboard read while a run writes.

    Only where the file system is known to be local: over a network SQLite's log is not safe.
    """
    if file_system(path) in _LOCAL:
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode = WAL")


def fold_log(path: Path) -> None:
    """Move what stands in the write-ahead log into the database file, so that it can be copied.

    Where that is not possible it stays in the log, which is as safe.
    """
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")


def file_system(path: Path) -> str:
    """Return the type of the file system that `path` lies on, "" if it cannot be told."""
    mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    holding = [mount for mount in mounts if path.resolve().is_relative_to(mount)]
    return mounts[max(holding, key=lambda mount: len(mount.parts))] if holding else ""


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
