"""Records that could not be delivered: kept beside the runs, sent when the store is back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from htmrun.errors import UserError
from htmrun.tracking.operations import Attach, Operation, from_plain, to_plain
from htmrun.tracking.provenance import process_lives, process_tags
from htmrun.tracking.store import Store, experiment_id, open_client


class Outbox:
    """One experiment run's undelivered operations: RUN.jsonl, and the files they attach in RUN/."""

    def __init__(self, directory: Path, run: str, *, uri: str, experiment: str) -> None:
        """Open `directory`/`run`.jsonl for appending; its first line says where to send it."""
        self.path = directory / f"{run}.jsonl"
        self.files = directory / run
        self._count = 0
        directory.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            header = {"uri": uri, "experiment": experiment, "run": run, "process": process_tags()}
            self._write(header)

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
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _lines(path: Path) -> tuple[dict[str, Any], list[Operation]]:
    """Return header and operations of an outbox; a last line cut off by a crash is left out."""
    text = path.read_text(encoding="utf-8")
    complete = text[: text.rfind("\n") + 1].splitlines()
    if not complete:
        raise UserError(f"{path}: no complete line, expected where its records are to be sent")
    header = json.loads(complete[0])
    return header, [from_plain(json.loads(line)) for line in complete[1:]]


def resend(
    outbox: Path, uri: str | None = None, notice: Callable[[str], None] = lambda _: None
) -> int:
    """Deliver the outbox file to its store (or to `uri`), delete it, return the operations sent.

    Sending twice changes nothing, so it can be repeated after a failure in the middle.
    Raises UserError when the store cannot be reached, and what MLflow raises.
    """
    if not outbox.is_file():
        raise UserError(f"{outbox}: no such outbox file, expected DIR/outbox/RUN.jsonl")
    header, operations = _lines(outbox)
    target = uri or header["uri"]
    client = open_client(target, notice)
    artifacts = outbox.parent.parent / "artifacts"
    experiment = experiment_id(client, target, header["experiment"], artifacts)
    store = Store(client, experiment, header["run"], resume=True)
    for operation in operations:
        if isinstance(operation, Attach):
            operation = replace(operation, path=str(outbox.parent / operation.path))
        store.apply(operation)
    outbox.unlink()
    shutil.rmtree(outbox.with_suffix(""), ignore_errors=True)
    return len(operations)


def waiting(directory: Path, uri: str) -> Iterator[Path]:
    """Yield the outbox files in `directory` meant for `uri` whose process has ended."""
    for path in sorted(directory.glob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            first = file.readline()
        if not first.endswith("\n"):  # Cut off before anything was kept in it.
            continue
        header = json.loads(first)
        if header["uri"] == uri and not process_lives(header["process"]):
            yield path
