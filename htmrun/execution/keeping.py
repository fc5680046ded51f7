"""A live model in a folder: what it learned lives on, whatever ends its process.

The folder holds the model as it was written last, and `rows.jsonl`, each row that it took since
then, so that after kill -9 the next process stands where the last one stood.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from htmrun.components.sources.reading import Row
from htmrun.errors import UserError
from htmrun.execution.live import Live
from htmrun.execution.saved import FILE, Saved

ROWS = "rows.jsonl"
EVERY_S = 60.0
"""Seconds between two writes of the whole model."""


class Keeping:
    """Keeps `live` in a folder; take rows down before they are learned."""

    def __init__(
        self, folder: Path, live: Live, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._live, self._clock = folder, live, clock
        self._next = clock() + EVERY_S
        self._rows = (folder / ROWS).open("a", encoding="utf-8")

    def take_down(self, rows: Sequence[Row], begins: bool) -> None:
        """Write rows down that are about to be learned; begins: the first starts a sequence."""
        reading = self._live.reader.reading
        entry = {
            "count": self._live.rows, "learned": self._live.learn, "rows": list(map(dict, rows)),
            "begins": begins, "plain": reading == reading.plain,
        }  # fmt: skip
        self._rows.write(json.dumps(entry) + "\n")
        self._rows.flush()

    def keep(self, *, now: bool = False) -> None:
        """Write the model, if it is time or asked for."""
        if now or self._clock() >= self._next:
            self._live.saved().write(self._folder)
            self._rows.truncate(0)
            self._next = self._clock() + EVERY_S


@contextmanager
def kept(folder: Path, first: Saved, learn: bool) -> Iterator[tuple[Live, Keeping]]:
    """Yield the live model of a folder, gone on from `first` where the folder is new.

    Raises UserError where the folder holds another model, or another process is at work on it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"--save: another process is at work on {folder}, expected a folder of its own"
            ) from None
        live = _gone_on(folder, first, learn)
        keeping = Keeping(folder, live)
        keeping.keep(now=True)
        try:
            yield live, keeping
        finally:
            keeping.keep(now=True)


def _gone_on(folder: Path, first: Saved, learn: bool) -> Live:
    if not (folder / FILE).exists():
        return Live(first, learn=learn)
    saved = Saved.read(folder)
    if (saved.run, saved.arm, saved.seed) != (first.run, first.arm, first.seed):
        raise UserError(
            f"--save: {folder} holds {saved.arm}, seed {saved.seed} of {saved.run}, expected "
            f"{first.arm}, seed {first.seed} of {first.run}, or a new folder"
        )
    live = Live(saved, learn=learn)
    for entry in _entries(folder / ROWS):
        if entry["count"] < live.rows:
            continue
        if live.learn != entry["learned"]:
            live = Live(live.saved(), learn=entry["learned"])
        reading = live.reader.reading
        live.reader.reading = reading.plain if entry["plain"] else reading
        if entry["begins"]:
            live.begin_sequence()
        live.take(entry["rows"])
        live.reader.reading = reading
    return live if live.learn == learn else Live(live.saved(), learn=learn)


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what was taken down; a last line that was cut off was never learned."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            return
        if isinstance(entry, list):  # As it was written before sequences and JSON were told.
            count, learned, rows = entry
            entry = {"count": count, "learned": learned, "rows": rows}
        yield {"begins": False, "plain": False} | entry
