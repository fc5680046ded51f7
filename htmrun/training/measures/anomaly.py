"""How unusual the latest anomaly scores are: the anomaly likelihood of a stream.

Raw score: the share of the active columns that nobody predicted. The average of the last few raw
scores is compared with the distribution of such averages; likelihood: 1 - Q(z) (Lavin, Ahmad 2015,
"Evaluating Real-Time Anomaly Detection Algorithms"; Ahmad, Lavin, Purdy, Agha 2017, "Unsupervised
real-time anomaly detection for streaming data", section 3.2). A noisy stream bursts all the time;
only more bursting than usual is unusual.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun._imports import scipy
from htmrun.backends.state import State, checked
from htmrun.components.likelihood import AnomalyParameters

_ONE = 1 << 20
"""Scores are kept in units of 1 / _ONE: integer sums do not depend on how a stream is cut."""

_SCALE = -10.0
"""log10 of the smallest distance from 1 that `log_scale` tells apart."""

_ROOT = math.sqrt(2.0)

_OUTSIDE = "found a raw anomaly score outside 0 to 1, expected a share"
_NEVER = 1 << 40
"""Samples since an alarm, where there was none."""

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Tail:
    """The last whole numbers of a stream, up to `most`; adding one moves none of the others."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._room, self._first, self._end = np.zeros(0, np.int64), 0, 0

    def add(self, values: Sequence[int] | Counts) -> None:
        """Add the next ones; more than `most` may be there until `trim`."""
        end = self._end + len(values)
        if end > len(self._room):
            kept = self.all()
            # Twice as long: by the time that it is full, half of it has been trimmed.
            self._room = np.zeros(2 * (len(kept) + len(values)), np.int64)
            self._room[: len(kept)] = kept
            self._first, self._end, end = 0, len(kept), len(kept) + len(values)
        self._room[self._end : end] = values
        self._end = end

    def add_one(self, value: int) -> None:
        """Add the next one."""
        if self._end == len(self._room):
            self.add([value])
            return
        self._room[self._end] = value
        self._end += 1

    def trim(self) -> None:
        """Let go of all but the last `most`."""
        self._first = max(self._first, self._end - self.most)

    def all(self) -> Counts:
        """Return what is there, oldest first, int64, as a view."""
        return self._room[self._first : self._end]


class AnomalyLikelihood:
    """The likelihood of one stream; feed it raw scores in order, in pieces of any size."""

    def __init__(self, parameters: AnomalyParameters | None = None, samples: int = 0) -> None:
        """`samples`: of the whole stream, for a probation that is a share of it.

        Raises ValueError, in words, for a probation that leaves no score to say what is usual.
        """
        self.parameters = parameters or AnomalyParameters.model_validate({})
        self._learning, self._probation = self.parameters.begin(samples)
        self._seen = 0
        # The last raw scores, and as many averages as a distribution may be made of.
        self._raw: list[int] = []
        self._averages = Tail(self.parameters.history + self.parameters.reestimate_every)
        # Of a row by itself: for which rows mean and deviation hold, and these.
        self._estimated: tuple[int, float, float] | None = None
        # Samples from the latest alarm to the next sample.
        self._since = _NEVER

    def add(self, raw: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the likelihood (0 to 1) after each raw score (0 to 1), both float64 (T,).

        0.5, nothing known, for the first `probation` scores. Raises ValueError for a score that is
        no number from 0 to 1.
        """
        raw = np.asarray(raw, np.float64)
        if len(raw) == 1:
            return np.array([self.add_one(raw.item(0))])
        if not ((raw >= 0) & (raw <= 1)).all():
            raise ValueError(_OUTSIDE)
        new = self._average(np.rint(raw * _ONE).astype(np.int64))
        rows = np.arange(self._seen, self._seen + len(new))
        judged = rows >= self._probation
        tail = np.full(len(new), 0.5)
        if judged.any():
            mean, deviation = self._usual(rows[judged])
            z = (new[judged] / _ONE - mean) / deviation
            tail[judged] = 0.5 * _error_function()(z / _ROOT)
        self._averages.trim()
        self._seen += len(new)
        return 1 - self._only_first(tail)

    def add_one(self, raw: float) -> float:
        """Return what `add` does of one score: the same operations, on numbers instead of arrays.

        Arrays of one made this the most of what a row costs that comes by itself.
        """
        if not 0.0 <= raw <= 1.0:
            raise ValueError(_OUTSIDE)
        p, row = self.parameters, self._seen
        last = [*self._raw, round(raw * _ONE)][-p.average :]
        average = round(sum(last) / len(last))
        self._raw = last[max(0, len(last) - p.average + 1) :]
        self._averages.add_one(average)
        tail, self._seen = 0.5, row + 1
        if row >= self._probation:
            estimated = max(self._probation, row - row % p.reestimate_every)
            if self._estimated is None or self._estimated[0] != estimated:
                mean, deviation = self._usual(np.array([row]))
                self._estimated = estimated, float(mean[0]), float(deviation[0])
            z = (average / _ONE - self._estimated[1]) / self._estimated[2]
            tail = 0.5 * float(_error_function()(z / _ROOT))
        self._averages.trim()
        alarm, near = tail <= _complement(p.alarm), self._since <= p.apart
        self._since = 1 if alarm else min(self._since + 1, _NEVER)
        return 1 - (_complement(p.later) if alarm and near and p.only_first else tail)

    def state(self) -> State:
        """Return all that later likelihoods depend on."""
        return {
            "raw": np.array(self._raw, np.int64), "averages": self._averages.all().copy(),
            "seen": np.array([self._seen], np.int64),
            "since": np.array([self._since], np.int64),
        }  # fmt: skip

    def load(self, state: State) -> None:
        """Take over what `state` returned; ValueError on other names or shapes."""
        taken = checked(state, self.state(), frozenset({"raw", "averages"}))
        self._raw, self._averages = taken["raw"].tolist(), Tail(self._averages.most)
        self._averages.add(taken["averages"])
        self._seen, self._since = int(taken["seen"][0]), int(taken["since"][0])
        self._estimated = None

    def _average(self, new: Counts) -> Counts:
        """Return the average of the last scores at each new one, in units of 1 / _ONE."""
        n, before = self.parameters.average, len(self._raw)
        every = np.concatenate([np.array(self._raw, np.int64), new])
        sums = np.concatenate([[0], np.cumsum(every)])
        end = np.arange(before, len(every)) + 1
        count = np.minimum(end, n)
        averages = np.rint((sums[end] - sums[end - count]) / count).astype(np.int64)
        self._raw = every[max(0, len(every) - n + 1) :].tolist()
        self._averages.add(averages)
        return averages

    def _usual(self, rows: Counts) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return mean and deviation of the averages that count as usual at each of `rows`.

        They are those before the latest re-estimate; the first is at the end of the probation.
        """
        p = self.parameters
        averages = self._averages.all()
        first = int(rows[-1]) + 1 - len(averages)
        estimated = np.maximum(self._probation, rows - rows % p.reestimate_every)
        begin = np.maximum(self._learning, estimated - p.history)
        sums = np.concatenate([[0], np.cumsum(averages)])
        squares = np.concatenate([[0], np.cumsum(averages**2)])
        b, e = begin - first, estimated - first
        count = estimated - begin
        mean = (sums[e] - sums[b]) / count / _ONE
        variance = (squares[e] - squares[b]) / count / _ONE**2 - mean**2
        variance = np.maximum(variance, p.least_variance / p.average)
        return np.maximum(mean, p.least_mean), np.sqrt(variance)

    def _only_first(self, tail: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return 1 - likelihood, that of alarms right behind an alarm brought down."""
        p = self.parameters
        alarm, rows = tail <= _complement(p.alarm), np.arange(len(tail))
        # Of each sample and the next one: the latest alarm before it.
        latest = np.maximum.accumulate(
            np.concatenate([[-self._since], np.where(alarm, rows, -_NEVER)])
        )
        self._since = min(len(tail) - int(latest[-1]), _NEVER)
        near = rows - latest[:-1] <= p.apart
        return np.where(alarm & near & p.only_first, _complement(p.later), tail)


@cache
def _error_function() -> Callable[[Any], Any]:
    """Return SciPy's complementary error function, looked up once: SciPy comes late."""
    found: Callable[[Any], Any] = scipy.special.erfc
    return found


@cache
def _complement(likelihood: float) -> float:
    """Return 1 - likelihood to ten digits: 1 - .99999 is not 1e-5 in binary."""
    return round(1 - likelihood, 10)


class Beyond:
    """Flags values beyond everything before them; feed it values in order, in pieces of any size.

    An encoder has no bits of its own for what it has never met, so a memory may miss it.
    """

    def __init__(self, margin: float) -> None:
        """`margin`: by which share of the range so far a value must be beyond it."""
        self._margin = margin
        self._low, self._high = np.inf, -np.inf

    def add(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Return, bool (T,), which are; none while all values so far are equal."""
        high = np.maximum.accumulate(np.concatenate([[self._high], values]))
        low = np.minimum.accumulate(np.concatenate([[self._low], values]))
        self._low, self._high = float(low[-1]), float(high[-1])
        high, low = high[:-1], low[:-1]
        wide = high > low
        slack = np.where(wide, high - low, 0.0) * self._margin
        return wide & ((values > high + slack) | (values < low - slack))

    def state(self) -> State:
        """Return the range so far."""
        return {"range": np.array([self._low, self._high])}

    def load(self, state: State) -> None:
        """Take over what `state` returned; ValueError on other names or shapes."""
        self._low, self._high = map(float, checked(state, self.state())["range"])


def out_of_range(values: npt.NDArray[np.float64], margin: float = 0.05) -> npt.NDArray[np.bool_]:
    """Return what `Beyond` does of a whole series, bool (T,)."""
    return Beyond(margin).add(values)


def log_scale(likelihood: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return log10(1 - likelihood) / -10, at most 1: .9999 is .4; thresholds become readable."""
    return np.log10(np.maximum(1 - likelihood, 10.0**_SCALE)) / _SCALE
