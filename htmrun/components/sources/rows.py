"""One pass over the rows of a table, turned into samples block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from htmrun.components.sources import Chunk
from htmrun.components.sources.columns import Columns
from htmrun.components.sources.csv_table import CSVTable, numbers
from htmrun.components.sources.timestamps import Seconds, parse
from htmrun.errors import UserError

if TYPE_CHECKING:
    from htmrun.components.sources.series import SeriesParameters

Cells = Sequence[Sequence[str]]


class RowPass:
    """Reads a table once from top to bottom; `missing` counts missing values so far.

    `parameters.missing` must be one of error, skip, previous.
    """

    def __init__(self, table: CSVTable, columns: Columns, parameters: SeriesParameters) -> None:
        self.table = table
        self.columns = columns
        self.parameters = parameters
        self.missing = 0
        self._samples = 0
        self._last: dict[str, float] = dict.fromkeys(columns.numeric, np.nan)
        # Sequences are numbered, so a start in a row that is left out shows in the next one.
        self._sequence = 0
        self._last_sequence = -1
        self._sequence_name: str | None = None

    def chunks(self) -> Iterator[Chunk]:
        """Yield the samples; raises UserError with file and line at the first wrong row."""
        p = self.parameters
        stop = None if p.rows is None else p.skip_rows + p.rows
        first = 0
        for block in self.table.blocks():
            rows = len(block[0])
            low = min(max(p.skip_rows - first, 0), rows)
            high = rows if stop is None else min(stop - first, rows)
            if low < high:
                chunk = self._chunk([column[low:high] for column in block], first + low)
                if len(chunk):
                    yield chunk
            first += rows
            if stop is not None and first >= stop:
                return

    def _chunk(self, cells: Cells, first: int) -> Chunk:
        fields: dict[str, np.ndarray] = {
            name: self._numbers(cells, column, first)
            for name, column in self.columns.numeric.items()
        }
        if self.columns.timestamp is not None:
            fields["timestamp"] = self._times(cells[self.columns.timestamp], first)
        sequences = self._sequence + np.cumsum(self._starts(cells, first))
        self._sequence = int(sequences[-1])
        keep = self._settle_missing(fields, first)

        fields = {name: column[keep] for name, column in fields.items()}
        sequences = sequences[keep]
        reset = np.diff(sequences, prepend=self._last_sequence) != 0
        if len(sequences):
            self._last_sequence = int(sequences[-1])
        number = np.arange(self._samples, self._samples + len(reset))
        self._samples += len(reset)
        scored = number >= self.parameters.score_from
        return Chunk(fields, fields["value"], reset.astype(np.uint8), scored.astype(np.uint8))

    def _numbers(self, cells: Cells, column: int, first: int) -> npt.NDArray[np.float64]:
        try:
            return numbers(cells[column])
        except ValueError as e:
            (bad,) = e.args
            raise UserError(
                f"{self.table.place(first + bad)}: found '{cells[column][bad]}' in column "
                f"'{self.table.names[column]}', expected a finite number"
            ) from None

    def _settle_missing(self, fields: dict[str, np.ndarray], first: int) -> npt.NDArray[np.bool_]:
        """Fill gaps in `fields`, or say which rows to leave out; returns the rows to keep."""
        keep = np.ones(len(fields["value"]), bool)
        for name, column in self.columns.numeric.items():
            absent = np.isnan(fields[name])
            if absent.any():
                self.missing += int(absent.sum())
                if self.parameters.missing == "skip":
                    keep &= ~absent
                elif self.parameters.missing == "previous":
                    fields[name] = _filled(fields[name], self._last[name])
                    absent = np.isnan(fields[name])
                if self.parameters.missing != "skip" and absent.any():
                    self._refuse(name, column, first + int(absent.argmax()))
            self._last[name] = float(fields[name][-1])
        return keep

    def _refuse(self, name: str, column: int, row: int) -> None:
        way_out = (
            "a number to begin with (data.skip_rows, or data.missing=skip)"
            if self.parameters.missing == "previous"
            else "a number (or data.missing=skip or previous)"
        )
        raise UserError(
            f"{self.table.place(row)}: found no value in column '{self.table.names[column]}', "
            f"expected {way_out}"
        )

    def _times(self, cells: Sequence[str], first: int) -> Seconds:
        form = self.columns.timestamp_format
        try:
            return parse(cells, form)
        except ValueError:
            bad = _first_unfit(cells, form)
            raise UserError(
                f"{self.table.place(first + bad)}: found '{cells[bad]}', expected a time like "
                f"'{form}' (data.timestamp_format)"
            ) from None

    def _starts(self, cells: Cells, first: int) -> npt.NDArray[np.bool_]:
        starts = np.zeros(len(cells[0]), bool)
        if self.columns.reset is not None:
            starts |= np.nan_to_num(self._numbers(cells, self.columns.reset, first)) != 0
        if self.columns.sequence is not None:
            names = cells[self.columns.sequence]
            before = [self._sequence_name, *names[:-1]]
            starts |= np.array([a != b for a, b in zip(before, names, strict=True)])
            self._sequence_name = names[-1]
        return starts


def _filled(values: npt.NDArray[np.float64], last: float) -> npt.NDArray[np.float64]:
    joined = np.concatenate([[last], values])
    known = np.where(np.isnan(joined), 0, np.arange(len(joined)))
    return joined[np.maximum.accumulate(known)][1:]


def _first_unfit(cells: Sequence[str], form: str) -> int:
    """Return the place of the first cell that does not fit, by halving: parsing is fast in bulk."""
    low, high = 0, len(cells)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            parse(cells[low:middle], form)
        except ValueError:
            high = middle
        else:
            low = middle
    return low
