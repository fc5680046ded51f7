"""Records that could not be delivered: kept beside the runs, sent when the store is back."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from htmrun.config.store_uri import hide_password
from htmrun.errors import UserError
from htmrun.tracking import holding
from htmrun.tracking.database import sqlite_file
from htmrun.tracking.lines import append_whole
from htmrun.tracking.operations import Attach, Operation, from_plain, to_plain
from htmrun.tracking.provenance import process_tags
from htmrun.tracking.store import Store, experiment_id, open_client

FOLDER = "outbox"


class Outbox:
    """One attempt's undelivered operations: RUN.jsonl, and the files they attach in RUN/."""

    def __init__(
        self, directory: Path, run: str, *, uri: str, experiment: str, attempt: str
    ) -> None:
        """Begin `directory`/`run`.jsonl, whose first line says where to send it.

        Where an earlier attempt's still waits, this one's has the attempt in its name.
        """
        self.path = directory / f"{run}.jsonl"
        if self.path.exists():
            self.path = directory / f"{run}-{attempt}.jsonl"
        self.files = self.path.with_suffix("")
        self._count = 0
        directory.mkdir(parents=True, exist_ok=True)
        inside = _inside(directory.parent, uri)
        header = {
            **({"inside": inside} if inside else {}),
            "uri": uri, "experiment": experiment, "run": run, "attempt": attempt,
            "process": process_tags(),
        }  # fmt: skip
        # It is there with its header or not at all; half of one goes with the open run's folder.
        half = holding.folder_of(directory.parent, run) / self.path.name
        half = half if half.parent.is_dir() else self.path.with_suffix(".half")
        try:
            half.unlink(missing_ok=True)
            append_whole(half, json.dumps(header).encode() + b"\n")
            half.replace(self.path)
        finally:
            half.unlink(missing_ok=True)

    def append(self, operation: Operation) -> None:
        """Keep `operation`, with a copy of the file it attaches."""
        if isinstance(operation, Attach):
            source = Path(operation.path)
            self._count += 1
            kept = self.files / str(self._count) / source.name
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, kept)
            operation = replace(operation, path=str(kept.relative_to(self.path.parent)))
        self._write(to_plain(operation))

    def _write(self, line: Mapping[str, Any]) -> None:
        """Append a line, whole or not at all; raises OSError, and leaves what was there."""
        append_whole(self.path, json.dumps(line).encode() + b"\n")


def _header(path: Path) -> dict[str, Any]:
    """Return an outbox's first line; raises UserError for what is none."""
    try:
        with path.open(encoding="utf-8") as file:
            first = file.readline()
        if not first.endswith("\n"):
            raise UserError(f"{path}: no complete line, expected where its records are to be sent")
        header = json.loads(first)
        process: Any = header["process"]
        texts = (header["uri"], header["experiment"], header["run"], *process, *process.values())
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("not text")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "no header of an outbox"
        raise UserError(
            f"{path}: cannot be read ({reason}), expected records that wait for their store"
        ) from None
    if "inside" in header:  # The folder may have been moved since, its database with it.
        header["uri"] = f"sqlite:///{path.resolve().parent.parent / header['inside']}"
    return {"attempt": "", **header}


def _inside(directory: Path, uri: str) -> str:
    """Return where the database of `uri` lies inside the folder of runs; "" if it does not."""
    file, home = sqlite_file(uri), directory.resolve()
    return str(file.relative_to(home)) if file and file.is_relative_to(home) else ""


def _operations(path: Path) -> list[Operation]:
    """Return what an outbox holds; a last line cut off by a crash is left out."""
    text = path.read_bytes()
    complete = text[: text.rfind(b"\n") + 1].splitlines()
    found = []
    for number, line in enumerate(complete[1:], 2):
        try:
            found.append(from_plain(json.loads(line)))
        except (ValueError, LookupError, TypeError, AttributeError):
            raise UserError(
                f"{path}:{number}: found no whole record, expected one that waits for its store"
            ) from None
    return found


def resend(
    outbox: Path, uri: str | None = None, notice: Callable[[str], None] = lambda _: None
) -> int:
    """Deliver the outbox file to its store (or to `uri`), delete it, return the operations sent.

    Sending twice changes nothing, so it can be repeated after a failure in the middle.
    Raises UserError when the store cannot be reached, and what MLflow raises.
    """
    if not outbox.is_file():
        raise UserError(f"{outbox}: no such outbox file, expected DIR/outbox/RUN.jsonl")
    header, operations = _header(outbox), _operations(outbox)
    target = uri or header["uri"]
    client = open_client(target, notice)
    artifacts = outbox.parent.parent / "artifacts"
    experiment = experiment_id(client, target, header["experiment"], artifacts)
    store = Store(client, experiment, header["run"], resume=True, attempt=header["attempt"])
    for operation in operations:
        if isinstance(operation, Attach):
            operation = replace(operation, path=str(outbox.parent / operation.path))
        store.apply(operation)
    outbox.unlink()
    shutil.rmtree(outbox.with_suffix(""), ignore_errors=True)
    return len(operations)


@dataclass(frozen=True)
class Waiting:
    """An outbox file that nobody writes to any more: of which run, and which store it is meant for.

    `problem`: what keeps it from being sent, "" if nothing is known to.
    """

    path: Path
    run: str = ""
    uri: str = ""
    problem: str = ""


def waiting(directory: Path | str, own: str = "") -> list[Waiting]:
    """Return the outbox files in `directory`/outbox whose process has ended; never raises.

    own: a run that this process holds, which has no outbox open: files of it are another's.
    """
    found: list[Waiting] = []
    folder = Path(directory) / FOLDER
    try:
        paths = sorted(folder.glob("*.jsonl"))
    except OSError as error:
        return [Waiting(folder, problem=f"{folder}: cannot be read ({error.strerror})")]
    for path in paths:
        try:
            header = _header(path)
        except UserError as error:
            found.append(Waiting(path, problem=str(error)))
            continue
        if not holding.at_work(directory, header["run"], header["process"], own):
            found.append(Waiting(path, header["run"], header["uri"]))
    return found


def waiting_line(directory: Path | str) -> str | None:
    """Return a line that says what waits in `directory`/outbox; None where nothing does."""
    # Of a folder that is closed to this user others say more.
    found = waiting(directory) if os.access(directory, os.X_OK) else []
    if not found:
        return None
    runs = ", ".join(dict.fromkeys(one.run or one.path.name for one in found))
    place = "" if str(directory) == "runs" else f" --dir {shlex.quote(str(directory))}"
    return f"records of {runs} wait in {Path(directory) / FOLDER}; htmrun sync{place} delivers them"


def send(one: Waiting, notice: Callable[[str], None], uri: str | None = None) -> bool:
    """Deliver what waits in a file, to `uri` instead of its own store if given; say how it went."""
    try:
        if one.problem:
            raise UserError(one.problem)
        count = resend(one.path, uri, notice=notice)
    except Exception as error:  # Whatever a store raises: the file stays.
        notice(f"warning: records are still kept in {one.path} ({cause(error)})")
        return False
    notice(f"sent {count} kept records from {one.path} to MLflow")
    return True


def cause(error: Exception) -> str:
    """Return an error in one short line, without a password."""
    return hide_password(" ".join(str(error).split()))[:200]
