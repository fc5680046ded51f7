"""Labels of a series: which stretches of it people, or a machine's log, call anomalies.

They stand in a column of flags, in a CSV file with columns start and end, or in JSON as the Numenta
Anomaly Benchmark has it: {"PATH": [["START", "END"], ...]}, both ends inside. No model sees them.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.components import files
from htmrun.components.sources.date_columns import Dates
from htmrun.components.sources.timestamps import Times
from htmrun.errors import UserError, mismatch

Windows = tuple[tuple[int, int], ...]
Flags = npt.NDArray[np.bool_]

MOST_LABELS = 1 << 26
"""Bytes of a file of labels at most."""
TRUE, FALSE = ("1", "1.0", "true"), ("0", "0.0", "false")
_ZONE = re.compile(r"\s*(Z|UTC|[+-]\d\d:?\d\d)$")
_EXPECTED = 'windows: {"FILE": [["START", "END"], ...]}, or CSV with columns start and end'


class Flagged:
    """Windows from flags: each run of flagged samples of one sequence is one."""

    notes: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []
        self._seen, self._open = 0, False

    def add(self, flags: Flags, reset: npt.NDArray[np.uint8]) -> None:
        """Take in the next samples."""
        before = np.concatenate([[self._open], flags[:-1]])
        goes_on = before & flags & (reset == 0)
        self._begins += (np.flatnonzero(flags & ~goes_on) + self._seen).tolist()
        self._ends += (np.flatnonzero(before & ~goes_on) + self._seen - 1).tolist()
        self._seen, self._open = self._seen + len(flags), bool(flags[-1])

    def windows(self, complete: bool) -> Windows:
        """Return first and last sample of each."""
        ends = [*self._ends, self._seen - 1] if self._open else self._ends
        return tuple(zip(self._begins, ends, strict=True))


class Timed:
    """Windows from times; each needs a sample in it."""

    def __init__(self, label: str, begins: Times, ends: Times, texts: Sequence[str]) -> None:
        """`label`: what they were read from; texts: of each window, as it stands there."""
        self._label, self._begins, self._ends, self._texts = label, begins, ends, texts
        self._first = np.full(len(begins), -1)
        self._last = np.full(len(begins), -1)
        self._seen = 0
        self.notes: tuple[str, ...] = ()

    def add(self, times: Times) -> None:
        """Take in the times of the next samples."""
        times = times.astype("datetime64[us]")
        for w, (begin, end) in enumerate(zip(self._begins, self._ends, strict=True)):
            inside = np.flatnonzero((times >= begin) & (times <= end))
            if len(inside):
                self._last[w] = self._seen + inside[-1]
                if self._first[w] < 0:
                    self._first[w] = self._seen + inside[0]
        self._seen += len(times)

    def windows(self, complete: bool) -> Windows:
        """Return first and last sample of each, those that overlap as one.

        complete: no samples were left out on purpose. Raises UserError for a window without any.
        """
        absent = np.flatnonzero(self._first < 0)
        if len(absent) and complete:
            raise UserError(
                f"data.labels: no row lies in {self._texts[int(absent[0])]} of {self._label}, "
                "expected windows of this file"
            )
        found = sorted(zip(self._first.tolist(), self._last.tolist(), strict=True))
        joined: list[tuple[int, int]] = []
        for first, last in found[len(absent) :]:
            if joined and first <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(last, joined[-1][1])
            else:
                joined.append((first, last))
        said = []
        if len(absent):
            said.append(f"{len(absent)} of {len(found)} windows lie in rows that are not used")
        if (more := len(found) - len(absent) - len(joined)) > 0:
            said.append(f"{more} windows overlap others and count as one with them")
        self.notes = tuple(f"data.labels: {line}" for line in said)
        return tuple(joined)


def read_labels(path: Path, series: str, dates: Dates) -> Timed:
    """Return the windows of a file of labels; raises UserError.

    series: path or name of the data, which JSON names; dates: how times stand in the data, which
    those of the labels may do, too.
    """
    text = files.read_text(path, _EXPECTED, MOST_LABELS)
    pairs = _of_json(path, text, series) if text.lstrip()[:1] in "{[" else _of_csv(path, text)
    begins, ends = np.zeros(len(pairs), "M8[us]"), np.zeros(len(pairs), "M8[us]")
    texts = []
    for w, (place, pair) in enumerate(pairs):
        begins[w] = _time(place, pair[0], dates, end=False)
        ends[w] = _time(place, pair[1], dates, end=True)
        if begins[w] > ends[w]:
            raise UserError(f"{place}: starts at {pair[0]} after its end, {pair[1]}")
        texts.append(f"the window from {pair[0]} to {pair[1]}")
    return Timed(path.name, begins, ends, texts)


def read_flags(cells: Sequence[str]) -> Flags:
    """Return what flags say, bool (T,); raises ValueError with the place of a cell that is none."""
    small = [cell.strip().lower() for cell in cells]
    found = np.array([cell in TRUE for cell in small], np.bool_)
    known = found | np.array([cell in FALSE for cell in small], np.bool_)
    if not known.all():
        raise ValueError(int(known.argmin()))
    return found


def _of_json(path: Path, text: str, series: str) -> list[tuple[str, tuple[str, str]]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"data.labels: {path} cannot be read ({reason}), expected JSON") from None
    if isinstance(found, dict):
        key = _named(found, series, path)
        found, place = found[key], f"data.labels: {path.name}, '{key}'"
    else:
        place = f"data.labels: {path.name}"
    if not isinstance(found, list):
        raise UserError(f"{place} has no list of windows, expected {_EXPECTED}")
    return [(f"{place}[{w}]", _pair(f"{place}[{w}]", pair)) for w, pair in enumerate(found)]


def _named(found: dict[str, Any], series: str, path: Path) -> str:
    """Return the name in a file of labels that is the end of the series' path, the longest."""
    parts = PurePosixPath(series).parts
    fitting = [n for n in found if (own := PurePosixPath(n).parts) and parts[-len(own) :] == own]
    # What lies in another folder here still has its name.
    fitting = fitting or [n for n in found if PurePosixPath(n).name == parts[-1]]
    if not fitting:
        raise UserError(
            mismatch(f"data.labels: {path.name}", parts[-1], found, "which is not in it")
        )
    if len(fitting) > 1 and len({len(PurePosixPath(n).parts) for n in fitting}) == 1:
        raise UserError(
            f"data.labels: {path.name} has {parts[-1]} {len(fitting)} times, expected one of "
            f"{', '.join(fitting)} as the end of data.path"
        )
    return max(fitting, key=lambda name: len(PurePosixPath(name).parts))


def _pair(place: str, pair: object) -> tuple[str, str]:
    if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(c, str) for c in pair)):
        raise UserError(f'{place}: found {pair!r}, expected ["START", "END"]')
    return pair[0], pair[1]


def _of_csv(path: Path, text: str) -> list[tuple[str, tuple[str, str]]]:
    rows = list(csv.reader(io.StringIO(text)))
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    if not {"start", "end"} <= set(header):
        raise UserError(f"data.labels: {path} has no columns start and end, expected {_EXPECTED}")
    columns = header.index("start"), header.index("end")
    found = []
    for line, row in enumerate(rows[1:], 2):
        if any(cell.strip() for cell in row):
            if len(row) <= max(columns):
                raise UserError(f"{path}:{line}: found {len(row)} cells, expected start and end")
            found.append((f"{path}:{line}", (row[columns[0]].strip(), row[columns[1]].strip())))
    return found


def _time(place: str, text: str, dates: Dates, *, end: bool) -> np.datetime64:
    """Return a time; the end of a window that is a whole day is the end of that day."""
    plain = _ZONE.sub("", text)
    try:
        # Letters: NumPy takes `now` and `today` for the moment at which it reads them.
        found = np.datetime64("NaT" if plain.isalpha() else plain)
    except ValueError:
        found = dates.read([text])[0]
    if np.isnat(found):
        raise UserError(f"{place}: found '{text}', expected a time like 2026-01-05 13:00")
    whole = np.datetime_data(found.dtype)[0] in "YMWD"
    begin = found.astype("M8[us]")
    return (found + 1).astype("M8[us]") - np.timedelta64(1, "us") if whole and end else begin
