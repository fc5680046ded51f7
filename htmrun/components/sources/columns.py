"""Which column of a table is what: the value, the time, further inputs, resets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from htmrun.components.sources.csv_table import CSVTable, is_missing, is_number
from htmrun.components.sources.timestamps import AmbiguousError, find_format, parse
from htmrun.errors import UserError

if TYPE_CHECKING:
    from htmrun.components.sources.series import SeriesParameters

TIME_WORDS = ("date", "time", "day", "stamp", "when")


@dataclass(frozen=True)
class Columns:
    """Places of columns in a table.

    numeric: field name -> column, "value" first. timestamp, reset, sequence: column or None;
    a sequence column starts a new sequence wherever its text changes.
    """

    numeric: dict[str, int]
    timestamp: int | None
    timestamp_format: str
    reset: int | None
    sequence: int | None


def find_columns(table: CSVTable, parameters: SeriesParameters) -> Columns:
    """Return the columns that `parameters` name, or that header and first rows reveal.

    Raises UserError naming the setting where a column is missing or several would do.
    """
    p = parameters
    extra = {name: table.column(name, "values") for name in p.values}
    for name in ("value", "timestamp"):
        if name in extra:
            raise UserError(
                f"data.values: found '{name}', which is the name of a field of its own (see "
                f"data.{name}), expected other columns"
            )
    reset = _flagged(table, "r") if p.reset is None else table.column(p.reset, "reset")
    sequence = _flagged(table, "s") if p.reset is None else None
    value = None if p.value is None else table.column(p.value, "value")
    taken = {*extra.values(), reset, sequence, value}
    timestamp, form = _timestamp(table, p, taken)
    if value is None:
        value = _only_numeric(table, taken | {timestamp})
    return Columns({"value": value, **extra}, timestamp, form, reset, sequence)


def _flagged(table: CSVTable, flag: str) -> int | None:
    return table.flags.index(flag) if flag in table.flags else None


def _cells(table: CSVTable, column: int) -> list[str]:
    return [row[column] for row in table.probe if column < len(row)]


def _timestamp(
    table: CSVTable, p: SeriesParameters, taken: set[int | None]
) -> tuple[int | None, str]:
    declared = _flagged(table, "t")
    if declared is None and "datetime" in table.types:
        declared = table.types.index("datetime")
    if p.timestamp is not None:
        declared = table.column(p.timestamp, "timestamp")
    if declared is not None:
        return declared, p.timestamp_format or _format_of(table, declared)
    for column, name in enumerate(table.names):
        cells = _cells(table, column)
        if column in taken or not cells:
            continue
        if p.timestamp_format is not None:
            if _fit(cells, p.timestamp_format):
                return column, p.timestamp_format
            continue
        digits = any(word in name.lower() for word in TIME_WORDS)
        form = _found(table, column, cells, digits)
        if form is not None:
            return column, form
    if p.timestamp_format is not None:
        raise UserError(
            f"data.timestamp_format: no column of {table.label} fits '{p.timestamp_format}', "
            f"found e.g. {', '.join(repr(cell) for cell in table.probe[0][:4])}"
        )
    return None, ""


def _format_of(table: CSVTable, column: int) -> str:
    cells = _cells(table, column)
    form = _found(table, column, cells, True)
    if form is None:
        odd = next((c for c in cells if find_format([c], digits=True) is None), cells[0])
        raise UserError(
            f"data.timestamp_format: found '{odd}' in column '{table.names[column]}' of "
            f"{table.label}, expected dates of one known format; give it like '%d.%m.%Y %H:%M'"
        )
    return form


def _found(table: CSVTable, column: int, cells: Sequence[str], digits: bool) -> str | None:
    try:
        return find_format(cells, digits=digits)
    except AmbiguousError as e:
        raise UserError(
            f"data.timestamp_format: '{cells[0]}' in column '{table.names[column]}' of "
            f"{table.label} fits {' and '.join(e.formats)}, expected you to say which"
        ) from None


def _fit(cells: Sequence[str], form: str) -> bool:
    try:
        parse(cells, form)
    except ValueError:
        return False
    return True


def _only_numeric(table: CSVTable, taken: set[int | None]) -> int:
    numeric = []
    for column in range(len(table.names)):
        cells = [c for c in _cells(table, column) if not is_missing(c)]
        if column not in taken and cells and all(map(is_number, cells)):
            numeric.append(column)
    if len(numeric) == 1:
        return numeric[0]
    names = [table.names[column] for column in numeric]
    if names:
        raise UserError(
            f"data.value: {table.label} has several numeric columns ({', '.join(names)}), "
            f"expected one of them, e.g. data.value={names[0]}"
        )
    raise UserError(
        f"data.value: {table.label} has no column of numbers; its columns are "
        f"{', '.join(table.names)}"
    )
