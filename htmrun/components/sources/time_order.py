"""Times that stand still, go back, or run backwards: what they are, where, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from htmrun.components.sources.cells import is_missing, is_number
from htmrun.components.sources.columns import Columns
from htmrun.components.sources.csv_table import CSVTable
from htmrun.components.sources.timestamps import Times
from htmrun.errors import UserError

STEPS_AT_MOST = 100_000
HOUR = 3600.0
FEW = 0.01
"""Share of times that may stand twice: more is no slip of whoever wrote the file."""
SERIES_AT_MOST = 1000


class UnorderedTimesError(UserError):
    """Times are in no order; what would bring them into one.

    backwards: the newest row comes first. telling: the column that tells series apart.
    """

    def __init__(self, line: str, *, backwards: bool = False, telling: str | None = None) -> None:
        super().__init__(line)
        self.backwards, self.telling = backwards, telling


class TimeOrder:
    """Watches the times of a file go by; `steps`: how often each step back or of 0 s occurs."""

    def __init__(self) -> None:
        self.steps: Counter[float] = Counter()
        self.first: dict[float, tuple[int, np.datetime64, np.datetime64]] = {}
        self.forward = self.total = self.starts = self.samples = self.still = 0
        self._low: np.datetime64 | None = None
        self._high: np.datetime64 | None = None
        self._positive: list[npt.NDArray[np.float64]] = []
        self._kept = 0
        self._last: Times | None = None

    def add(self, times: Times, reset: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> None:
        """Add samples; rows (T,): their places in the file."""
        self.samples += len(times)
        self.starts += int(reset.sum())
        if self._last is not None:
            times = np.concatenate([self._last, times])
        else:
            reset, rows = reset[1:], rows[1:]
        self._last = times[-1:]
        low, high = times.min(), times.max()
        self._low = low if self._low is None else min(self._low, low)
        self._high = high if self._high is None else max(self._high, high)
        steps = seconds(np.diff(times))
        inside = reset == 0
        self.still += int((steps == 0).sum())
        self.total += int(inside.sum())
        ahead = inside & (steps > 0)
        self.forward += int(ahead.sum())
        if self._kept < STEPS_AT_MOST:
            self._positive.append(steps[ahead][: STEPS_AT_MOST - self._kept])
            self._kept += len(self._positive[-1])
        self._note(times, steps, inside & ~ahead, rows)

    def _note(
        self,
        times: Times,
        steps: npt.NDArray[np.float64],
        wrong: npt.NDArray[np.bool_],
        rows: npt.NDArray[np.int64],
    ) -> None:
        places = np.flatnonzero(wrong)
        values, firsts, counts = np.unique(steps[places], return_index=True, return_counts=True)
        for value, first, count in zip(values.tolist(), firsts, counts.tolist(), strict=True):
            step, place = value, places[first]
            if step not in self.steps and len(self.steps) >= STEPS_AT_MOST:
                step = min(self.steps)
            self.steps[step] += count
            if step not in self.first:
                self.first[step] = (int(rows[place]), times[place], times[place + 1])

    @property
    def median(self) -> float | None:
        """The median step ahead in seconds, over the first 100,000; None without any."""
        return float(np.median(np.concatenate(self._positive))) if self._kept else None

    def notes(self, table: CSVTable, columns: Columns) -> list[str]:
        """Return what is worth a line; raises UserError where times are in no order."""
        self._must_have_sequences(table, columns)
        left = Counter(self.steps)
        notes = []
        hour = self._clock_changes(left)
        if hour:
            step = max(hour, key=lambda s: left[s])
            count = sum(left.pop(s) for s in hour)
            row, before, after = self.first[step]
            often = "" if count == 1 else f", and {count - 1} more times"
            notes.append(
                f"{table.place(row)}: local time goes back an hour, as when summer time ends "
                f"({_text(before)}, then {_text(after)}){often}: read as it stands"
            )
        doubled = left.pop(0.0, 0)
        if left:
            self._refuse_backwards(table, columns, left)
        if doubled > FEW * self.total:
            self._refuse_doubled(table, columns, doubled)
        if doubled:
            row, _, time = self.first[0.0]
            stand = "time stands" if doubled == 1 else "times stand"
            notes.append(
                f"{table.place(row)}: {doubled} {stand} twice (first {_text(time)}): read as they "
                "stand"
            )
        return notes

    def _clock_changes(self, steps: Counter[float]) -> list[float]:
        """Return the steps that are those of clocks set back an hour: few, and an hour too short.

        In hourly data the hour then stands twice.
        """
        median = self.median
        if median is None or median > HOUR or self._low is None or self._high is None:
            return []
        near = min(10 * median, HOUR / 4)
        back = [s for s in steps if abs(s - (median - HOUR)) <= near and (s < 0 or median == HOUR)]
        years = seconds(self._high - self._low) / (365.25 * 86_400)
        count = sum(steps[s] for s in back)
        return back if count <= 2 + years and 20 * count <= self.total else []

    def _must_have_sequences(self, table: CSVTable, columns: Columns) -> None:
        column = columns.reset if columns.sequence is None else columns.sequence
        if column is None or self.samples < 2 or self.starts < self.samples:
            return
        name = table.names[column]
        often = "each time stands several times and " if 4 * self.still > self.samples else ""
        raise UserError(
            f"data.reset: in {table.label} {often}'{name}' starts a new sequence in every row, so "
            f"none has two samples; {_each_by_itself(table, column)}"
        )

    def _refuse_backwards(self, table: CSVTable, columns: Columns, left: Counter[float]) -> None:
        step = min(left, key=lambda s: self.first[s][0])
        row, before, after = self.first[step]
        count = sum(left.values())
        from_to = f"from {_text(before)} to {_text(after)}"
        if self.forward <= count // 10:
            raise UnorderedTimesError(
                f"{table.place(row)}: times run backwards ({from_to}), the newest row comes first; "
                "expected data.sort=true, which sorts the rows by time",
                backwards=True,
            )
        telling = telling_column(table, columns, row)
        ways = "data.sort=true sorts the rows by time, data.sort=false takes them as they stand"
        if telling is not None:
            ways = f"{_each_by_itself(table, telling)}; {ways}"
        often = "" if count == 1 else f" (and {count - 1:,} more times)"
        raise UnorderedTimesError(
            f"{table.place(row)}: times go back {from_to}{often}; {ways}",
            telling=None if telling is None else table.names[telling],
        )

    def _refuse_doubled(self, table: CSVTable, columns: Columns, doubled: int) -> None:
        row, _, time = self.first[0.0]
        copies = round((self.total + 1) / max(1, self.total + 1 - doubled))
        often = {1: "often stand twice", 2: "stand twice each"}.get(
            copies, f"stand {copies} times each"
        )
        telling = telling_column(table, columns, row)
        ways = (
            "a finer column of times (data.timestamp=[DATE,TIME]), or data.sort=false, which takes "
            "them as they stand"
        )
        if telling is not None:
            ways = f"{_each_by_itself(table, telling)}; data.sort=false takes them as they stand"
        raise UnorderedTimesError(
            f"{table.place(row)}: times {often} ({_text(time)}); {ways}",
            telling=None if telling is None else table.names[telling],
        )


def seconds(steps: npt.NDArray[np.timedelta64] | np.timedelta64) -> npt.NDArray[np.float64]:
    """Return time steps in seconds."""
    return np.asarray(steps / np.timedelta64(1, "us"), np.float64) / 1e6


def _text(time: np.datetime64) -> str:
    text = str(time.astype("datetime64[s]")).replace("T", " ")
    return text if time == time.astype("datetime64[s]") else str(time).replace("T", " ")


def _each_by_itself(table: CSVTable, column: int) -> str:
    name = table.names[column]
    example = next((c.strip() for c in table.probed(column) if not is_missing(c)), "VALUE")
    return (
        f"column '{name}' tells series apart: 'data.where={{{name}: {example}}}' takes one, "
        f"data.group_by={name} each by itself, one after the other"
    )


def telling_column(table: CSVTable, columns: Columns, row: int) -> int | None:
    """Return the column, not read as a number or time, that differs between a row and the last.

    Few different values, and text before numbers; None if there is none.
    """
    used = {*columns.numeric.values(), *columns.dates.columns, columns.reset}
    before, here = _rows(table, row - 1)
    found = [
        c for c in range(len(table.names)) if c not in used and before[c].strip() != here[c].strip()
    ]
    few = [c for c in found if 1 < len(set(table.probed(c))) <= max(2, len(table.probe) // 3)]
    text = [c for c in (few or found) if not is_number(here[c])]
    few_numbers = [c for c in few if is_number(here[c]) and float(here[c]).is_integer()]
    return next(iter([*text, *few_numbers]), None)


def _rows(table: CSVTable, row: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a data row and the one below it."""
    wanted: Iterator[tuple[str, ...]] = (
        cells for block in table.blocks() for cells in zip(*block, strict=True)
    )
    last: tuple[str, ...] = ()
    for number, cells in enumerate(wanted):
        if number == row + 1:
            return last, cells
        last = cells
    return last, last
