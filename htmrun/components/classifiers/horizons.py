"""Readouts that predict ahead: delayed targets, and buckets for forecasts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from htmrun.backends import State
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import Parameters
from htmrun.backends.plan import Flags, Plan
from htmrun.components.classifiers import Readout, Targets
from htmrun.components.classifiers.buckets import Buckets
from htmrun.components.classifiers.delay import Delay
from htmrun.components.classifiers.scores import Activity, Scores
from htmrun.components.layout import Layout
from htmrun.components.sources import Source, Task
from htmrun.errors import UserError, nearest

Horizon = Annotated[int, Field(ge=0, le=10_000)]
Made = npt.NDArray[np.float32]
_TRUE = np.ones(1, np.bool_)
_TRUE.flags.writeable = False


class HorizonParameters(Parameters):
    """What a readout reads, how far ahead it predicts, and how it cuts a value into classes."""

    reads: tuple[str, ...] | None = Field(
        None,
        description="Stages whose bits it reads, e.g. [tm, sp] or [tm.winners]; null: the last.",
    )
    horizons: tuple[Horizon, ...] = Field(
        (0,),
        min_length=1,
        description="Predicts this many samples ahead; 0: the sample's own label.",
    )
    buckets: int = Field(
        128, ge=2, le=65_536, description="Forecasts: classes that the value's range is cut into."
    )
    minimum: float | None = Field(
        None,
        allow_inf_nan=False,
        description="Forecasts: lower end of the buckets; null: the data's (data.range).",
    )
    maximum: float | None = Field(
        None,
        allow_inf_nan=False,
        description="Forecasts: upper end of the buckets; null: the data's (data.range).",
    )
    estimate: Literal["mean", "median", "mode"] = Field(
        "mean", description="Forecasts: the figure drawn from the predicted distribution."
    )

    @model_validator(mode="after")
    def _check_horizons(self) -> Self:
        if len(set(self.horizons)) != len(self.horizons):
            raise ValueError(f"horizons: {list(self.horizons)} repeats itself, expected each once")
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError(
                f"minimum: {self.minimum} is not below maximum = {self.maximum}, expected less"
            )
        return self


MARGIN = 0.2
"""Of a range that is known in part, added at each end of the buckets: what is little beyond must
not cost half of the resolution. The published detector of the Numenta Anomaly Benchmark pads so."""


class HorizonReadout(Readout):
    """What readouts with horizons have in common; `inputs`: the outputs that it reads."""

    inputs: tuple[str, ...]

    forecasts = True
    widens: ClassVar[bool] = False
    """Whether its buckets widen for values beyond the range that was known at first."""
    _buckets: Buckets | None = None

    @classmethod
    def horizons(cls, parameters: HorizonParameters) -> tuple[int, ...]:
        """Return the horizons that were set, ascending."""
        return tuple(sorted(parameters.horizons))

    @classmethod
    def reads(cls, parameters: HorizonParameters) -> tuple[str, ...] | None:
        """Return the outputs that were set."""
        return parameters.reads

    @classmethod
    def unfit(
        cls, name: str, parameters: HorizonParameters, task: Task, kind: str
    ) -> Iterator[str]:
        """Say which horizons make no sense."""
        given = parameters.horizons
        if task == "forecast" and 0 in given:
            yield f"{name}.horizons: found 0 with data.kind '{kind}', expected at least 1"
        if task == "classification" and set(given) != {0}:
            yield (
                f"{name}.horizons: found {list(given)} with data.kind '{kind}', expected [0] "
                "(images have no order)"
            )

    @classmethod
    def targets_of(cls, name: str, parameters: HorizonParameters, source: Source) -> Targets:
        """Return the source's classes, or buckets over the range of its values."""
        p, horizons = parameters, cls.horizons(parameters)
        if source.task != "forecast":
            return Targets(source.classes, horizons, None, p.estimate)
        low, high = source.ranges["value"]
        if source.ranges_grow and cls.widens:
            low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
        low = low if p.minimum is None else p.minimum
        high = high if p.maximum is None else p.maximum
        if not low < high:
            raise UserError(
                f"{name}.maximum: the buckets' range is {low} to {high}, expected minimum < "
                f"maximum (set {name}.minimum and {name}.maximum)"
            )
        below, above = cls.widens and p.minimum is None, cls.widens and p.maximum is None
        return Targets(p.buckets, horizons, Buckets(low, high, p.buckets, below, above), p.estimate)

    @property
    def buckets(self) -> Buckets | None:
        """The buckets of values as they are now."""
        return self._buckets or self.targets.buckets

    def answer(self, activity: Activity, target: np.ndarray, plan: Plan) -> list[Scores]:
        """Predict each sample, then learn from `target`; widen at values beyond the buckets.

        A value counts from its own sample on: what was forecast before keeps the buckets that it
        was made with.
        """
        values, start = np.asarray(target), 0
        if self.buckets is None or not len(plan):
            return super().answer(activity, target, plan)
        if len(plan) == 1:
            self.widen(float(values[0]))
            return self.run(activity, self.buckets.index(values), plan)
        parts = []
        while start < len(plan):
            self.widen(float(values[start]))
            far = np.flatnonzero(self.buckets.beyond(values[start + 1 :]))
            stop = start + 1 + int(far[0]) if len(far) else len(plan)
            seen = {name: piece(activity[name], start, stop) for name in self.inputs}
            part = plan.slice(start, stop)
            parts.append(self.run(seen, self.buckets.index(values[start:stop]), part))
            start = stop
        return [Scores.joined(scores) for scores in zip(*parts, strict=True)]

    def widen(self, value: float) -> None:
        """Make the buckets hold `value`, if their ends may move."""
        assert self.buckets is not None
        self._buckets, ups = self.buckets.toward(value)
        if ups:
            self.merge(ups)

    def merge(self, ups: Sequence[bool]) -> None:
        """Carry over what was learned, after doublings of the range that went up or down."""
        raise TypeError(f"{type(self).__name__} widens and has no merge(), expected one")

    def range_state(self) -> State:
        """Return the ends of the buckets, empty where there are none."""
        now = self.buckets
        return {} if now is None else {"range": np.array([now.minimum, now.maximum])}

    def load_range(self, state: State) -> None:
        """Take over what `range_state` returned, checked."""
        if self.buckets is not None:
            low, high = state["range"].tolist()
            self._buckets = replace(self.buckets, minimum=low, maximum=high)

    @classmethod
    def check_reads(cls, name: str, parameters: HorizonParameters, front: Layout) -> None:
        """Raise UserError for an output that there is not, unless an arm leaves its stage out."""
        for wanted in parameters.reads or ():
            if wanted not in front.outputs and wanted.partition(".")[0] not in front.left_out:
                raise UserError(
                    f"{name}.reads: found '{wanted}', expected among {', '.join(front.outputs)}"
                    f"{nearest(wanted, front.outputs)}"
                )


class Past:
    """What horizons remember of a stream: the last bits, the last scores, the sequence's age."""

    def __init__(
        self, size: int, classes: int, horizons: Iterable[int], *, forecasts: bool = False
    ) -> None:
        """`forecasts`: what is predicted are values, in buckets that may widen."""
        self.classes, self._reach = classes, max(horizons)
        self._size = size
        # The last bits as they came, oldest first: a sample a call adds one and drops one.
        self._parts: list[Bits] = []
        self._known = 0
        above = [h for h in horizons if h > 0]
        self._scores = {h: Delay(h, np.zeros((0, classes), np.float32)) for h in above}
        self._ranges = {h: Delay(h, np.zeros((0, 2))) for h in above} if forecasts else {}
        self._nothing = np.zeros((1, classes), np.float32)
        self._nothing.flags.writeable = False
        self._since_reset = 0
        self._ends: tuple[Buckets | None, npt.NDArray[np.float64]] = None, np.zeros((1, 2))

    def ages(self, reset: Flags) -> npt.NDArray[np.int64]:
        """Return how many samples of its sequence precede each sample, shape (T,)."""
        if len(reset) == 1:
            return np.array([0 if reset.item() else self._since_reset])
        return ages(reset, self._since_reset)

    def before(self, bits: Bits, h: int) -> Bits:
        """Return the bits of h samples before each of the next samples; empty where unknown."""
        if len(bits) == 1 and 1 <= h <= self._known:
            if self._known == len(self._parts):
                return self._parts[-h]
            for part in reversed(self._parts):
                start = len(part) - h
                if start >= 0:
                    return part if len(part) == 1 else part.slice(start, start + 1)
                h = -start
        return _delayed(Bits.concatenate([*self._parts, bits]), len(bits), h)

    def delay(
        self, h: int, made: Made, age: npt.NDArray[np.int64], buckets: Buckets | None = None
    ) -> Scores:
        """Return `made` h samples later, where it is about the same sequence.

        buckets: those that it was made with.
        """
        late = self._scores[h].later(made, self._nothing)
        if buckets is None:
            return Scores(h, late, age >= h)
        before = self._ends_now(buckets)
        new = before if len(made) == 1 else ends(buckets, len(made))
        return Scores(h, late, age >= h, self._ranges[h].later(new, before))

    def _ends_now(self, buckets: Buckets) -> npt.NDArray[np.float64]:
        """Return the ends of the buckets (1, 2), read-only: they stand for many samples."""
        if buckets is not self._ends[0]:
            found = ends(buckets, 1)
            found.flags.writeable = False
            self._ends = buckets, found
        return self._ends[1]

    def pending(self) -> list[Scores]:
        """Return what is still to come true, by horizon; see `Readout.pending`."""
        found = {h: made.rows() for h, made in self._scores.items()}
        ranges = {h: made.rows() for h, made in self._ranges.items()}
        return [
            Scores(h, made, np.ones(len(made), np.bool_), ranges.get(h))
            for h, made in found.items()
        ]

    def newest(self) -> list[Scores]:
        """Return the last of each horizon in `pending`, as views; see `Readout.newest`."""
        return [
            Scores(h, made.newest(), _TRUE, self._ranges[h].newest() if self._ranges else None)
            for h, made in self._scores.items()
        ]

    def remember(self, bits: Bits, age: npt.NDArray[np.int64]) -> None:
        """Go on after these samples."""
        samples = len(bits)
        if not samples:
            return
        first = samples - self._reach
        self._keep(bits if first <= 0 else bits.slice(first, samples))
        self._since_reset = age.item(-1) + 1

    def _keep(self, bits: Bits) -> None:
        """Add samples, and let go of those that no horizon reaches any more."""
        self._parts.append(bits)
        self._known += len(bits)
        while self._parts and self._known - len(self._parts[0]) >= self._reach:
            self._known -= len(self._parts.pop(0))

    @property
    def _bits(self) -> Bits:
        """The last samples, as many as the farthest horizon."""
        joined = Bits.concatenate([Bits.empty(self._size), *self._parts])
        return joined.slice(len(joined) - min(self._reach, len(joined)), len(joined))

    def state(self) -> State:
        """Return what is remembered."""
        bits = self._bits
        named: State = {
            "past_indices": bits.indices.copy(),
            "past_offsets": bits.offsets.copy(),
            "since_reset": np.array([self._since_reset], np.int64),
        }
        named |= {f"h{h}.past_scores": past.rows() for h, past in self._scores.items()}
        return named | {f"h{h}.past_ranges": past.rows() for h, past in self._ranges.items()}

    @property
    def free(self) -> frozenset[str]:
        """Names of the arrays in the state that grow and shrink."""
        return frozenset(self.state()) - {"since_reset"}

    def load(self, state: State) -> None:
        """Take over checked arrays."""
        self._parts, self._known = [], 0
        self._keep(Bits(self._size, state["past_indices"], state["past_offsets"]))
        self._since_reset = int(state["since_reset"][0])
        for h in self._scores:
            self._scores[h].load(state[f"h{h}.past_scores"])
        for h in self._ranges:
            self._ranges[h].load(state[f"h{h}.past_ranges"])


def ahead(h: int, made: Made, reset: Flags, buckets: Buckets | None = None) -> Scores:
    """Return scores of samples of their own, made h samples earlier; the first have none."""
    ranges = None if buckets is None else ends(buckets, len(made))
    if h == 0:
        return Scores(h, made, np.ones(len(made), np.bool_), ranges)
    none = np.zeros((min(h, len(made)), made.shape[1]), np.float32)
    return Scores(h, np.concatenate([none, made])[: len(made)], ages(reset, 0) >= h, ranges)


def ends(buckets: Buckets, samples: int) -> npt.NDArray[np.float64]:
    """Return the ends of the same buckets for each sample, float64 (T, 2)."""
    found = np.empty((samples, 2))
    found[:] = buckets.minimum, buckets.maximum
    return found


def piece(output: Any, start: int, stop: int) -> Any:
    """Return samples start..stop of an output, as views."""
    return output.slice(start, stop) if isinstance(output, Bits) else output[start:stop]


def ages(reset: Flags, before: int) -> npt.NDArray[np.int64]:
    """Return how many samples of its sequence precede each sample, shape (T,).

    `before`: how many samples of the open sequence were seen earlier.
    """
    place = np.arange(len(reset), dtype=np.int64)
    if not reset.any():
        return place + before
    start = np.maximum.accumulate(np.where(reset != 0, place, -before))
    return place - start


def _delayed(joined: Bits, samples: int, h: int) -> Bits:
    """Return the bits of h samples before each of the last `samples`; empty where unknown."""
    stop = max(len(joined) - h, 0)
    start = max(stop - samples, 0)
    known = joined.slice(start, stop)
    missing = samples - (stop - start)
    if missing == 0:
        return known
    silent = Bits(joined.size, np.zeros(0, np.int32), np.zeros(missing + 1, np.int64))
    return Bits.concatenate([silent, known])
