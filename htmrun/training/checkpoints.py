"""What a job has learned so far, kept in a file, so that it can go on after its process died.

A file belongs to one job, its configuration, data and code; another one's is left alone. It is
replaced as a whole, so there is always a whole one; the one before it is kept beside it, for the
case that the disk damages the last. The first line names the format, its version
and the BLAKE2b hash of the rest, which is an npz archive: arrays, and all else as JSON in `json`.
It is data, never code.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import ConfigDict, TypeAdapter

import htmrun
from htmrun.backends import State
from htmrun.training.records import Job, Progress
from htmrun.training.schedule import Cursor

SHARE = 50
"""Writing takes at most one part in so many of a job's time."""
SUFFIX = ".checkpoint"
_FORMAT = "htmrun checkpoint 1"
_HEADER = len(_FORMAT) + 1 + 64 + 1
_JSON = "json"


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
            self._replace(state)
        except OSError as error:
            self._next = float("inf")
            self._notice(
                f"warning: {self.path} cannot be written ({error}); the job goes on, and would "
                "start from its beginning if it were cut short"
            )
            return
        now = self._clock()
        self._next = now + max(self._every_s, SHARE * (now - begun))

    def _replace(self, state: TrainerState) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        half = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            with half.open("w+b") as file:
                _dump({"belongs_to": self._belongs_to, "state": state}, file)
                file.flush()
                os.fsync(file.fileno())
            # At any moment one of the two names has a whole file.
            if self.path.exists():
                self.path.replace(self.before)
            half.replace(self.path)
        finally:
            half.unlink(missing_ok=True)

    def read(self) -> TrainerState | None:
        """Return what was written last; None where there is none, or one of something else.

        Says in one line where the file is damaged and what becomes of the job: it goes on from
        the file before, or starts from its beginning.
        """
        self._tidy()
        damaged = None
        for path in (self.path, self.before):
            try:
                with path.open("rb") as file:
                    found = _load(file)
                if found["belongs_to"] != self._belongs_to:
                    continue
                state = TypeAdapter(TrainerState).validate_python(found["state"])
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError, MemoryError, RecursionError,
                    zipfile.BadZipFile) as error:  # fmt: skip
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


def _dump(tree: Any, file: BufferedRandom) -> None:
    """Write dataclasses, dicts, lists, arrays and plain values, at the beginning of a file."""
    arrays: dict[str, np.ndarray] = {}

    def plain(node: Any, place: str) -> Any:
        if isinstance(node, np.ndarray):
            arrays[place] = node
            return {"array": place}
        if is_dataclass(node):
            node = vars(node)
        if isinstance(node, Mapping):
            return {name: plain(value, f"{place}/{name}") for name, value in node.items()}
        if isinstance(node, (list, tuple)):
            return [plain(value, f"{place}/{i}") for i, value in enumerate(node)]
        return node

    text = json.dumps(plain(tree, ""))
    file.write(b" " * _HEADER)
    np.savez(file, **{_JSON: np.frombuffer(text.encode(), np.uint8), **arrays})  # type: ignore[arg-type]
    file.write(_first_line(file))


def _first_line(file: BufferedRandom | BufferedReader) -> bytes:
    """Return what the first line of a file must be; leaves the file at its beginning."""
    file.seek(_HEADER)
    digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()
    file.seek(0)
    return f"{_FORMAT} {digest}\n".encode()


def _load(file: BufferedReader) -> Any:
    """Return what `_dump` wrote, with dicts for dataclasses; ValueError where it is not whole."""
    expected = _first_line(file)
    if (found := file.read(_HEADER)) != expected:
        known = found.startswith(f"{_FORMAT} ".encode())
        raise ValueError("its checksum is another" if known else f"found no '{_FORMAT}' in it")
    with np.load(file, allow_pickle=False) as archive:
        # Nothing here was ever compressed: no array is larger than the file.
        if any(part.compress_type != zipfile.ZIP_STORED for part in archive.zip.infolist()):
            raise ValueError("it is compressed")

        def with_arrays(node: dict[str, Any]) -> Any:
            return archive[node["array"]] if node.keys() == {"array"} else node

        return json.loads(archive[_JSON].tobytes(), object_hook=with_arrays)
