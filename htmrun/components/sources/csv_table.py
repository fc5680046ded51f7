"""CSV files as streams of columns: the header, and blocks of rows, never the whole file."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from htmrun.errors import UserError, nearest

BLOCK_ROWS = 16_384
PROBE_ROWS = 1_000
MISSING = frozenset({"", "nan", "na", "n/a", "null", "none"})
NUPIC_TYPES = frozenset({"float", "int", "integer", "string", "datetime", "bool", "list", "sdr"})
NUPIC_FLAGS = frozenset({"", "t", "r", "s", "c", "l"})


@dataclass(frozen=True)
class TextSource:
    """Text to read again and again: a file (gzip if it ends in .gz), or what `text` holds."""

    label: str
    path: Path | None = None
    text: str = ""

    def open(self) -> TextIO:
        """Open it from the start; raises UserError if that fails."""
        if self.path is None:
            return io.StringIO(self.text, newline="")
        try:
            if self.path.suffix == ".gz":
                return gzip.open(self.path, "rt", encoding="utf-8-sig", newline="")
            return open(self.path, encoding="utf-8-sig", newline="")
        except OSError as e:
            raise UserError(
                f"data.path: {self.path} cannot be read ({e.strerror}), expected a CSV file"
            ) from None


class CSVTable:
    """A table with named columns.

    names: column names. types, flags: the second and third header line of NuPIC's format
    (lower case), empty otherwise. probe: the first `PROBE_ROWS` rows as text.
    Raises UserError if there are no header, no rows, or two columns of one name.
    """

    def __init__(self, source: TextSource, delimiter: str) -> None:
        self.source = source
        self.delimiter = delimiter
        self._head = 1
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
        self._check_names()
        self.probe = top[self._head :][:PROBE_ROWS]
        if not self.probe:
            raise UserError(f"{self.label}: found no rows below the header, expected at least one")

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
            f"{', '.join(self.names)}{nearest(name, self.names)}"
        )

    def blocks(self) -> Iterator[list[tuple[str, ...]]]:
        """Yield the columns of up to BLOCK_ROWS rows at a time, below the header, as text."""
        rows = itertools.islice(self._rows(), self._head, None)
        width = len(self.names)
        done = 0
        while block := list(itertools.islice(rows, BLOCK_ROWS)):
            lengths = set(map(len, block))
            if lengths != {width}:
                bad = next(i for i, row in enumerate(block) if len(row) != width)
                raise UserError(
                    f"{self.place(done + bad)}: found {len(block[bad])} columns, expected {width} "
                    f"as in the header ({', '.join(self.names)})"
                )
            yield list(zip(*block, strict=True))
            done += len(block)

    def place(self, row: int) -> str:
        """Return FILE:LINE of a data row, counted from 0 below the header; reads up to it."""
        with self.source.open() as text:
            reader = self._reader(text)
            number = -self._head - 1
            for cells in reader:
                number += bool(cells)
                if number == row:
                    return f"{self.label}:{reader.line_num}"
        return self.label

    def _reader(self, text: TextIO) -> csv._reader:  # type: ignore[name-defined,unused-ignore]
        return csv.reader(text, delimiter=self.delimiter, strict=True)

    def _rows(self) -> Iterator[list[str]]:
        with self.source.open() as text:
            reader = self._reader(text)
            try:
                # Blank lines come out as empty lists.
                yield from filter(None, reader)
            except csv.Error as e:
                raise UserError(f"{self.label}:{reader.line_num}: {e}, expected CSV") from None
            except UnicodeDecodeError as e:
                raise UserError(
                    f"{self.label}: after line {reader.line_num}, byte {e.object[e.start]:#04x} is "
                    "no UTF-8 text, expected a CSV file in UTF-8"
                ) from None
            except (EOFError, gzip.BadGzipFile) as e:
                raise UserError(f"{self.label}: broken gzip file ({e})") from None

    def _is_nupic(self, top: list[list[str]]) -> bool:
        types = {cell.strip().lower() for cell in top[1]}
        flags = {cell.strip().lower() for cell in top[2]}
        return types <= NUPIC_TYPES and flags <= NUPIC_FLAGS and len(top[1]) == len(top[0])

    def _check_names(self) -> None:
        for name in self.names:
            if is_number(name):
                raise UserError(
                    f"{self.label}:1: found the number '{name}', expected a header with the names "
                    "of the columns"
                )
            if self.names.count(name) > 1:
                raise UserError(
                    f"{self.label}:1: found two columns called '{name}', expected different names"
                )
        other = [d for d in ";\t|" if d != self.delimiter and d in self.names[0]]
        if len(self.names) == 1 and other:
            raise UserError(
                f"data.delimiter: {self.label} seems to use {other[0]!r} between columns, "
                f"found {self.delimiter!r} in the configuration"
            )


def is_missing(text: str) -> bool:
    """Say whether a cell holds no value."""
    return text.strip().lower() in MISSING


def is_number(text: str) -> bool:
    """Say whether a cell holds a finite number."""
    try:
        return "_" not in text and bool(np.isfinite(float(text)))
    except ValueError:
        return False


def numbers(cells: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the cells as float64 (T,), NaN where one is missing.

    Raises ValueError(place of the first cell that is neither a finite number nor missing);
    Python's 1_000 is text.
    """
    plain = _all_numbers(cells)
    if plain is not None:
        return plain
    for i, cell in enumerate(cells):
        if not is_number(cell) and not is_missing(cell):
            raise ValueError(i)
    return np.array([np.nan if is_missing(c) else float(c) for c in cells], np.float64)


def _all_numbers(cells: Sequence[str]) -> npt.NDArray[np.float64] | None:
    # The common case in one pass; anything unusual is left to a look at each cell.
    try:
        out = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    return None if np.isinf(out).any() or "_" in "".join(cells) else out
