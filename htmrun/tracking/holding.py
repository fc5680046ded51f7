"""Who is at work on a run: a lock that dies with its process, and the run's files beside it.

DIR/open/RUN holds the run from its first moment to its end: `lock`, who has it (`process.json`),
and the configuration (`run.json`), so that a run can be found and continued before anything of it
stands in a store. It is removed when the run has come to its end.

POSIX record locks are used: the kernel lets go of them when a process ends in whatever way, other
containers over the same folder and other hosts over NFS see them, and forked workers do not keep
them. The process id in `process.json` is only told, never believed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htmrun.errors import UserError
from htmrun.tracking.provenance import HOST_TAG, PID_TAG, process_lives, process_tags

FOLDER = "open"
_PATIENCE_S = 0.5
"""Somebody who only looks has the lock for a moment."""

_held: set[Path] = set()
"""Folders of runs that this process holds: looking at their locks would let go of them."""


@dataclass(frozen=True)
class Begun:
    """What is known of a run that has begun: its configuration, tags, and who began it when."""

    run: str
    resolved: dict[str, Any]
    tags: dict[str, str]
    begun: float


def folder_of(directory: Path | str, run: str) -> Path:
    """Return where a run's lock and configuration are while it is open."""
    return Path(directory).absolute() / FOLDER / run


@contextmanager
def hold(directory: Path | str, run: str) -> Iterator[None]:
    """Hold a run: nobody else can meanwhile. Raises UserError where somebody does.

    May be entered again by the process that holds it.
    """
    folder = folder_of(directory, run)
    if folder in _held:
        yield
        return
    descriptor = _locked(folder, run)
    _held.add(folder)
    try:
        _tidy(folder)
        _write(folder / "process.json", process_tags())
        yield
    finally:
        _held.discard(folder)
        os.close(descriptor)
        _remove_if_empty(folder)


def _locked(folder: Path, run: str) -> int:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # Its holder came to the end at this moment.
            continue
        except OSError as error:
            raise UserError(
                f"tracking.dir: {folder} cannot be written ({error.strerror}), expected a folder "
                "in which a run can be held"
            ) from None
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (folder / "lock").exists() and os.path.samestat(
                os.fstat(descriptor), os.stat(folder / "lock")
            ):
                return descriptor
            os.close(descriptor)  # Removed by who held it before.
        except OSError:
            os.close(descriptor)
            if time.monotonic() > deadline:
                raise UserError(
                    f"run: {run} is still going ({who(folder)}), expected one that was cut short"
                ) from None
            time.sleep(0.02)


def held(directory: Path | str, run: str) -> bool | None:
    """Return whether some process is at work on a run; None where its lock is not in `directory`.

    Writes nothing, and may be asked on a disk that is read only.
    """
    folder = folder_of(directory, run)
    if folder in _held:
        return True
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def at_work(directory: Path | str, run: str, process: Mapping[str, str], own: str = "") -> bool:
    """Return whether another process is at work on a run: its lock tells.

    process: tags of who wrote what is asked about, which decide where the lock is not in
    `directory`. own: a run that this process holds: whoever else wrote something of it is gone.
    """
    found = held(directory, run)
    return process_lives(process) if found is None else found and run != own


def who(folder: Path) -> str:
    """Return the process that holds a run, in words."""
    try:
        tags = json.loads((folder / "process.json").read_text(encoding="utf-8"))
        return f"process {tags[PID_TAG]} on {tags[HOST_TAG]}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def tell(
    directory: Path | str, run: str, resolved: Mapping[str, Any], tags: Mapping[str, str]
) -> None:
    """Write down what a run is, once; it must be held."""
    path = folder_of(directory, run) / "run.json"
    if not path.exists():
        _write(path, {"resolved": resolved, "tags": dict(tags), "begun": time.time()})


def ended(directory: Path | str, run: str) -> None:
    """Forget a run that has come to its end; it must be held."""
    shutil.rmtree(folder_of(directory, run), ignore_errors=True)


def begun(directory: Path | str, run: str) -> Begun | None:
    """Return what was written of a run when it began; None where nothing whole was."""
    try:
        text = (folder_of(directory, run) / "run.json").read_text(encoding="utf-8")
        return Begun(run, **json.loads(text))
    except (OSError, ValueError, TypeError):
        return None


def all_begun(directory: Path | str) -> Sequence[Begun]:
    """Return the runs that have not come to their end, newest first."""
    folder = Path(directory) / FOLDER
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    found = [one for name in names if (one := begun(directory, name)) is not None]
    return sorted(found, key=lambda one: one.begun, reverse=True)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, whole or not at all; UserError where it cannot be."""
    half = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        half.write_text(json.dumps(content, default=str), encoding="utf-8")
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise UserError(
            f"tracking.dir: {path} cannot be written ({error.strerror}), expected a folder with "
            "room for a run"
        ) from None


def _tidy(own: Path) -> None:
    """Remove what processes left that died before they told anything, or while they wrote it."""
    for half in own.glob(".*.json-*"):
        half.unlink(missing_ok=True)
    for other in own.parent.iterdir():
        if other in _held or (other / "run.json").exists():
            continue
        with suppress(OSError):
            other.rmdir()  # It died before it had the lock.
            continue
        with suppress(OSError):
            descriptor = os.open(other / "lock", os.O_RDWR)
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not (other / "run.json").exists():
                    shutil.rmtree(other, ignore_errors=True)
            finally:
                os.close(descriptor)


def _remove_if_empty(folder: Path) -> None:
    """Leave no folder behind for a run of which nothing was told."""
    if folder.is_dir() and not (folder / "run.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # Other runs have theirs there.
        folder.parent.rmdir()
