"""What `htmrun predict` prints: an answer for each row, as soon as it is there."""

from __future__ import annotations

import codecs
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from htmrun.components.sources import Chunk
from htmrun.errors import UserError, mismatch
from htmrun.execution.feed import Feed, Line, open_data
from htmrun.execution.garbage import sought_as_usual
from htmrun.execution.keeping import Keeping, kept
from htmrun.execution.live import Answer, Live
from htmrun.execution.saved import Saved

STOP, SKIP = "stop", "skip"
FORMATS = ("csv", "json")


@dataclass(frozen=True)
class Settings:
    """What `htmrun predict` was asked for."""

    data: str
    learn: bool
    save: Path | None
    bad_rows: str
    new_sequence: bool
    new_only: bool
    output_format: str | None
    encoding: str


def answer(saved: Saved, settings: Settings, out: TextIO) -> int:
    """Print an answer for each row; raises UserError for what cannot be, and for a wrong row."""
    if settings.bad_rows not in (STOP, SKIP):
        raise UserError(mismatch("--bad-rows", settings.bad_rows, (STOP, SKIP)))
    if settings.output_format not in (None, *FORMATS):
        raise UserError(mismatch("--format", settings.output_format, FORMATS))
    try:
        codecs.lookup(settings.encoding)
    except LookupError:
        raise UserError(
            f"--encoding: found '{settings.encoding}', expected a name such as utf-8 or latin-1"
        ) from None
    sought_as_usual()
    with closing(open_data(settings.data, sys.stdin.buffer)) as stream, _live(saved, settings) as (
        live, keeping,
    ):  # fmt: skip
        label = "standard input" if settings.data == "-" else settings.data
        feed = Feed(stream, live.reader.reading, label, settings.encoding)
        if settings.new_sequence:
            live.begin_sequence()
        talk = _Talk(live, keeping, feed, settings, out)
        try:
            for batch in feed.batches():
                talk.take(batch)
        except BrokenPipeError:
            # Whoever read the answers has gone; nothing more is to be written at exit.
            sys.stdout = None
        return talk.end()


@contextmanager
def _live(saved: Saved, settings: Settings) -> Iterator[tuple[Live, Keeping | None]]:
    if settings.save is None:
        yield Live(saved, learn=settings.learn), None
        return
    with kept(settings.save, saved, settings.learn) as (live, keeping):
        yield live, keeping


class _Talk:
    """Rows in, answers out."""

    def __init__(
        self, live: Live, keeping: Keeping | None, feed: Feed, settings: Settings, out: TextIO
    ) -> None:
        self._live, self._keeping, self._feed, self._out = live, keeping, feed, out
        self._skips, self._format = settings.bad_rows == SKIP, settings.output_format
        self._skipped = 0
        self._writer: csv.DictWriter[str] | None = None
        self._known = live.last_time if settings.new_only else None
        if settings.new_only and not live.reader.reading.dates:
            raise UserError(
                "--new-only: the model's data have no times, expected a series with them"
            )
        self._told = settings.new_sequence or settings.new_only or live.last_time is None

    def take(self, batch: Sequence[Line]) -> None:
        """Answer the rows of a batch; raises UserError for a wrong one, once the others are out."""
        self._live.reader.reading = self._feed.reading
        good: list[Line] = []
        for line in batch:
            if line.row is None:
                self._answer(good)
                good = []
                self._wrong(line, line.wrong)
            elif self._live.reader.wanted(line.row):
                good.append(line)
        self._answer(good)
        if self._keeping is not None:
            self._keeping.keep()

    def end(self) -> int:
        """Say how many rows were left out; return the exit status."""
        if self._skipped:
            print(f"{self._skipped:,} rows were left out", file=sys.stderr)
        return 0

    def _answer(self, lines: Sequence[Line]) -> None:
        rows = [line.row for line in lines if line.row is not None]
        if not rows:
            return
        try:
            encoded = self._live.read(rows, self._known)
        except ValueError as error:
            if len(lines) > 1:  # Which of them it is.
                for line in lines:
                    self._answer([line])
            else:
                self._wrong(lines[0], str(error))
            return
        rows = [rows[i] for i in encoded.kept]
        if not rows:
            return
        self._warn_of_times(encoded.chunk)
        if self._keeping is not None:
            self._keeping.take_down(rows, bool(encoded.chunk.reset[0]))
        self._print(self._live.answer(encoded))

    def _warn_of_times(self, chunk: Chunk) -> None:
        """Say once where the first row is no later than what the model learned last."""
        if self._told:
            return
        self._told = True
        times, last = chunk.fields.get("timestamp"), self._live.last_time
        if times is not None and last is not None and times[0] <= last:
            print(
                f"note: the rows begin at {times[0]}, and the model has learned until {last}; "
                "--new-sequence says that they do not follow",
                file=sys.stderr,
            )

    def _wrong(self, line: Line, what: str) -> None:
        said = f"{self._feed.label}:{line.number}: {what}"
        if not self._skips:
            raise UserError(said)
        self._skipped += 1
        print(f"left out: {said}", file=sys.stderr)

    def _print(self, answers: Sequence[Answer]) -> None:
        if (self._format or ("json" if self._feed.json else "csv")) == "json":
            self._out.writelines(json.dumps(answer) + "\n" for answer in answers)
        else:
            if self._writer is None:
                self._writer = csv.DictWriter(self._out, self._live.names, lineterminator="\n")
                self._writer.writeheader()
            self._writer.writerows(answers)
        self._out.flush()
