"""CSV files as streams of columns: the header, and blocks of rows, never the whole file."""

from __future__ import annotations

import csv
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TextIO

from htmrun.components.sources import delimiters
from htmrun.components.sources.cells import is_number
from htmrun.components.sources.text_source import TextSource
from htmrun.errors import UserError, listed, nearest, show

BLOCK_ROWS = 16_384
PROBE_ROWS = 1_000
LONGEST_LINE = 1 << 22
"""Characters in a line at most, so that a file that is no table does not fill the memory."""
NUPIC_TYPES = frozenset({"float", "int", "integer", "string", "datetime", "bool", "list", "sdr"})
NUPIC_FLAGS = frozenset({"", "t", "r", "s", "c", "l"})


@dataclass(frozen=True)
class Layout:
    """How the text of a table is laid out.

    delimiter: a character or its name, None: found. comment: lines that begin so are no rows.
    skip_lines: lines above the header.
    """

    delimiter: str | None = None
    comment: str | None = None
    skip_lines: int = 0


class CSVTable:
    """A table with named columns.

    names: column names; columns without name and content at the end are left out. types, flags:
    the second and third header line of NuPIC's format (lower case), empty otherwise. probe: the
    first `PROBE_ROWS` rows as text. delimiter: between the columns.
    Raises UserError if there are no header, no rows, or two columns of one name.
    """

    def __init__(self, source: TextSource, layout: Layout) -> None:
        self.source = source
        self.layout = layout
        self._head = 1
        self._sep_line = False
        self.delimiter = self._find_delimiter()
        top = list(itertools.islice(self._rows(), PROBE_ROWS + 3))
        if not top:
            raise UserError(f"{self.label}: found an empty file, expected a header and rows")
        self.names = tuple(cell.strip() for cell in top[0])
        self.types: tuple[str, ...] = ()
        self.flags: tuple[str, ...] = ()
        if len(top) >= 3 and self._is_nupic(top):
            self.types, self.flags = (
                tuple(cell.strip().lower() for cell in row) for row in top[1:3]
            )
            self._head = 3
        self.probe = top[self._head :][:PROBE_ROWS]
        self._leave_out_empty_columns()
        self._check_names(top)
        if not self.probe:
            raise UserError(f"{self.label}: found no rows below the header, expected at least one")
        self.probe = [self._of_width(row, i) for i, row in enumerate(self.probe)]

    @property
    def label(self) -> str:
        """What errors call the file."""
        return self.source.label

    def column(self, name: str, option: str) -> int:
        """Return the place of a column; `option` is the setting that asked for it."""
        if name in self.names:
            return self.names.index(name)
        raise UserError(
            f"data.{option}: {self.label} has no column '{name}'; its columns are "
            f"{listed(self.names)}{nearest(name, self.names)}"
        )

    def probed(self, column: int) -> list[str]:
        """Return the cells of a column in the first `PROBE_ROWS` rows."""
        return [row[column] for row in self.probe if column < len(row)]

    def blocks(self) -> Iterator[list[tuple[str, ...]]]:
        """Yield the columns of up to BLOCK_ROWS rows at a time, below the header, as text."""
        rows = itertools.islice(self._rows(), self._head, None)
        width = len(self.names)
        done = 0
        while block := list(itertools.islice(rows, BLOCK_ROWS)):
            if set(map(len, block)) != {width}:
                block = [self._of_width(row, done + i) for i, row in enumerate(block)]
            yield list(zip(*block, strict=True))
            done += len(block)

    def _of_width(self, row: list[str], number: int) -> list[str]:
        """Return a row without empty cells beyond the header; raises UserError if it is no such."""
        width = len(self.names)
        if len(row) == width:
            return row
        if len(row) > width and not any(cell.strip() for cell in row[width:]):
            return row[:width]
        hint = ""
        if len(row) == 1 and row[0][:1] in "#%!":
            hint = f"; if the line is a comment: data.comment='{row[0][0]}'"
        columns = "column" if len(row) == 1 else "columns"
        raise UserError(
            f"{self.place(number)}: found {len(row)} {columns}, expected {width} "
            f"as in the header ({listed(self.names)}){hint}"
        )

    def place(self, row: int) -> str:
        """Return FILE:LINE of a data row, counted from 0 below the header; reads up to it."""
        line = self.line(row)
        return self.label if line is None else f"{self.label}:{line}"

    def line(self, row: int) -> int | None:
        """Return the line of a data row, counted from 0 below the header; reads up to it."""
        with self.source.open() as text:
            lines = _Lines(text, self.label, self.layout, self._sep_line)
            number = -self._head - 1
            for cells in self._reader(lines):
                number += bool(cells)
                if number == row:
                    return lines.number
        return None

    def _reader(self, lines: Iterable[str]) -> csv._reader:  # type: ignore[name-defined,unused-ignore]
        spaces = self.delimiter == " "
        return csv.reader(lines, delimiter=self.delimiter, strict=True, skipinitialspace=spaces)

    def _rows(self) -> Iterator[list[str]]:
        with self.source.open() as text:
            lines = _Lines(text, self.label, self.layout, self._sep_line)
            reader = self._reader(lines)
            try:
                # Blank lines come out as empty lists.
                yield from filter(None, reader)
            except csv.Error as e:
                raise UserError(f"{self.label}:{lines.number}: {e}, expected CSV") from None
            except UnicodeDecodeError as e:
                found = f"byte {e.object[e.start]:#04x} is no {_title(e.encoding)} text"
                raise UserError(
                    f"{self.label}: after line {lines.number}, {found}, expected a CSV file in "
                    "UTF-8, or its encoding by name (data.encoding=latin-1, cp1252, utf-16 ...)"
                ) from None

    def _find_delimiter(self) -> str:
        given = self.layout.delimiter
        if given is not None:
            given = delimiters.named(given)
            if len(given) != 1 or given in '"\r\n\0':
                raise UserError(
                    f"data.delimiter: found {show(self.layout.delimiter)}, expected one character "
                    f"or {', '.join(delimiters.NAMES)}"
                )
        first = self._first_lines(1)
        sep = delimiters.from_sep_line(first[0]) if first else None
        self._sep_line = sep is not None
        if given is not None:
            return given
        if sep is not None:
            return sep
        suffixes = [] if self.source.path is None else self.source.path.suffixes
        kind = next((s.lower() for s in reversed(suffixes) if s != ".gz"), "")
        return delimiters.find(self._first_lines(100), self.label, kind)

    def _first_lines(self, count: int) -> list[str]:
        """Return lines from the header on, without the blank ones."""
        try:
            with self.source.open() as text:
                lines = _Lines(text, self.label, self.layout, self._sep_line)
                return list(itertools.islice((line for line in lines if line.strip()), count))
        except UnicodeDecodeError:
            return []  # Said when the rows are read.

    def _leave_out_empty_columns(self) -> None:
        kept = len(self.names)
        while kept > 1 and not self.names[kept - 1]:
            if any(cell.strip() for cell in self.probed(kept - 1)):
                break
            kept -= 1
        self.names = self.names[:kept]
        self.types, self.flags = self.types[:kept], self.flags[:kept]

    def _is_nupic(self, top: list[list[str]]) -> bool:
        types = {cell.strip().lower() for cell in top[1]}
        flags = {cell.strip().lower() for cell in top[2]}
        return types <= NUPIC_TYPES and flags <= NUPIC_FLAGS and len(top[1]) == len(top[0])

    def _check_names(self, top: list[list[str]]) -> None:
        if "\0" in "".join(self.names):
            raise UserError(
                f"data.encoding: {self.label} begins with zero bytes, expected text; if it is "
                "UTF-16 without a byte order mark: data.encoding=utf-16-le"
            )
        if self.names[0][:1] in ("#", "%") and self.layout.comment is None:
            raise UserError(
                f"{self.label}:1: found '{self.names[0][:40]}', expected a header; if the line is "
                f"a comment: data.comment='{self.names[0][0]}' (or data.skip_lines=1)"
            )
        times = Counter(self.names)
        for name in self.names:
            if is_number(name):
                raise UserError(
                    f"{self.label}:1: found the number '{name}', expected a header with the names "
                    "of the columns"
                )
            if times[name] > 1:
                raise UserError(
                    f"{self.label}:1: found two columns called '{name}', expected different names"
                )
        other = [d for d in ";\t|" if d != self.delimiter and d in self.names[0]]
        if len(self.names) == 1 and other:
            raise UserError(
                f"data.delimiter: {self.label} seems to use {delimiters.name_of(other[0])} between "
                f"columns, found {delimiters.name_of(self.delimiter)} in the configuration"
            )
        widest = max(map(len, top[self._head :]), default=0)
        if len(self.names) == 1 and widest > 1:
            raise UserError(
                f"{self.label}:1: found the one column '{self.names[0][:40]}' in the first line "
                f"and {widest} below, expected a header; lines above it: data.skip_lines=1"
            )


class _Lines(Iterable[str]):
    """The lines of a text from the header on, without comments; `number`: of the last one.

    Raises UserError for a line that is longer than those of a table are.
    """

    def __init__(self, text: TextIO, label: str, layout: Layout, sep_line: bool) -> None:
        self.number = 0
        self._text, self._label = text, label
        self._comment = layout.comment
        self._skip = layout.skip_lines + sep_line

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(LONGEST_LINE):
            self.number += 1
            if len(line) == LONGEST_LINE and line[-1] not in "\r\n":
                raise UserError(
                    f"{self._label}:{self.number}: found a line of more than {LONGEST_LINE:,} "
                    "characters, expected a CSV file"
                )
            if self.number <= self._skip:
                continue
            if self._comment is None or not line.lstrip().startswith(self._comment):
                yield line


def _title(encoding: str) -> str:
    return encoding.upper() if encoding.lower().startswith("utf") else encoding
