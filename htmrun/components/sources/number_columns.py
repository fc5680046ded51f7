"""Which column of numbers is forecast, and how numbers are written in a table."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from htmrun.components.sources.cells import (
    STYLES,
    NumberFormat,
    is_missing,
    is_number,
    looks_numeric,
    value_of,
)
from htmrun.components.sources.csv_table import CSVTable
from htmrun.errors import UserError, listed

if TYPE_CHECKING:
    from htmrun.components.sources.series import SeriesParameters

ODD_TEXTS = 2
"""Different texts, such as ? or off, beside which even few numbers make a column of numbers."""


def find_value(table: CSVTable, missing: Sequence[str], taken: Collection[int | None]) -> int:
    """Return the only column of numbers; one with a bad cell counts, and is named later.

    missing: texts that stand for no value. Raises UserError if there are none or several.
    """
    free = [c for c in range(len(table.names)) if c not in taken and not _counts_rows(table, c)]
    found = [c for c in free if _of_numbers(_present(table, c, missing))]
    empty = [c for c in free if not _present(table, c, missing)]
    if empty and len(found) < 2:
        found = sorted({*found, *_numbers_further_down(table, empty, missing)})
    if len(found) == 1:
        return found[0]
    if found:
        names = listed(_with_a_cell(table, column, missing) for column in found)
        raise UserError(
            f"data.value: {table.label} has several numeric columns ({names}), "
            f"expected one of them, e.g. data.value={table.names[found[0]]}"
        )
    spaces = len(table.names) == 1 and len(table.names[0].split()) > 1
    raise UserError(
        f"data.value: {table.label} has no column of numbers; its columns are "
        f"{listed(table.names)}{' (data.delimiter=space?)' if spaces else ''}"
    )


def _present(table: CSVTable, column: int, missing: Sequence[str]) -> list[str]:
    cells = table.probed(column)
    return [c for c in cells if not is_missing(c) and c.strip() not in missing]


def _of_numbers(texts: Sequence[str]) -> bool:
    odd = [text for text in texts if not looks_numeric(text) and not is_number(text)]
    few = len(set(odd)) <= ODD_TEXTS
    return len(odd) < len(texts) and (few or 2 * len(odd) <= len(texts))


def _counts_rows(table: CSVTable, column: int) -> bool:
    """Say whether a column without a name numbers the rows, as pandas writes it."""
    if table.names[column] and not re.fullmatch(r"Unnamed: \d+", table.names[column]):
        return False
    cells = table.probed(column)
    if not all(cell.isdecimal() for cell in cells):
        return False
    counts = list(map(int, cells))
    return counts == list(range(counts[0], counts[0] + len(counts)))


def _numbers_further_down(
    table: CSVTable, empty: Sequence[int], missing: Sequence[str]
) -> list[int]:
    """Return which columns, empty in the first rows, hold numbers where they begin."""
    found = []
    left = set(empty)
    for block in table.blocks():
        for column in sorted(left):
            present = [c for c in block[column] if not is_missing(c) and c.strip() not in missing]
            if present:
                left.remove(column)
                if _of_numbers(present):
                    found.append(column)
        if not left:
            break
    return found


def _with_a_cell(table: CSVTable, column: int, missing: Sequence[str]) -> str:
    texts = _present(table, column, missing)
    odd = next((text for text in texts if not is_number(text)), None)
    return table.names[column] + ("" if odd is None else f" '{odd}'")


def number_format(
    table: CSVTable, p: SeriesParameters, used: Iterable[int], other: Iterable[int]
) -> NumberFormat:
    """Return how the `used` columns write numbers; those of `other` tell of the file's ways.

    Raises UserError, with a cell, where the first rows can be read in two ways.
    """
    missing = tuple(str(text) for text in p.missing_values)
    units = tuple(sorted(p.units, key=len, reverse=True))  # kW goes whole, not its W.
    styles = [
        style
        for style in STYLES
        if p.decimal in (None, style.decimal) and p.thousands in (None, style.thousands)
    ]
    if not styles:
        return NumberFormat(p.decimal or ".", p.thousands or "", missing, units)
    styles = [replace(style, missing=missing, units=units) for style in styles]
    columns = list(dict.fromkeys(used))
    fits = _common(table, columns, styles, missing) or styles
    fits = _common(table, other, fits, missing) or fits
    for column in columns:
        _must_be_one(table, column, fits, missing, asked=p.decimal is None and p.thousands is None)
    return fits[0]


def _common(
    table: CSVTable, columns: Iterable[int], styles: list[NumberFormat], missing: Sequence[str]
) -> list[NumberFormat]:
    """Return the styles that fit the numbers of every column that any of them fits."""
    fits = styles
    for column in columns:
        texts = [t for t in _present(table, column, missing) if looks_numeric(t) or is_number(t)]
        here = [s for s in fits if all(value_of(text, s) is not None for text in texts)]
        fits = here or fits
    return fits


def _must_be_one(
    table: CSVTable,
    column: int,
    styles: Sequence[NumberFormat],
    missing: Sequence[str],
    asked: bool,
) -> None:
    """Raise UserError where styles that fit read a number of the column differently."""
    texts = [t for t in _present(table, column, missing) if looks_numeric(t)]
    # A dot before three digits is a fraction, but where columns are parted by ; it may be neither.
    points = not any("," in text for text in texts)
    if points and table.delimiter != ";" and styles[0].decimal == "." and asked:
        return
    for text in texts:
        values = {s: value_of(text, s) for s in styles}
        here = {v for v in values.values() if v is not None}
        if len(here) > 1:
            row = table.probed(column).index(text)
            one, two = sorted(here, reverse=True)[:2]
            ways = {values[s]: s for s in reversed(styles)}
            raise UserError(
                f"data.decimal: '{text}' in column '{table.names[column]}' of {table.place(row)} "
                f"can be {one:.15g} or {two:.15g}, expected you to say which: {_set(ways[one])} or "
                f"{_set(ways[two])}"
            )


def _set(style: NumberFormat) -> str:
    if style.thousands:
        return f"\"data.thousands='{style.thousands}'\""
    return f"\"data.decimal='{style.decimal}'\""


def hint(cell: str, form: NumberFormat) -> str:
    """Return which setting would read a cell that is no number; empty if none would."""
    bare = cell.strip()
    for style in STYLES:
        if value_of(bare, replace(style, missing=form.missing, units=form.units)) is not None:
            grouped = f' data.thousands="{style.thousands}"' if style.thousands else ""
            return f' (or data.decimal="{style.decimal}"{grouped})'
    if looks_numeric(bare):
        unit = re.sub(r"^[^\d]*[+-]?[\d.,' ]*\d(?:[eE][+-]?\d+)?\s*", "", bare) or bare[:1]
        return f" (or data.units=['{unit}'], text beside numbers that is left out)"
    if len(bare) <= 12 and not any(map(str.isdigit, bare)):
        return f" (or data.missing_values=['{bare}'], if it stands for none)"
    return ""
