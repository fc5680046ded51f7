"""Rows of a file or a pipe, as soon as they are there: CSV with a header, or lines of JSON."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from htmrun.components.files import parsing
from htmrun.components.sources.delimiters import find
from htmrun.components.sources.reading import Reading, Row
from htmrun.errors import UserError

_BYTES = 1 << 16
LONGEST_LINE = 1 << 20
"""Bytes of a line, at most: what has no end is no row."""


@dataclass(frozen=True)
class Line:
    """A row, where it stands, and what is wrong with it if something is."""

    number: int
    row: Row | None
    wrong: str = ""


class Feed:
    """Lines of `stream`, read as `reading` says; `json`: whether they are JSON, from the first on.

    A batch is all that has come so far, so that nobody waits for a row that comes later.
    """

    def __init__(self, stream: BinaryIO, reading: Reading, label: str, encoding: str) -> None:
        self._stream, self.reading, self.label, self._encoding = stream, reading, label, encoding
        self.json = False
        self._names: list[str] | None = None
        self._number = 0

    def batches(self) -> Iterator[list[Line]]:
        """Yield the rows; raises UserError where a header lacks what is needed."""
        for lines in self._lines():
            batch = [line for text in lines if (line := self._line(text)) is not None]
            if batch:
                yield batch
        if self._names is None and not self.json:
            raise UserError(f"--data: {self.label} is empty, expected a header and rows")

    def _lines(self) -> Iterator[list[bytes]]:
        """Yield whole lines as they come; a cell cannot go over several."""
        rest = b""
        while True:
            # Only what is there: a pipe that is slow must not hold up the rows before.
            with parsing(self.label, "CSV or lines of JSON"):
                part = self._stream.read1(_BYTES)  # type: ignore[attr-defined]
            rest += part
            lines = rest.split(b"\n") if part else [*rest.split(b"\n"), b""]
            rest = lines.pop()
            yield lines
            if not part:
                return
            if len(rest) > LONGEST_LINE:
                raise UserError(
                    f"{self.label}:{self._number + 1}: found more than {LONGEST_LINE:,} bytes "
                    "without the end of a line, expected rows"
                )

    def _line(self, line: bytes) -> Line | None:
        self._number += 1
        try:
            text = line.decode(self._encoding).rstrip("\r")
        except UnicodeDecodeError as error:
            return self._wrong(f"byte {line[error.start]:#04x} is no {self._encoding} text")
        if self._number == 1:
            text = text.removeprefix("\ufeff")
        if not text.strip():
            return None
        if self._names is None and not self.json:
            self.json = text.lstrip().startswith("{")
            if self.json:
                self.reading = self.reading.plain
            else:
                self._header(text)
                return None
        return self._of_json(text) if self.json else self._of_csv(text)

    def _header(self, text: str) -> None:
        self._delimiter = self.reading.delimiter
        if self._delimiter not in text and len(self.reading.columns) > 1:
            self._delimiter = find([text], self.label, "")
        self._names = [name.strip() for name in next(csv.reader([text], delimiter=self._delimiter))]
        self.reading.must_be_there(self._names, f"{self.label}:{self._number}")

    def _of_csv(self, text: str) -> Line:
        assert self._names is not None
        try:
            cells = next(csv.reader([text], delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            return self._wrong(f"{error}, expected CSV")
        if len(cells) < len(self._names) or any(c.strip() for c in cells[len(self._names) :]):
            found, expected = len(cells), len(self._names)
            return self._wrong(f"found {found} columns, expected {expected} as in the header")
        return Line(self._number, dict(zip(self._names, cells, strict=False)))

    def _of_json(self, text: str) -> Line:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return self._wrong(f"found '{text[:40]}', expected one JSON object a line")
        if not isinstance(found, dict):
            return self._wrong(f"found '{text[:40]}', expected a JSON object")
        lacking = [name for name in self.reading.columns if name not in found]
        if lacking:
            return self._wrong(f"found no '{lacking[0]}', expected it in each row")
        cells = {name: "" if value is None else str(value) for name, value in found.items()}
        return Line(self._number, cells)

    def _wrong(self, what: str) -> Line:
        return Line(self._number, None, what)


def open_data(path: str, standard_input: BinaryIO) -> BinaryIO:
    """Return the bytes of a file, unpacked if it is .gz, or of the pipe that `-` means."""
    if path == "-":
        return standard_input
    try:
        if path.endswith(".gz"):
            return cast(BinaryIO, gzip.open(path, "rb"))
        return Path(path).expanduser().open("rb")
    except OSError as error:
        raise UserError(
            f"--data: {path} cannot be read ({error.strerror}), expected a CSV file, lines of "
            "JSON, or - for a pipe"
        ) from None
