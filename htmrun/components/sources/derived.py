"""Fields that are worked out from others: what was so long ago, a difference, a place in the range.

An encoder keeps nothing from one sample to the next; what it is to know of earlier samples the data
bring along. Only samples that came before, and the sample itself, show in a derived field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from htmrun.backends import State
from htmrun.backends.parameters import Parameters
from htmrun.components.sources import Chunk
from htmrun.components.sources.steps import DAY, Step

Values = npt.NDArray[np.float64]


class DerivedParameters(Parameters):
    """A field that is worked out from another: its value so long ago, or the difference to that."""

    of: str = Field("value", description="The field: value, or one of data.values.")
    what: Literal["difference", "lag", "place"] = Field(
        "difference",
        description="difference: to the value so long ago. lag: that value. place: between the "
        "lowest and the highest value so far, 0 to 1.",
    )
    lag: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1, description="How long ago that is; not with place."
    )
    unit: Literal["rows", "time", "season"] = Field(
        "rows",
        description="What lag counts. rows: samples. time: usual steps, and exactly so long ago. "
        "season: weeks, or years where samples lie two days or more apart.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.what == "place" and (self.lag != 1 or self.unit != "rows"):
            raise ValueError("lag: found with what = place, which is of all values so far")
        return self


@dataclass(frozen=True)
class Rule:
    """How a field is worked out. lag: rows ("rows"), or a stretch of time in microseconds ("us")
    or months ("M")."""

    of: str
    what: str
    lag: int
    unit: str = "rows"

    @classmethod
    def of_parameters(cls, p: DerivedParameters, step: Step | None) -> Rule:
        """Return the rule; step: the usual one, which must be known unless rows are counted."""
        if p.unit == "rows" or step is None:
            return cls(p.of, p.what, p.lag)
        long = step.count if p.unit == "time" else step.season()
        return cls(p.of, p.what, p.lag * long, step.unit)


class Derived:
    """Adds derived fields to samples that come in order, however they are cut."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._parts: dict[str, _Rows | _Times | _Range] = {}
        for name, rule in rules.items():
            kind = _Range if rule.what == "place" else _Rows if rule.unit == "rows" else _Times
            self._parts[name] = kind(rule)

    def add(self, chunk: Chunk) -> Chunk:
        """Return the next samples with the derived fields; NaN where nothing came so long ago."""
        if not self._parts:
            return chunk
        found = {name: part.next(chunk) for name, part in self._parts.items()}
        return replace(chunk, fields=chunk.fields | found)

    def state(self) -> State:
        """Return all that later samples depend on."""
        return {f"{n}/{a}": array for n, p in self._parts.items() for a, array in p.state().items()}

    def load(self, state: State) -> None:
        """Go on from what `state` of the same rules returned; KeyError on other names."""
        for name, part in self._parts.items():
            part.load({array: state[f"{name}/{array}"] for array in part.state()})


class _Rows:
    """What was so many samples ago, in the same sequence."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._past = np.zeros(0)
        """The last values of the sequence that is open, at most as many as the lag."""

    def next(self, chunk: Chunk) -> Values:
        values, lag = chunk.fields[self._rule.of], self._rule.lag
        out = np.full(len(values), np.nan)
        starts = np.flatnonzero(chunk.reset).tolist()
        for i, (start, stop) in enumerate(pairwise([0, *starts, len(values)])):
            before = self._past[: 0 if i else None]
            joined = np.concatenate([before, values[start:stop]])
            first = max(0, lag - len(before))
            if start + first < stop:
                out[start + first : stop] = joined[len(before) + first - lag : len(joined) - lag]
            self._past = joined[-lag:]
        return values - out if self._rule.what == "difference" else out

    def state(self) -> State:
        return {"past": self._past.copy()}

    def load(self, state: State) -> None:
        self._past = state["past"]


class _Times:
    """What was exactly so long ago, in the same sequence.

    Times may go back by a day, or a month (clocks set back); farther back nothing is said.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._slack = 1 if rule.unit == "M" else DAY
        self._seen: dict[int, float] = {}
        """The last value of each time."""
        self._newest: int | None = None
        self._most = 1024

    def next(self, chunk: Chunk) -> Values:
        times = chunk.fields["timestamp"].astype(f"datetime64[{self._rule.unit}]")
        places, resets = times.astype(np.int64).tolist(), chunk.reset.tolist()
        values = chunk.fields[self._rule.of]
        out = np.full(len(values), np.nan)
        for t, (place, value) in enumerate(zip(places, values.tolist(), strict=True)):
            if resets[t]:
                self._seen, self._newest = {}, None
            if self._newest is None or place > self._newest:
                self._newest = place
            if place >= self._newest - self._slack:
                out[t] = self._seen.get(place - self._rule.lag, np.nan)
                self._seen[place] = value
            if len(self._seen) > self._most:
                self._forget()
        return values - out if self._rule.what == "difference" else out

    def _forget(self) -> None:
        """Leave out what no later sample asks for."""
        assert self._newest is not None
        oldest = self._newest - self._slack - self._rule.lag
        self._seen = {place: value for place, value in self._seen.items() if place >= oldest}
        self._most = max(1024, 2 * len(self._seen))

    def state(self) -> State:
        if self._newest is not None:
            self._forget()
        return {
            "places": np.array([*self._seen], np.int64),
            "values": np.array([*self._seen.values()], np.float64),
            "newest": np.array([] if self._newest is None else [self._newest], np.int64),
        }

    def load(self, state: State) -> None:
        pairs = zip(state["places"].tolist(), state["values"].tolist(), strict=True)
        self._seen = dict(pairs)
        self._newest = next(iter(state["newest"].tolist()), None)


class _Range:
    """Where a value lies between the lowest and the highest so far, it included.

    Of all sequences: what a range is does not start anew. Nothing before two values differ.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._low, self._high = np.inf, -np.inf

    def next(self, chunk: Chunk) -> Values:
        values = chunk.fields[self._rule.of]
        if not len(values):
            return np.zeros(0)
        low = np.minimum.accumulate(np.minimum(values, self._low))
        high = np.maximum.accumulate(np.maximum(values, self._high))
        self._low, self._high = float(low[-1]), float(high[-1])
        span = high - low
        return np.divide(values - low, span, out=np.full(len(values), np.nan), where=span > 0)

    def state(self) -> State:
        return {"range": np.array([self._low, self._high])}

    def load(self, state: State) -> None:
        self._low, self._high = (float(end) for end in state["range"])
