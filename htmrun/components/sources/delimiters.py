"""What separates the columns of a CSV file: by name, by a sep= line, or by the lines alike."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from htmrun.errors import UserError

NAMES = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " ", "colon": ":"}
_ESCAPED = {"\\t": "\t", "'\\t'": "\t", '"\\t"': "\t"}
_TRIED = (",", ";", "\t", "|")


def named(delimiter: str) -> str:
    """Return the character that a setting means: itself, `tab`, or `\\t` as it is printed."""
    return NAMES.get(delimiter.lower(), _ESCAPED.get(delimiter, delimiter))


def name_of(delimiter: str) -> str:
    """Return how the setting would be written."""
    return "tab" if delimiter == "\t" else "space" if delimiter == " " else f"'{delimiter}'"


def from_sep_line(line: str) -> str | None:
    """Return the character that a first line like sep=; names, None if it is no such line."""
    bare = line.rstrip("\r\n").strip('"')
    if bare[:4].lower() != "sep=" or len(bare) != 5:
        return None
    return bare[4]


def find(lines: Sequence[str], label: str, suffix: str) -> str:
    """Return the delimiter of a file that begins with `lines`, header first.

    Comma where nothing else would do. Raises UserError where several cut the lines alike.
    """
    if suffix in (".tsv", ".tab"):
        return "\t"
    widths = {delimiter: _widths(lines, delimiter) for delimiter in _TRIED}
    # What cuts every line into as many columns as the header has.
    certain = [d for d, found in widths.items() if len(set(found)) == 1 and found[0] > 1]
    if len(certain) > 1:
        both = " and ".join(map(name_of, certain))
        raise UserError(
            f"data.delimiter: {both} cut every line of {label} into as many columns as the "
            f"header, expected you to say which, e.g. data.delimiter={_word(certain[-1])}"
        )
    if certain:
        return certain[0]
    # A line is flawed, which will be said: what cuts the header and most lines alike.
    likely = {d: found.count(found[0]) for d, found in widths.items() if found and found[0] > 1}
    return max(likely, key=lambda d: likely[d]) if likely else ","


def _word(delimiter: str) -> str:
    return next(name for name, sign in NAMES.items() if sign == delimiter)


def _widths(lines: Sequence[str], delimiter: str) -> list[int]:
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter, strict=True) if row]
    except csv.Error:
        return []
    return [len(row) for row in rows]
