"""Which column holds the times of a table, perhaps two of them, and how they are written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from htmrun.components.sources.cells import is_missing, is_number
from htmrun.components.sources.csv_table import PROBE_ROWS, CSVTable
from htmrun.components.sources.date_readings import Reading, add_to_all, best, readings
from htmrun.components.sources.date_shapes import ORDERS, Order, format_of, is_clock
from htmrun.components.sources.timestamps import Times, read, unit_of
from htmrun.errors import UserError

if TYPE_CHECKING:
    from htmrun.components.sources.series import SeriesParameters

DATE_WORDS = ("date", "day", "datum", "fecha", "dia", "jour", "tag")
CLOCK_WORDS = ("time", "clock", "hour", "zeit", "hora", "heure")
OTHER_WORDS = ("stamp", "when", "epoch", "unix", "month")
SHORT_WORDS = ("ts", "t", "dt", "data")
YEARS = ("year", "yr", "jahr", "ano", "annee")

_LIKE_A_DATE = re.compile(
    r"(?<![\d.])\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?![.\d])|\d:\d\d|"
    r"\d{1,2}[-. ]+[^\W\d_]{3,}[-. ,]+\d{2,4}"
)
WAY_OUT = "data.timestamp_format says how (e.g. '%d.%m.%Y %H:%M'); data.timestamp=[] takes no dates"


@dataclass(frozen=True)
class Dates:
    """Columns of times: none, one, or a date and a time of day, which are read as one text.

    form, unit, order: see `timestamps.read`; no order where the form is a setting. unread: columns
    that look like dates too. notes: what is worth a line.
    """

    columns: tuple[int, ...] = ()
    form: str = ""
    unit: str = "us"
    order: Order | None = None
    unread: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def texts(self, cells: Sequence[Sequence[str]]) -> Sequence[str]:
        """Return the text of each time, of the cells of each column of a table."""
        return together([cells[column] for column in self.columns])

    def read(self, texts: Sequence[str]) -> Times:
        """Return the times, NaT where a text is none."""
        return read(texts, self.form, self.unit, self.order)


def together(columns: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return the texts of several columns, row by row, with a space between."""
    if len(columns) == 1:
        return columns[0]
    return [" ".join(map(str.strip, row)) for row in zip(*columns, strict=True)]


def find_dates(
    table: CSVTable, p: SeriesParameters, taken: Collection[int | None], declared: int | None
) -> Dates:
    """Return the columns of times that are named, declared by the file, or found.

    Raises UserError where a column is not there, cannot be read, or can be read in two ways.
    """
    named = p.timestamp
    if named is not None:
        names = (named,) if isinstance(named, str) else tuple(named)
        columns = tuple(table.column(name, "timestamp") for name in names)
        return _named(table, columns, p.timestamp_format) if columns else Dates()
    if declared is not None:
        return _named(table, (declared,), p.timestamp_format)
    free = [c for c in range(len(table.names)) if c not in taken]
    if p.timestamp_format is not None:
        return _fitting(table, free, p.timestamp_format)
    return _found(table, free)


def _present(table: CSVTable, columns: tuple[int, ...]) -> list[str]:
    texts = together([table.probed(column) for column in columns])
    return [text for text in texts if not is_missing(text)]


def _title(table: CSVTable, columns: tuple[int, ...]) -> str:
    names = [f"'{table.names[column]}'" for column in columns]
    return f"column{'s' * (len(names) > 1)} {' and '.join(names)}"


def _named(table: CSVTable, columns: tuple[int, ...], form: str | None) -> Dates:
    texts = _present(table, columns)
    if form is not None:
        return Dates(columns, form, unit_of(texts, form))
    found = _decided(table, columns, texts, digits=True, years=True)
    if found is None:
        raise _unreadable(table, columns, texts, digits=True)
    return found


def _fitting(table: CSVTable, free: Sequence[int], form: str) -> Dates:
    for column in free:
        texts = _present(table, (column,))
        if texts and not np.isnat(read(texts, form)).any():
            return Dates((column,), form, unit_of(texts, form))
    raise UserError(
        f"data.timestamp_format: no column of {table.label} fits '{form}', "
        f"found e.g. {', '.join(repr(cell) for cell in table.probe[0][:4])}"
    )


def _found(table: CSVTable, free: Sequence[int]) -> Dates:
    """Return the first column that can be read as dates, with the clock beside it if it has one."""
    odd: list[int] = []
    good: list[tuple[int, list[str]]] = []
    for column in free:
        texts = _present(table, (column,))
        if not texts:
            continue
        kind = _kind(table, column, texts)
        if kind == "dates":
            good.append((column, texts))
        elif kind == "odd":
            odd.append(column)
    clocks = [
        c for c in free if _all(is_clock, _present(table, (c,))) and _says(table, c, CLOCK_WORDS)
    ]
    if not good:
        if odd:
            texts = _present(table, (odd[0],))
            raise _unreadable(table, (odd[0],), texts, _is_time(table, odd[0]))
        return Dates(notes=_called_times(table, free))
    column, texts = good[0]
    columns: tuple[int, ...] = (column,)
    if len(clocks) == 1 and clocks[0] != column and _no_clock(texts):
        columns = (column, clocks[0])
        texts = _present(table, columns)
    found = _decided(table, columns, texts, *_asked(table, column))
    if found is None:
        raise _unreadable(table, columns, texts, _is_time(table, column))
    others = [c for c, _ in good[1:] if c not in columns] + [c for c in odd if c not in columns]
    notes = []
    if others:
        names = ", ".join(f"'{table.names[c]}'" for c in others)
        notes.append(
            f"times come from {_title(table, columns)}; {names} look like dates too "
            "(data.timestamp=COLUMN)"
        )
    return Dates(columns, found.form, found.unit, found.order, tuple(others), tuple(notes))


def _kind(table: CSVTable, column: int, texts: Sequence[str]) -> str:
    """Return dates, odd where most cells look like dates and some cannot be read, or empty."""
    digits, years = _asked(table, column)
    shaped = [any(format_of(t, o, digits=digits, years=years) for o in ORDERS) for t in texts[:50]]
    if _all(is_number, texts) and not any(shaped):
        return ""
    if shaped[0] and any(r.bad is None for r in readings(texts, digits=digits, years=years)):
        if years and not _all(str.isdecimal, texts):
            return ""
        if not years or _rising(texts):
            return "dates"
        return ""
    if years or (digits and _all(is_number, texts)):
        return ""
    like = sum(_looks_like_a_date(text, _is_time(table, column)) for text in texts)
    # A time of day belongs to a date; 13.00 is a number and 0:01 may be a duration.
    return "odd" if like > len(texts) / 2 and not _all(is_clock, texts) else ""


def _rising(texts: Sequence[str]) -> bool:
    steps = np.diff(np.array(texts, np.int64))
    return len(steps) > 0 and bool((steps == steps[0]).all()) and steps[0] != 0


def _asked(table: CSVTable, column: int) -> tuple[bool, bool]:
    name = table.names[column].lower()
    return _is_time(table, column), name in YEARS


def _is_time(table: CSVTable, column: int) -> bool:
    name = table.names[column].lower()
    return name in SHORT_WORDS or _says(table, column, DATE_WORDS + CLOCK_WORDS + OTHER_WORDS)


def _says(table: CSVTable, column: int, words: Sequence[str]) -> bool:
    return any(word in table.names[column].lower() for word in words)


def _all(test: Callable[[str], bool], texts: Sequence[str]) -> bool:
    return bool(texts) and all(map(test, texts))


def _no_clock(texts: Sequence[str]) -> bool:
    forms = (format_of(texts[0], order, digits=True) for order in ORDERS)
    return all(form is None or not re.search("%[HI]|epoch", form) for form in forms)


def _looks_like_a_date(text: str, called_so: bool) -> bool:
    if any(format_of(text, order, digits=False) for order in ORDERS):
        return True
    if is_number(text):
        return False
    if _LIKE_A_DATE.search(text) and sum(map(str.isdigit, text)) > len(text) / 4:
        return called_so or not re.fullmatch(r"\d{1,3}:\d\d(:\d\d)?", text.strip())
    return called_so and sum(map(str.isdigit, text)) >= 4


def _called_times(table: CSVTable, free: Sequence[int]) -> tuple[str, ...]:
    """Return a line about a column that is called a time and holds none."""
    for column in free:
        texts = _present(table, (column,))
        found = f"column '{table.names[column]}' holds"
        if not texts or not _strictly_a_time(table, column):
            continue
        if _all(is_number, texts):
            return (
                f"{found} numbers that are no dates (found '{texts[0]}'): there are no times "
                "(data.timestamp_format, if they are dates)",
            )
        if _all(is_clock, texts):
            return (
                f"{found} times of day without dates (found '{texts[0]}'): there are no times "
                "(data.timestamp=[DATE,TIME], if the dates stand in another column)",
            )
    return ()


def _strictly_a_time(table: CSVTable, column: int) -> bool:
    bare = re.sub(r"[^a-z]", "", table.names[column].lower())
    return bare in ("date", "datetime", "timestamp", "time", "ts", "when")


def _decided(
    table: CSVTable, columns: tuple[int, ...], texts: Sequence[str], digits: bool, years: bool
) -> Dates | None:
    """Return how the columns are read, None if they cannot be; looks at all rows where needed."""
    found = [r for r in readings(texts, digits=digits, years=years) if r.bad is None]
    if not found:
        return None
    if any(reading.differs for reading in found) and len(table.probe) == PROBE_ROWS:
        found = _over_all_rows(table, columns, found)
    reading = best(found)
    if reading is None:
        fit = [r for r in found if r.bad is None]
        if fit:
            raise _ambiguous(table, columns, texts, fit)
        reading = max(found, key=lambda r: r.bad or 0)
    return Dates(columns, reading.form, reading.unit, reading.order)


def _over_all_rows(
    table: CSVTable, columns: tuple[int, ...], found: Sequence[Reading]
) -> list[Reading]:
    """Return the readings with all rows of the file added, not only the first ones."""
    fresh = [Reading(r.form, r.order, r.unit) for r in found]
    for block in table.blocks():
        texts = together([block[column] for column in columns])
        add_to_all(fresh, [text for text in texts if not is_missing(text)])
        if sum(reading.bad is None for reading in fresh) < 2:
            break
    return fresh


def _ambiguous(
    table: CSVTable, columns: tuple[int, ...], texts: Sequence[str], fit: Sequence[Reading]
) -> UserError:
    times = [read(texts, r.form, r.unit, r.order) for r in fit]
    differ = np.any([t != times[0] for t in times[1:]], axis=0)
    text = texts[int(differ.argmax())]
    forms = " and ".join(reading.form for reading in fit)
    return UserError(
        f"data.timestamp_format: '{text}' in {_title(table, columns)} of {table.label} fits "
        f"{forms}, expected you to say which"
    )


def _unreadable(
    table: CSVTable, columns: tuple[int, ...], texts: Sequence[str], digits: bool
) -> UserError:
    """Return the error that names the first cell that is no date like most others."""
    bad = 0
    for order in ORDERS:
        forms = Counter(format_of(text, order, digits=digits) for text in texts[:200])
        form = next((f for f, _ in forms.most_common() if f is not None), None)
        if form is not None:
            unfit = np.isnat(read(texts, form, order=order))
            bad = max(bad, int(unfit.argmax()))
    cell = texts[bad] if texts else ""
    every = together([table.probed(column) for column in columns])
    row = next((i for i, text in enumerate(every) if text == cell), 0)
    return UserError(
        f"data.timestamp_format: found '{cell}' in {_title(table, columns)} of "
        f"{table.place(row)}, which looks like dates but is none of a known format; {WAY_OUT}"
    )
