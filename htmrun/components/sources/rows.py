"""One pass over the rows of a table, turned into samples block by block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from htmrun.backends.parameters import LARGEST
from htmrun.components.sources import Chunk
from htmrun.components.sources.cells import Wanted, is_missing, is_number, numbers
from htmrun.components.sources.changes import changed
from htmrun.components.sources.columns import Columns
from htmrun.components.sources.csv_table import BLOCK_ROWS, CSVTable
from htmrun.components.sources.labels import Flags, read_flags
from htmrun.components.sources.number_columns import hint
from htmrun.components.sources.texts import Vocabulary
from htmrun.components.sources.timestamps import Times
from htmrun.errors import UserError

if TYPE_CHECKING:
    from htmrun.components.sources.series import SeriesParameters

Cells = Sequence[Sequence[str]]
Ints = npt.NDArray[np.int64]

_FLAGS = "\0flags"
"""Stands among the fields of a block, and is a name that no column has."""
ROWS_SORTED = 50_000_000
"""Rows that are held in memory at most, where they are sorted or grouped."""


@dataclass(frozen=True)
class Block:
    """Rows that are used: fields as in a `Chunk`, and of each row the value that came (NaN: none),
    the number of its sequence, of its series, its place below the header, and what came of the
    other fields that are forecast."""

    fields: dict[str, np.ndarray]
    came: npt.NDArray[np.float64]
    sequence: Ints
    group: Ints
    row: Ints
    others: dict[str, npt.NDArray[np.float64]]

    def take(self, places: npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice) -> Block:
        """Return these rows in this order."""
        fields = {name: column[places] for name, column in self.fields.items()}
        others = {name: column[places] for name, column in self.others.items()}
        return Block(
            fields, self.came[places], self.sequence[places], self.group[places], self.row[places],
            others,
        )  # fmt: skip


class RowPass:
    """Reads a table once from top to bottom; `missing` counts missing values so far.

    `parameters.missing` must be one of error, skip, previous. rows: places below the header of
    the samples of the chunk that came last; flags: their labels, empty without any.
    """

    def __init__(
        self, table: CSVTable, columns: Columns, parameters: SeriesParameters,
        vocabularies: Mapping[str, Vocabulary],
    ) -> None:  # fmt: skip
        """vocabularies: of the columns of texts, by field."""
        self.table = table
        self._vocabularies = vocabularies
        self._fields = {**columns.numeric, **columns.texts}
        self.columns = columns
        self.parameters = parameters
        self.missing = 0
        self.rows: Ints = np.empty(0, np.int64)
        self.flags: Flags = np.zeros(0, np.bool_)
        self._samples = 0
        self._last: dict[tuple[int, str], float] = {}
        # Sequences are numbered, so a start in a row that is left out shows in the next one.
        self._sequence = 0
        self._last_sequence = (-1, -1)
        self._sequence_name: str | None = None
        self._groups: dict[str, int] = {}

    def chunks(self) -> Iterator[Chunk]:
        """Yield the samples; raises UserError with file and line at the first wrong row."""
        blocks = self._blocks()
        if self.columns.group is not None or self.parameters.sort:
            blocks = _sorted(blocks, bool(self.parameters.sort))
        for block in blocks:
            # Filled once they are in order: the value before is the one before in time.
            keep = self._settle_missing(block)
            if keep.any():
                yield self._chunk(block.take(keep))

    def _blocks(self) -> Iterator[Block]:
        """Yield the rows in the order of the file."""
        p = self.parameters
        stop = None if p.rows is None else p.skip_rows + p.rows
        first = 0
        for block in self.table.blocks():
            rows = len(block[0])
            low = min(max(p.skip_rows - first, 0), rows)
            high = rows if stop is None else min(stop - first, rows)
            if low < high:
                cells: Cells = [column[low:high] for column in block]
                yield from self._read(cells, np.arange(first + low, first + high))
            first += rows
            if stop is not None and first >= stop:
                return

    def _read(self, cells: Cells, row: Ints) -> Iterator[Block]:
        if self.columns.where:
            chosen = self._chosen(cells)
            row = row[chosen]
            if not len(row):
                return
            cells = [[column[i] for i in chosen] for column in cells]
        fields: dict[str, np.ndarray] = {
            name: self._numbers(cells, column, row) for name, column in self.columns.numeric.items()
        }
        for name, column in self.columns.texts.items():
            missing = self.columns.numbers.missing
            fields[name] = self._vocabularies[name].numbers(cells[column], missing)
        if self.columns.dates.columns:
            fields["timestamp"] = self._times(cells, row)
        sequence = self._sequence + np.cumsum(self._starts(cells, row))
        self._sequence = int(sequence[-1])
        if self.columns.label is not None:
            fields[_FLAGS] = self._flags(cells[self.columns.label], row)
        came = fields["value"].copy()
        others = {name: fields[name].copy() for name in self.columns.predicted}
        yield Block(fields, came, sequence, self._group(cells, len(row)), row, others)

    def _chosen(self, cells: Cells) -> list[int]:
        chosen = range(len(cells[0]))
        for column, texts in self.columns.where.items():
            wanted, known = Wanted(texts), cells[column]
            chosen = [i for i in chosen if known[i] in wanted]  # type: ignore[assignment]
        return list(chosen)

    def _chunk(self, block: Block) -> Chunk:
        self.rows = block.row
        if _FLAGS in block.fields:  # What is no field of the chunk no model can read.
            self.flags = block.fields.pop(_FLAGS)
        groups = np.concatenate([[self._last_sequence[0]], block.group])
        sequences = np.concatenate([[self._last_sequence[1]], block.sequence])
        reset = (np.diff(groups) != 0) | (np.diff(sequences) != 0)
        self._last_sequence = int(groups[-1]), int(sequences[-1])
        number = np.arange(self._samples, self._samples + len(reset))
        self._samples += len(reset)
        scored = number >= self.parameters.score_from
        changes = self.parameters.changes
        if changes:
            times = block.fields.get("timestamp")
            filled = changed(changes, block.fields["value"], number, times)
            came = changed(changes, block.came, number, times)
            block = replace(block, fields={**block.fields, "value": filled}, came=came)
        flags = reset.astype(np.uint8), scored.astype(np.uint8)
        return Chunk(block.fields, block.came, *flags, block.others)

    def _numbers(self, cells: Cells, column: int, row: Ints) -> npt.NDArray[np.float64]:
        form = self.columns.numbers
        try:
            return numbers(cells[column], form)
        except ValueError as e:
            (bad,) = e.args
            cell = cells[column][bad]
            at_most = f" of at most {LARGEST:g}" if is_number(cell) else ""
            cell = cell if len(cell) <= 60 else f"{cell[:57]}..."
            raise UserError(
                f"{self.table.place(int(row[bad]))}: found '{cell}' in column "
                f"'{self.table.names[column]}', expected a finite number"
                f"{at_most or hint(cell, form)}"
            ) from None

    def _flags(self, cells: Sequence[str], row: Ints) -> Flags:
        try:
            return read_flags(cells)
        except ValueError as e:
            (bad,) = e.args
            assert self.columns.label is not None
            raise UserError(
                f"{self.table.place(int(row[bad]))}: found '{cells[bad]}' in column "
                f"'{self.table.names[self.columns.label]}' (data.label), expected 0, 1, true or "
                "false"
            ) from None

    def _settle_missing(self, block: Block) -> npt.NDArray[np.bool_]:
        """Fill gaps in the fields, or say which rows to leave out; returns the rows to keep."""
        keep = np.ones(len(block.row), bool)
        if "timestamp" in block.fields:
            keep &= ~np.isnat(block.fields["timestamp"])
        for name, column in self._fields.items():
            absent = np.isnan(block.fields[name])
            if absent.any():
                self.missing += int(absent.sum())
                if self.parameters.missing == "skip":
                    keep &= ~absent
                    continue
                if self.parameters.missing == "previous":
                    self._fill(block, name)
                    absent = np.isnan(block.fields[name])
                if absent.any():
                    self._refuse(column, int(block.row[absent.argmax()]))
            if self.parameters.missing == "previous":
                self._remember(block, name)
        return keep

    def _fill(self, block: Block, name: str) -> None:
        """Repeat the last value, each series its own."""
        values = block.fields[name]
        for group in np.unique(block.group):
            here = block.group == group
            values[here] = _filled(values[here], self._last.get((int(group), name), np.nan))

    def _remember(self, block: Block, name: str) -> None:
        last = len(block.group) - 1 - np.unique(block.group[::-1], return_index=True)[1]
        for place in last:
            self._last[int(block.group[place]), name] = float(block.fields[name][place])

    def _refuse(self, column: int, row: int) -> None:
        what = "a text" if column in self.columns.texts.values() else "a number"
        way_out = (
            f"{what} to begin with (data.skip_rows, or data.missing=skip)"
            if self.parameters.missing == "previous"
            else f"{what} (or data.missing=skip or previous)"
        )
        raise UserError(
            f"{self.table.place(row)}: found no value in column '{self.table.names[column]}', "
            f"expected {way_out}"
        )

    def _times(self, cells: Cells, row: Ints) -> Times:
        dates = self.columns.dates
        texts = dates.texts(cells)
        times = dates.read(texts)
        for bad in np.flatnonzero(np.isnat(times)).tolist():
            absent = all(is_missing(cells[column][bad]) for column in dates.columns)
            if not (absent and self.parameters.missing == "skip"):
                way_out = " or data.missing=skip" if absent else ""
                raise UserError(
                    f"{self.table.place(int(row[bad]))}: found '{texts[bad]}', expected a time "
                    f"like '{dates.form}' (data.timestamp_format{way_out})"
                )
        return times

    def _starts(self, cells: Cells, row: Ints) -> npt.NDArray[np.bool_]:
        starts = np.zeros(len(row), bool)
        if self.columns.reset is not None:
            starts |= np.nan_to_num(self._numbers(cells, self.columns.reset, row)) != 0
        if self.columns.sequence is not None:
            names = cells[self.columns.sequence]
            before = [self._sequence_name, *names[:-1]]
            starts |= np.array([a != b for a, b in zip(before, names, strict=True)])
            self._sequence_name = names[-1]
        return starts

    def _group(self, cells: Cells, rows: int) -> Ints:
        """Return the number of each row's series, in the order in which they begin."""
        if self.columns.group is None:
            return np.zeros(rows, np.int64)
        known = self._groups
        texts = cells[self.columns.group]
        return np.array([known.setdefault(text.strip(), len(known)) for text in texts], np.int64)


def _sorted(blocks: Iterator[Block], by_time: bool) -> Iterator[Block]:
    """Yield the rows series by series, each in the order of its times if asked for."""
    held = list(blocks)
    count = sum(len(block.row) for block in held)
    if count > ROWS_SORTED:
        raise UserError(
            f"data.sort: found {count:,} rows, expected at most {ROWS_SORTED:,} to hold in memory"
        )
    if not held:
        return
    names = held[0].fields
    whole = Block(
        {name: np.concatenate([block.fields[name] for block in held]) for name in names},
        np.concatenate([block.came for block in held]),
        np.concatenate([block.sequence for block in held]),
        np.concatenate([block.group for block in held]),
        np.concatenate([block.row for block in held]),
        {name: np.concatenate([b.others[name] for b in held]) for name in held[0].others},
    )
    held.clear()
    order = np.argsort(whole.fields["timestamp"], kind="stable") if by_time else whole.row.argsort()
    order = order[np.argsort(whole.group[order], kind="stable")]
    for start in range(0, count, BLOCK_ROWS):
        yield whole.take(order[start : start + BLOCK_ROWS])


def _filled(values: npt.NDArray[np.float64], last: float) -> npt.NDArray[np.float64]:
    joined = np.concatenate([[last], values])
    known = np.where(np.isnan(joined), 0, np.arange(len(joined)))
    return joined[np.maximum.accumulate(known)][1:]
