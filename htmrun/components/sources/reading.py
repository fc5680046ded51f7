"""How the rows of a series were read, so that rows which come later are read alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from htmrun.components.sources import Chunk
from htmrun.components.sources.cells import PLAIN, NumberFormat, Wanted, is_missing, numbers
from htmrun.components.sources.date_columns import Dates, together
from htmrun.components.sources.date_shapes import Order
from htmrun.components.sources.derived import Derived, Rule
from htmrun.components.sources.given_cells import Cell, number_of, text_of, time_of
from htmrun.components.sources.texts import Vocabulary
from htmrun.components.sources.timestamps import read_one
from htmrun.errors import UserError, nearest

if TYPE_CHECKING:
    from htmrun.components.sources.columns import Columns
    from htmrun.components.sources.csv_table import CSVTable

Row = Mapping[str, Cell]
"""Cells by column: texts as in a file, or numbers and times as a program has them."""


@dataclass(frozen=True)
class Reading:
    """Columns by name, and how their cells are written; see `columns.Columns`.

    starts: a column that starts new sequences, by numbers that are not 0, or where its text changes
    if `by_text`. where: texts of rows that are read, by column. delimiter: between columns. texts:
    columns of texts by field; vocabularies: the texts of each. rules: of what is derived.
    predicted: fields that are forecast besides the value.
    """

    numeric: Mapping[str, str]
    dates: tuple[str, ...]
    form: str
    unit: str
    order: Order | None
    numbers: NumberFormat
    missing: str
    starts: str | None = None
    by_text: bool = False
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    delimiter: str = ","
    texts: Mapping[str, str] = field(default_factory=dict)
    vocabularies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    predicted: Sequence[str] = ()

    @classmethod
    def of(
        cls, table: CSVTable, found: Columns, missing: str,
        vocabularies: Mapping[str, Sequence[str]], rules: Mapping[str, Rule],
    ) -> Reading:  # fmt: skip
        """Return how a table's rows are read; missing: what becomes of missing values."""
        names = table.names
        group = found.group if found.group is not None else found.sequence
        starts = found.reset if group is None else group
        return cls(
            {name: names[column] for name, column in found.numeric.items()},
            tuple(names[column] for column in found.dates.columns),
            found.dates.form, found.dates.unit, found.dates.order, found.numbers,
            missing,
            None if starts is None else names[starts], group is not None,
            {names[column]: texts for column, texts in found.where.items()},
            table.delimiter,
            {name: names[column] for name, column in found.texts.items()}, vocabularies, rules,
            found.predicted,
        )  # fmt: skip

    def facts(self) -> dict[str, Any]:
        """Return all of it as plain values, for `known`."""
        rules = {name: vars(rule) for name, rule in self.rules.items()}
        return {**vars(self), "numbers": vars(self.numbers), "rules": rules}

    @classmethod
    def known(cls, facts: Mapping[str, Any]) -> Reading:
        """Return the reading whose `facts` these are."""
        form = dict(facts["numbers"])
        form |= {name: tuple(form[name]) for name in ("missing", "units")}
        # Models of earlier versions know of none.
        rules = {name: Rule(**rule) for name, rule in facts.get("rules", {}).items()}
        given = {"dates": tuple(facts["dates"]), "numbers": NumberFormat(**form), "rules": rules}
        return cls(**{**facts, **given})

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that each row must have."""
        starts = () if self.starts is None else (self.starts,)
        fields = (*self.numeric.values(), *self.texts.values())
        return tuple(dict.fromkeys((*fields, *self.dates, *starts, *self.where)))

    @property
    def plain(self) -> Reading:
        """The same for numbers as JSON writes them."""
        return replace(self, numbers=replace(PLAIN, missing=self.numbers.missing))

    def must_be_there(self, names: Sequence[str], label: str) -> None:
        """Raise UserError where a column is missing in a header."""
        for name in self.columns:
            if names.count(name) > 1:
                raise UserError(
                    f"{label}: found two columns called '{name}', expected different names"
                )
            if name not in names:
                raise UserError(
                    f"{label}: found the columns {', '.join(names)}, expected '{name}' among them, "
                    f"as in the data that the model was trained on{nearest(name, names)}"
                )


@dataclass
class RowReader:
    """Reads rows in the order of time; what it keeps from one to the next is `state`.

    last: the last value of each field, where missing ones repeat it; mark: the last text of the
    column that starts sequences, None where it is not known: a new one starts; restart: a new one
    starts in any case.
    """

    reading: Reading
    last: dict[str, float] = field(default_factory=dict)
    mark: str | None = None
    restart: bool = False

    def __post_init__(self) -> None:
        self.derived = Derived(self.reading.rules)
        known = self.reading.vocabularies
        self._vocabularies = {name: Vocabulary(texts) for name, texts in known.items()}

    def state(self) -> dict[str, Any]:
        """Return all that later rows depend on; plain values."""
        return {"last": dict(self.last), "mark": self.mark, "derived": self.derived.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.last, self.mark = dict(state["last"]), state["mark"]
        self.derived.load(state.get("derived", {}))

    def place(self) -> tuple[Any, ...]:
        """Return where it is in the stream, for `go_back`."""
        derived = self.derived.state() if self.reading.rules else None
        return self.last, self.mark, self.restart, derived

    def go_back(self, place: tuple[Any, ...]) -> None:
        """Forget what was read since then."""
        self.last, self.mark, self.restart, derived = place
        if derived is not None:
            self.derived.load(derived)

    def wanted(self, row: Row) -> bool:
        """Say whether a row is one of those that are read at all."""
        where = self.reading.where
        return all(text_of(row[column]) in Wanted(texts) for column, texts in where.items())

    def chunk(self, rows: Sequence[Row]) -> Chunk:
        """Return rows as samples; ValueError in words for the first that cannot be read.

        Nothing is kept of rows of which one is wrong. What is derived is added by `derived`, to
        the samples that are taken.
        """
        reading, fields, last = self.reading, dict[str, np.ndarray](), dict(self.last)
        came, others = np.zeros(0), dict[str, np.ndarray]()
        for name, column in reading.numeric.items():
            values = self._numbers([row[column] for row in rows], column)
            if name == "value":
                came = values.copy()
            elif name in reading.predicted:
                others[name] = values.copy()
            fields[name] = self._filled(values, name, column, last)
        for name, column in reading.texts.items():
            cells = [text_of(row[column]) for row in rows]
            codes = self._vocabularies[name].numbers(cells, reading.numbers.missing)
            fields[name] = self._filled(codes, name, column, last, "a text")
        if reading.dates:
            fields["timestamp"] = self._times(rows)
        reset = self._resets(rows)
        self.last, self.restart = last, False
        if reading.starts is not None and rows:
            self.mark = text_of(rows[-1][reading.starts]).strip()
        return Chunk(fields, came, reset, np.ones(len(rows), np.uint8), others)

    def _numbers(self, cells: Sequence[Cell], column: str) -> npt.NDArray[np.float64]:
        form = self.reading.numbers
        if len(cells) == 1 and (one := number_of(cells[0], form)) is not None:
            return np.array([one])
        texts = [cell for cell in cells if isinstance(cell, str)]
        if len(texts) < len(cells):
            return np.concatenate([self._number(cell, column) for cell in cells])
        try:
            return numbers(texts, form)
        except ValueError as e:
            raise _no_number(texts[e.args[0]], column) from None

    def _number(self, cell: Cell, column: str) -> npt.NDArray[np.float64]:
        if isinstance(cell, str):
            return self._numbers([cell], column)
        one = number_of(cell, self.reading.numbers)
        if one is None:
            raise _no_number(cell, column)
        return np.array([one])

    def _filled(
        self,
        values: npt.NDArray[np.float64],
        name: str,
        column: str,
        last: dict[str, float],
        what: str = "a number",
    ) -> npt.NDArray[np.float64]:
        if len(values) == 1 and (value := values.item()) == value:
            last[name] = value
            return values
        for i in np.flatnonzero(np.isnan(values)):
            before = values[i - 1] if i else last.get(name, np.nan)
            if self.reading.missing != "previous" or np.isnan(before):
                raise ValueError(f"found no value in column '{column}', expected {what}")
            values[i] = before
        if len(values):
            last[name] = float(values[-1])
        return values

    def _times(self, rows: Sequence[Row]) -> np.ndarray:
        reading = self.reading
        if len(reading.dates) == 1:
            cells = [row[reading.dates[0]] for row in rows]
            if len(cells) == 1 and isinstance(cells[0], str):
                time = read_one(cells[0], reading.form, reading.unit)
                if time is not None:
                    return time
            elif not all(isinstance(cell, str) for cell in cells):
                return np.concatenate([self._time(cell) for cell in cells])
        texts = together([[text_of(row[column]) for row in rows] for column in reading.dates])
        dates = Dates(form=reading.form, unit=reading.unit, order=reading.order)
        times = dates.read(texts)
        if (bad := np.isnat(times)).any():
            text = texts[int(bad.argmax())]
            found = "no time" if is_missing(text) else f"'{text}'"
            columns = " and ".join(reading.dates)
            raise ValueError(
                f"found {found} in column '{columns}', expected a time like '{reading.form}'"
            )
        return times

    def _time(self, cell: Cell) -> np.ndarray:
        time = time_of(cell, self.reading.unit)
        if time is None:
            return self._times([{self.reading.dates[0]: text_of(cell)}])
        if np.isnat(time[0]):
            raise ValueError(f"found no time in column '{self.reading.dates[0]}', expected one")
        return time

    def _resets(self, rows: Sequence[Row]) -> npt.NDArray[np.uint8]:
        reading, reset = self.reading, np.zeros(len(rows), np.uint8)
        if reading.starts is not None:
            texts = [text_of(row[reading.starts]).strip() for row in rows]
            if reading.by_text:
                before = [self.mark, *texts[:-1]]
                reset[:] = [a != b for a, b in zip(before, texts, strict=True)]
            else:
                reset[:] = np.nan_to_num(self._numbers(texts, reading.starts)) != 0
        if self.restart:
            reset[:1] = 1
        return reset


def _no_number(cell: Cell, column: str) -> ValueError:
    return ValueError(f"found '{cell}' in column '{column}', expected a finite number")
