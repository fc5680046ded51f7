"""Readouts that predict ahead: delayed targets, and buckets for forecasts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from htmrun.backends import State
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import Parameters
from htmrun.backends.plan import Flags
from htmrun.components.classifiers import Readout, Targets
from htmrun.components.classifiers.buckets import Buckets
from htmrun.components.classifiers.scores import Scores
from htmrun.components.layout import Layout
from htmrun.components.sources import Source, Task
from htmrun.errors import UserError, nearest

Horizon = Annotated[int, Field(ge=0, le=10_000)]
Made = npt.NDArray[np.float32]


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
        description="Forecasts: lower end of the buckets; null: the data's.",
    )
    maximum: float | None = Field(
        None,
        allow_inf_nan=False,
        description="Forecasts: upper end of the buckets; null: the data's.",
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


class HorizonReadout(Readout):
    """What readouts with horizons have in common."""

    forecasts = True

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
        low = low if p.minimum is None else p.minimum
        high = high if p.maximum is None else p.maximum
        if not low < high:
            raise UserError(
                f"{name}.maximum: the buckets' range is {low} to {high}, expected minimum < "
                f"maximum (set {name}.minimum and {name}.maximum)"
            )
        return Targets(p.buckets, horizons, Buckets(low, high, p.buckets), p.estimate)

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

    def __init__(self, size: int, classes: int, horizons: Iterable[int]) -> None:
        self.classes, self._reach = classes, max(horizons)
        self._bits = Bits.empty(size)
        self._scores = {h: np.zeros((0, classes), np.float32) for h in horizons if h > 0}
        self._since_reset = 0

    def ages(self, reset: Flags) -> npt.NDArray[np.int64]:
        """Return how many samples of its sequence precede each sample, shape (T,)."""
        return ages(reset, self._since_reset)

    def before(self, bits: Bits, h: int) -> Bits:
        """Return the bits of h samples before each of the next samples; empty where unknown."""
        return _delayed(Bits.concatenate([self._bits, bits]), len(bits), h)

    def delay(self, h: int, made: Made, age: npt.NDArray[np.int64]) -> Scores:
        """Return `made` h samples later, where it is about the same sequence."""
        joined = np.concatenate([self._scores[h], made])
        self._scores[h] = joined[-h:].copy()
        missing = len(made) + h - len(joined)
        if missing > 0:
            joined = np.concatenate([np.zeros((missing, self.classes), np.float32), joined])
        return Scores(h, joined[: len(made)], age >= h)

    def remember(self, bits: Bits, age: npt.NDArray[np.int64]) -> None:
        """Go on after these samples."""
        joined = Bits.concatenate([self._bits, bits])
        self._bits = joined.slice(len(joined) - min(self._reach, len(joined)), len(joined))
        self._since_reset = int(age[-1]) + 1 if len(age) else self._since_reset

    def state(self) -> State:
        """Return what is remembered."""
        named: State = {
            "past_indices": self._bits.indices.copy(),
            "past_offsets": self._bits.offsets.copy(),
            "since_reset": np.array([self._since_reset], np.int64),
        }
        return named | {f"h{h}.past_scores": past.copy() for h, past in self._scores.items()}

    @property
    def free(self) -> frozenset[str]:
        """Names of the arrays in the state that grow and shrink."""
        return frozenset(self.state()) - {"since_reset"}

    def load(self, state: State) -> None:
        """Take over checked arrays."""
        self._bits = Bits(self._bits.size, state["past_indices"], state["past_offsets"])
        self._since_reset = int(state["since_reset"][0])
        for h in self._scores:
            self._scores[h] = state[f"h{h}.past_scores"]


def ahead(h: int, made: Made, reset: Flags) -> Scores:
    """Return scores of samples of their own, made h samples earlier; the first have none."""
    none = np.zeros((min(h, len(made)), made.shape[1]), np.float32)
    return Scores(h, np.concatenate([none, made])[: len(made)], ages(reset, 0) >= h)


def ages(reset: Flags, before: int) -> npt.NDArray[np.int64]:
    """Return how many samples of its sequence precede each sample, shape (T,).

    `before`: how many samples of the open sequence were seen earlier.
    """
    place = np.arange(len(reset), dtype=np.int64)
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
