"""What a job has learned so far, kept in a file, so that it can go on after its process died.

A file belongs to one job, its configuration, data and code; another one's is left alone. It is
replaced as a whole, so there is always a whole one. It is read by pickle: these files are the
program's own and are never fetched from elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import htmrun
from htmrun.errors import UserError
from htmrun.training.records import Job

SHARE = 50
"""Writing takes at most one part in so many of a job's time."""
SUFFIX = ".checkpoint"


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def code_hash() -> str:
    """Return the SHA-256 (hex) of htmrun's own code: what another one kept may mean otherwise."""
    folder, found = Path(htmrun.__file__).parent, hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        found.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return found.hexdigest()


@dataclass(frozen=True)
class Checkpoints:
    """The files of one run's jobs: where they lie, what they belong to, how often they are written.

    every_s: seconds between two writes of a job.
    """

    folder: Path
    belongs_to: str
    every_s: float

    @classmethod
    def of(
        cls, folder: Path, configuration: Mapping[str, Any], data: str, every_s: float
    ) -> Checkpoints:
        """Return the files for jobs of this configuration on data with this hash."""
        text = json.dumps([configuration, data, code_hash()], sort_keys=True)
        return cls(folder, hashlib.sha256(text.encode()).hexdigest(), every_s)

    def of_job(self, job: Job) -> Keeper:
        """Return what reads and writes a job's file."""
        return Keeper(self.folder / f"{job.name}{SUFFIX}", self.belongs_to, self.every_s)

    def forget(self, job: Job) -> None:
        """Remove a job's file, and the folder with the last one."""
        if self.folder.is_dir():
            self.of_job(job).path.unlink(missing_ok=True)
            if not any(self.folder.iterdir()):
                shutil.rmtree(self.folder)


class Keeper:
    """One job's file."""

    def __init__(
        self, path: Path, belongs_to: str, every_s: float,
        clock: Callable[[], float] = time.monotonic, notice: Callable[[str], None] = _to_stderr,
    ) -> None:  # fmt: skip
        self.path, self._belongs_to, self._every_s, self._clock = path, belongs_to, every_s, clock
        self._notice, self._next = notice, clock() + every_s

    def due(self) -> bool:
        """Return whether it is time to write."""
        return self._clock() >= self._next

    def write(self, kept: Mapping[str, Any]) -> None:
        """Put `kept` in the place of what was written before.

        Where that is not possible, says so in one line; the job goes on without.
        """
        begun = self._clock()
        try:
            self._replace(kept)
        except OSError as error:
            self._next = float("inf")
            self._notice(
                f"warning: {self.path} cannot be written ({error}); the job goes on, and would "
                "start from its beginning if it were cut short"
            )
            return
        now = self._clock()
        self._next = now + max(self._every_s, SHARE * (now - begun))

    def _replace(self, kept: Mapping[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        half = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            with half.open("wb") as file:
                pickle.dump(self._belongs_to, file)
                pickle.dump(dict(kept), file, protocol=5)
                file.flush()
                os.fsync(file.fileno())
            half.replace(self.path)
        finally:
            half.unlink(missing_ok=True)

    def read(self) -> dict[str, Any] | None:
        """Return what was written last; None where there is none, or one of something else.

        Raises UserError where it is not whole.
        """
        try:
            with self.path.open("rb") as file:
                if pickle.load(file) != self._belongs_to:
                    return None
                found: dict[str, Any] = pickle.load(file)
                return found
        except FileNotFoundError:
            return None
        except (pickle.UnpicklingError, EOFError, AttributeError, ImportError) as error:
            raise UserError(
                f"{self.path}: cannot be read ({error}), expected a whole checkpoint; without the "
                "file the job starts from its beginning"
            ) from error
