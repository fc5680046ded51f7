"""What a job has learned so far, kept in a file, so that it can go on after its process died.

A file belongs to one job, its configuration, data and code; another one's is left alone. It is
replaced as a whole, so there is always a whole one; the one before it is kept beside it, for the
case that the disk damages the last. `typed_file` has the format.
"""

from __future__ import annotations

import glob
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter

import htmrun
from htmrun.backends import State
from htmrun.training import typed_file
from htmrun.training.records import Job, Progress
from htmrun.training.schedule import Cursor

SHARE = 50
"""Writing takes at most one part in so many of a job's time."""
SUFFIX = ".checkpoint"
_TITLE = "htmrun checkpoint 1"


@dataclass(frozen=True)
class TrainerState:
    """How far a job is: all that the rest of it depends on.

    epoch, passed: which it is in, and how many of its samples were learned; seconds: since the job
    began; told: points of its curves; measures: what each measure's `state` returned, by its name.
    """

    __pydantic_config__: ClassVar = ConfigDict(arbitrary_types_allowed=True)

    sample: int
    commits: int
    epoch: int
    passed: int
    cursor: Cursor
    train_seconds: float
    seconds: float
    told: tuple[Progress, ...]
    pipeline: State
    measures: dict[str, dict[str, Any]]


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
            self.of_job(job).remove()
            if not any(self.folder.iterdir()):
                shutil.rmtree(self.folder)


class Keeper:
    """One job's file, and the one that was written before it."""

    def __init__(
        self, path: Path, belongs_to: str, every_s: float,
        clock: Callable[[], float] = time.monotonic, notice: Callable[[str], None] = _to_stderr,
    ) -> None:  # fmt: skip
        self.path, self._belongs_to, self._every_s, self._clock = path, belongs_to, every_s, clock
        self._notice, self._next = notice, clock() + every_s
        self.before = path.with_name(f"{path.name}.before")

    def due(self) -> bool:
        """Return whether it is time to write."""
        return self._clock() >= self._next

    def write(self, state: TrainerState) -> None:
        """Put `state` in the place of what was written before.

        Where that is not possible, says so in one line; the job goes on without.
        """
        begun = self._clock()
        try:
            kept = {"belongs_to": self._belongs_to, "state": state}
            typed_file.write(self.path, kept, _TITLE, before=self.before)
        except OSError as error:
            self._next = float("inf")
            self._notice(
                f"warning: {self.path} cannot be written ({error}); the job goes on, and would "
                "start from its beginning if it were cut short"
            )
            return
        now = self._clock()
        self._next = now + max(self._every_s, SHARE * (now - begun))

    def read(self) -> TrainerState | None:
        """Return what was written last; None where there is none, or one of something else.

        Says in one line where the file is damaged and what becomes of the job: it goes on from
        the file before, or starts from its beginning.
        """
        self._tidy()
        damaged = None
        for path in (self.path, self.before):
            try:
                found = typed_file.read(path, _TITLE)
                if found["belongs_to"] != self._belongs_to:
                    continue
                state = TypeAdapter(TrainerState).validate_python(found["state"])
            except FileNotFoundError:
                continue
            except typed_file.DAMAGED as error:
                reason = str(error).partition("\n")[0] or type(error).__name__
                damaged = damaged or f"warning: {path} is no whole checkpoint ({reason}); the job "
                continue
            if damaged:
                self._notice(f"{damaged}goes on from the one before it, at sample {state.sample}")
            return state
        if damaged:
            self._notice(f"{damaged}starts from its beginning")
        return None

    def remove(self) -> None:
        """Remove both files."""
        self._tidy()
        self.path.unlink(missing_ok=True)
        self.before.unlink(missing_ok=True)

    def _tidy(self) -> None:
        """Remove what processes that died left half written; a job has one process at a time."""
        for half in self.path.parent.glob(f"{glob.escape(self.path.name)}.*[0-9]"):
            half.unlink(missing_ok=True)
