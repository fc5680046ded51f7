"""Day first or month first: how a whole column of dates can be read, and which reading it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from htmrun.components.sources.date_shapes import EPOCHS, ORDERS, Order, format_of
from htmrun.components.sources.timestamps import FORMS_AT_MOST, OR, Times, read, unit_of

STEPS_AT_MOST = 100_000
"""Different steps that are counted; irregular times have no commonest one anyway."""


@dataclass
class Reading:
    """One way to read a column of dates, and what its times are like.

    form: see `timestamps.parse`. order: what comes first. rows: read so far. bad: first row that
    is no such date. differs: whether a time is another one than in the first reading.
    """

    form: str
    order: Order
    unit: str = "us"
    rows: int = 0
    bad: int | None = None
    differs: bool = False
    forward: int = 0
    backward: int = 0
    _steps: Counter[int] = field(default_factory=Counter)
    _months: Counter[int] = field(default_factory=Counter)
    _last: npt.NDArray[np.datetime64] | None = None

    def add(self, texts: Sequence[str]) -> Times:
        """Read the next rows; NaT where one does not fit."""
        times = read(texts, self.form, self.unit, self.order)
        unfit = np.isnat(times)
        if unfit.any() and self.bad is None:
            self.bad = self.rows + int(unfit.argmax())
        self.rows += len(texts)
        if self.bad is None:
            self._count(times if self._last is None else np.concatenate([self._last, times]))
            self._last = times[-1:]
        return times

    def _count(self, times: Times) -> None:
        steps = np.diff(times).astype(np.int64)
        self.forward += int((steps > 0).sum())
        self.backward += int((steps < 0).sum())
        months = times.astype("datetime64[M]")
        within = times - months
        same = within[1:] == within[:-1]
        _tally(self._steps, steps)
        _tally(self._months, np.diff(months).astype(np.int64)[same])

    @property
    def evenness(self) -> float:
        """The share of steps equal to the commonest one, in seconds or in whole months."""
        total = max(0, self.rows - 1)
        if total == 0:
            return 1.0
        return max(max(c.values(), default=0) for c in (self._steps, self._months)) / total

    @property
    def direction(self) -> float:
        """The share of steps that go the way that most of them go."""
        total = self.forward + self.backward
        return 1.0 if total == 0 else max(self.forward, self.backward) / total

    def beats(self, other: Reading) -> bool:
        """Say whether these times are more like a series."""
        mine, others = (self.direction, self.evenness), (other.direction, other.evenness)
        return mine != others and all(a >= b for a, b in zip(mine, others, strict=True))


def _tally(counter: Counter[int], steps: npt.NDArray[np.int64]) -> None:
    values, counts = np.unique(steps, return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        if value in counter or len(counter) < STEPS_AT_MOST:
            counter[value] += count


def readings(texts: Sequence[str], *, digits: bool = False, years: bool = False) -> list[Reading]:
    """Return every way to read all `texts` as dates, with the texts added; at most one per order.

    digits: also numbers like %Y%m%d or those that count from 1970. years: also %Y.
    """
    found = []
    for order in ORDERS:
        form = _form(texts, order, digits, years)
        if form is not None:
            found.append(Reading(form, order, unit_of(texts, form)))
    add_to_all(found, texts)
    return found


def _form(texts: Sequence[str], order: Order, digits: bool, years: bool) -> str | None:
    """Return the formats of the texts, parted by " or "; None if one is no date."""
    forms: list[str] = []
    left = list(texts)
    while left:
        form = format_of(left[0], order, digits=digits, years=years)
        if form is None or form in forms or len(forms) == FORMS_AT_MOST:
            return None
        forms.append(form)
        if len(forms) > 1 and not EPOCHS.keys().isdisjoint(forms):
            return None
        unfit = np.isnat(read(left, form))
        left = [left[i] for i in np.flatnonzero(unfit)]
    return OR.join(sorted(forms, key=len)) if forms else None


def add_to_all(found: Sequence[Reading], texts: Sequence[str]) -> None:
    """Add rows to every reading, and note which of them read the rows differently."""
    times = [reading.add(texts) for reading in found]
    for reading, other in zip(found[1:], times[1:], strict=True):
        reading.differs |= bool((other != times[0]).any())


def best(found: Sequence[Reading]) -> Reading | None:
    """Return the reading that beats all others, or is the same; None if that does not decide."""
    fit = [reading for reading in found if reading.bad is None]
    if not fit:
        return None
    if not any(reading.differs for reading in fit):
        return fit[0]
    for reading in fit:
        if all(reading is other or reading.beats(other) for other in fit):
            return reading
    return None
