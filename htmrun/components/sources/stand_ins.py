"""Numbers that may stand for no value at all, as -200 or 9999 do where a sensor was silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from htmrun.components.sources.csv_table import CSVTable

OFTEN = 3
"""Times from which on a number is no single outlier."""


@dataclass
class _Lowest:
    """The lowest number, how often it came, and the lowest of all others."""

    value: float = np.inf
    count: int = 0
    following: float = np.inf

    def add(self, values: np.ndarray) -> None:
        """Add finite numbers, at least one."""
        value = float(values.min())
        others = values[values > value]
        count, following = len(values) - len(others), float(others.min(initial=np.inf))
        if value < self.value:
            self.following = min(self.value, following)
            self.value, self.count = value, count
        elif value == self.value:
            self.following = min(self.following, following)
            self.count += count
        else:
            self.following = min(self.following, value)


class StandIns:
    """Watches columns for a number that comes again and again, far away from all others."""

    def __init__(self, names: Sequence[str]) -> None:
        self._low = {name: _Lowest() for name in names}
        self._high = {name: _Lowest() for name in names}

    def add(self, fields: Mapping[str, np.ndarray]) -> None:
        """Add the numbers of a block, NaN where there are none."""
        for name in self._low:
            values = fields[name]
            values = values[np.isfinite(values)]
            if len(values):
                self._low[name].add(values)
                self._high[name].add(-values)

    def notes(self, table: CSVTable, columns: Mapping[str, int], rows: int) -> Iterator[str]:
        """Yield a line for each number that is suspect.

        It came three times at least, is not 0, and lies farther from all others than they lie
        apart.
        """
        for name, low in self._low.items():
            high = self._high[name]
            ends = (
                (low.value, low.count, low.following, -high.value),
                (-high.value, high.count, low.value, -high.following),
            )
            for value, count, least, most in ends:
                gap = max(least - value, value - most)
                if count >= OFTEN and value != 0 and gap >= most - least > 0:
                    column = table.names[columns[name]]
                    yield (
                        f"'{column}' is {value:g} in {count:,} of {rows:,} rows, and {least:g} "
                        f"to {most:g} in all others: read as it stands; if it means that "
                        f"there is none, data.missing_values=[{value:g}]"
                    )
