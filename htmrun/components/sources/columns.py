"""Which column of a table is what: the value, the time, further inputs, sequences, series."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from htmrun.components.sources.cells import PLAIN, NumberFormat, is_missing, is_number
from htmrun.components.sources.csv_table import CSVTable
from htmrun.components.sources.date_columns import Dates, find_dates
from htmrun.components.sources.number_columns import find_value, number_format
from htmrun.errors import UserError

if TYPE_CHECKING:
    from htmrun.components.sources.series import SeriesParameters


@dataclass(frozen=True)
class Columns:
    """Places of columns in a table.

    numeric: field name -> column, "value" first. dates: where times stand, and how they are
    written. texts: field name -> column of texts. predicted: fields that are forecast besides the
    value. reset, sequence, group: column or None; a sequence column starts a new sequence wherever
    its text changes, a group column tells series apart. where: column -> texts of the rows that are
    read. numbers: how numbers are written.
    label: column of flags, or None.
    """

    numeric: dict[str, int]
    dates: Dates
    reset: int | None = None
    sequence: int | None = None
    group: int | None = None
    where: dict[int, tuple[str, ...]] = field(default_factory=dict)
    numbers: NumberFormat = PLAIN
    texts: dict[str, int] = field(default_factory=dict)
    predicted: tuple[str, ...] = ()
    label: int | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What decides which values come out, for a fingerprint; what changes nothing is left out.

        Later kinds of columns show only where they are used, so that old runs compare on.
        """
        places = self.dates.columns
        found: dict[str, Any] = {
            "numeric": self.numeric,
            "timestamp": None if not places else places[0] if len(places) == 1 else places,
            "timestamp_format": self.dates.form,
            "reset": self.reset,
            "sequence": self.sequence,
        }
        if self.predicted:
            found["predicted"] = self.predicted
        if self.group is not None:
            found["group"] = self.group
        if self.where:
            found["where"] = {str(column): texts for column, texts in self.where.items()}
        if self.numbers != PLAIN:
            n = self.numbers
            found["numbers"] = [n.decimal, n.thousands, list(n.missing), list(n.units)]
        if self.label is not None:
            found["label"] = self.label
        return found


def find_columns(table: CSVTable, parameters: SeriesParameters) -> Columns:
    """Return the columns that `parameters` name, or that the file makes certain.

    Raises UserError naming the setting, or the cell, where a column is missing or several would do.
    """
    p = parameters
    first, predicted = p.predicted
    further = {name: table.column(name, "value") for name in predicted}
    extra = further | {name: table.column(name, "values") for name in p.values}
    texts = {name: table.column(name, f"texts.{name}") for name in p.texts}
    for option, names in (("values", extra), ("texts", texts)):
        for name in ("value", "timestamp"):
            if name in names:
                raise UserError(
                    f"data.{option}: found '{name}', which is the name of a field of its own (see "
                    f"data.{name}), expected other columns"
                )
    for name in texts:
        if name in extra or name == first:
            raise UserError(
                f"data.texts.{name}: found a column that is read as numbers too (data."
                f"{'values' if name in p.values else 'value'}), expected it in one place"
            )
    reset = _flagged(table, "r") if p.reset is None else table.column(p.reset, "reset")
    sequence = _flagged(table, "s") if p.reset is None else None
    if reset is not None and not _of_numbers(table, reset):
        reset, sequence = None, reset
    group = None if p.group_by is None else table.column(p.group_by, "group_by")
    where = {table.column(name, "where"): _texts(wanted) for name, wanted in p.where.items()}
    value = None if first is None else table.column(first, "value")
    label = None if p.label is None else table.column(p.label, "label")
    taken = {*extra.values(), *texts.values(), reset, sequence, group, *where, value} - {None}
    if label in taken:
        raise UserError(
            f"data.label: '{p.label}' has another use in this experiment, expected a column of its "
            "own"
        )
    taken |= {label} - {None}
    declared = _flagged(table, "t")
    if declared is None and "datetime" in table.types:
        declared = table.types.index("datetime")
    dates = find_dates(table, p, taken, declared)
    if value is None:
        missing = [str(text) for text in p.missing_values]
        value = find_value(table, missing, taken | set(dates.columns) | set(dates.unread))
    numeric = {"value": value, **extra}
    used = [*numeric.values(), *([] if reset is None else [reset])]
    apart = {*used, *texts.values(), *dates.columns, *dates.unread, sequence, group, *where, label}
    other = [column for column in range(len(table.names)) if column not in apart]
    numbers = number_format(table, p, used, other)
    return Columns(numeric, dates, reset, sequence, group, where, numbers, texts, predicted, label)


def _flagged(table: CSVTable, flag: str) -> int | None:
    return table.flags.index(flag) if flag in table.flags else None


def _of_numbers(table: CSVTable, column: int) -> bool:
    return all(is_number(cell) or is_missing(cell) for cell in table.probed(column))


def _texts(wanted: Any) -> tuple[str, ...]:
    found = wanted if isinstance(wanted, (list, tuple)) else (wanted,)
    return tuple(str(text).strip() for text in found)
