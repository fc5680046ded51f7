"""A backend for many jobs at once: models of equal shape become one group on a card.

Each model looks like one of its own to its job, and asks through a `Meeting`. Groups are made
when the first question comes, so all jobs build their models before any of them runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends import CellActivity, Change, State
from htmrun.backends.bits import Bits
from htmrun.backends.cuda.classifier.sdr_classifier import SDRClassifierGroup
from htmrun.backends.cuda.device import Device, cuda_device
from htmrun.backends.cuda.memory.group import TemporalMemoryGroup
from htmrun.backends.cuda.pooler.group import SpatialPoolerGroup
from htmrun.backends.parameters import (
    SDRModelParameters,
    SpatialPoolerParameters,
    TemporalMemoryParameters,
)
from htmrun.backends.plan import Flags, Plan
from htmrun.backends.state import change_by_state
from htmrun.config.schema import Arm
from htmrun.execution.jobs import Builder
from htmrun.execution.lockstep import Meeting, Request, Work
from htmrun.training.records import Job


@dataclass
class SharedBackend:
    """Makes models that share launches with those of other jobs.

    `begin` comes before a job's models are made; call it for the jobs of one arm after each
    other, because only neighbours in a group are served in one launch.
    """

    device: Device
    meeting: Meeting
    _groups: dict[tuple[Any, ...], _Shared] = field(default_factory=dict)
    _made: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    _stage: int = 0

    def begin(self) -> None:
        """Say that the models made from now on belong to the next job."""
        self._made.clear()
        self._stage = 0

    def SpatialPooler(  # noqa: N802
        self, parameters: SpatialPoolerParameters, input_shape: tuple[int, ...], seed: int
    ) -> PoolerMember:
        """Return a member of the group of equal parameters and inputs."""

        def make(seeds: Sequence[int]) -> SpatialPoolerGroup:
            return SpatialPoolerGroup(parameters, input_shape, seeds, self.device)

        key = ("sp", parameters.model_dump_json(), input_shape)
        return PoolerMember(*self._seat(key, _Poolers, make, seed))

    def SDRClassifier(  # noqa: N802
        self, parameters: SDRModelParameters, size: int, classes: int
    ) -> ClassifierMember:
        """Return a member of the group of equal parameters, size and classes."""

        def make(seeds: Sequence[int]) -> SDRClassifierGroup:
            return SDRClassifierGroup(parameters, size, classes, len(seeds), self.device)

        key = ("sdr", parameters.model_dump_json(), size, classes)
        return ClassifierMember(*self._seat(key, _Classifiers, make, 0))

    def TemporalMemory(  # noqa: N802
        self, parameters: TemporalMemoryParameters, columns: int, seed: int
    ) -> MemoryMember:
        """Return a member of the group of equal parameters and columns."""

        def make(seeds: Sequence[int]) -> TemporalMemoryGroup:
            return TemporalMemoryGroup(parameters, columns, seeds, self.device)

        key = ("tm", parameters.model_dump_json(), columns)
        return MemoryMember(*self._seat(key, _Memories, make, seed))

    def _seat(
        self,
        key: tuple[Any, ...],
        kind: type[_Shared],
        make: Callable[[Sequence[int]], Any],
        seed: int,
    ) -> tuple[Meeting, _Shared, int, int]:
        # A job's second model of the same shape sits in a group of its own.
        nth, self._made[key] = self._made[key], self._made[key] + 1
        stage, self._stage = self._stage, self._stage + 1
        shared = self._groups.setdefault((*key, nth), kind(make))
        shared.seeds.append(seed)
        return self.meeting, shared, len(shared.seeds) - 1, stage


@dataclass
class _Shared(ABC):
    """A group that is made once its first member is asked."""

    make: Callable[[Sequence[int]], Any]
    seeds: list[int] = field(default_factory=list)
    _group: Any = None
    _parts: dict[tuple[int, int], Any] = field(default_factory=dict)

    def serve(self, first: int, verb: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Ask the models from number `first` on; see `meeting.Group`."""
        if self._group is None:
            self._group = self.make(self.seeds)
        if verb == "state":
            return [self._group.state(first + k) for k in range(len(calls))]
        if verb == "counters":
            return [self._group.counters(first + k) for k in range(len(calls))]
        if verb == "load":
            return [self._group.load(first + k, *call) for k, call in enumerate(calls)]
        place = first, first + len(calls)
        if place not in self._parts:
            self._parts[place] = self._group.part(*place)
        return self.together(self._parts[place], verb, calls)

    @abstractmethod
    def together(self, part: Any, verb: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Ask all models of `part` at once, one call each."""

    def cut(self, call: tuple[Any, ...], start: int, stop: int) -> tuple[Any, ...]:
        """Return the samples start..stop of a call of "run"."""
        return tuple(_cut(argument, start, stop) for argument in call)

    def joined(self, answers: Sequence[Any]) -> Any:
        """Return the answers to consecutive pieces as one."""
        if isinstance(answers[0], Bits):
            return Bits.concatenate(answers)
        return np.concatenate(answers)


class _Poolers(_Shared):
    def together(self, part: Any, verb: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        samples = [call[0] for call in calls]
        if verb == "run":
            won: list[Any] = part.run(samples, [call[1] for call in calls], calls[0][2])
            return won
        looked: list[Any] = part.compute(samples) if verb == "compute" else part.overlaps(samples)
        return looked


class _Classifiers(_Shared):
    def together(self, part: Any, verb: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        if verb == "compute":
            looked: list[Any] = part.compute([call[0] for call in calls])
            return looked
        samples, targets, plans, sources, learn = zip(*calls, strict=True)
        apart = None if sources[0] is None else sources
        made: list[Any] = part.run(samples, targets, plans, learn[0], apart)
        return made


class _Memories(_Shared):
    def together(self, part: Any, verb: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        samples, marks = [call[0] for call in calls], [call[1] for call in calls]
        if verb == "compute":
            looked: list[Any] = part.compute(samples, marks)
            return looked
        made: list[Any] = part.run(samples, marks, calls[0][2])
        return made

    def joined(self, answers: Sequence[Any]) -> CellActivity:
        return CellActivity.joined(answers)


def _cut(argument: Any, start: int, stop: int) -> Any:
    if isinstance(argument, Bits | Plan):
        return argument.slice(start, stop)
    return argument[start:stop] if isinstance(argument, np.ndarray) else argument


class _Member:
    """One model of a group, as its job sees it."""

    def __init__(self, meeting: Meeting, shared: _Shared, number: int, stage: int) -> None:
        self._meeting, self._shared, self._number, self._stage = meeting, shared, number, stage
        self._place = 0

    def state(self) -> State:
        """Return copies of the canonical state."""
        state: State = self._ask("state", ())
        return state

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError if a name, dtype or shape differs."""
        self._ask("load", (state,))

    def _ask(self, verb: str, call: tuple[Any, ...], alike: tuple[Any, ...] = ()) -> Any:
        length = len(call[0]) if verb in ("run", "compute", "overlaps") else 0
        request = Request(
            self._shared, self._number, self._stage, verb, call, alike, length, self._place
        )
        answer = self._meeting.ask(request)
        self._place += length if verb == "run" else 0
        return answer


class PoolerMember(_Member):
    """A spatial pooler that shares launches."""

    def run(self, bits: Bits, plan: Plan, learn: bool = True) -> Bits:
        """Return the winners of each sample, learning, committing and boosting as `plan` says."""
        won: Bits = self._ask("run", (bits, plan, learn), (learn,))
        return won

    def compute(self, bits: Bits) -> Bits:
        """Return the winners of each sample under the present state; writes nothing."""
        won: Bits = self._ask("compute", (bits,))
        return won

    def overlaps(self, bits: Bits) -> npt.NDArray[np.int32]:
        """Return every column's overlap with each sample, int32 (T, columns)."""
        found: npt.NDArray[np.int32] = self._ask("overlaps", (bits,))
        return found


class MemoryMember(_Member):
    """A temporal memory that shares launches."""

    def run(self, bits: Bits, plan: Plan, learn: bool = True) -> CellActivity:
        """Predict, emit events and commit sample by sample as `plan` says."""
        made: CellActivity = self._ask("run", (bits, plan, learn), (learn,))
        return made

    def compute(self, bits: Bits, reset: Flags) -> CellActivity:
        """Return what `run` would say with frozen segments, from the current cells on."""
        made: CellActivity = self._ask("compute", (bits, reset))
        return made

    def counters(self) -> dict[str, int]:
        """Return live segments and synapses, and what happened to them so far."""
        counted: dict[str, int] = self._ask("counters", ())
        return counted


class ClassifierMember(_Member):
    """An SDR classifier that shares launches."""

    def run(
        self,
        bits: Bits,
        targets: npt.NDArray[np.int64],
        plan: Plan,
        learn: bool = True,
        learn_bits: Bits | None = None,
    ) -> npt.NDArray[np.float32]:
        """Predict each sample, then learn `targets`; returns probabilities (T, classes)."""
        call = (bits, targets, plan, learn_bits, learn)
        made: npt.NDArray[np.float32] = self._ask("run", call, (learn, learn_bits is None))
        return made

    def compute(self, bits: Bits) -> npt.NDArray[np.float32]:
        """Return probabilities (T, classes); writes nothing."""
        made: npt.NDArray[np.float32] = self._ask("compute", (bits,))
        return made

    def change(self, weights: Change, gradient: Change) -> None:
        """Put what functions make of all rows in their place; see `SDRClassifierBackend`."""
        change_by_state(self, weights, gradient)


def works_together(
    builder: Builder, jobs: Sequence[Job], meeting: Meeting, index: int
) -> dict[Job, Work]:
    """Return the work of each job, on card `index`, whose models share launches.

    Latencies are left out: a sample of one job waits for those of the others.
    """
    return works_on(shared_on(index, meeting), builder, jobs)


def shared_on(index: int, meeting: Meeting) -> SharedBackend:
    """Return what makes models on card `index` that share launches."""
    return SharedBackend(cuda_device(index), meeting)


def works_on(shared: SharedBackend, builder: Builder, jobs: Sequence[Job]) -> dict[Job, Work]:
    """Return the work of each job, whose models share launches with all others on `shared`."""
    arms = builder.experiment.selected
    sharing, works = replace(builder, shared=shared), {}
    # By arm, so that models that look at the same time are neighbours in their group.
    for job in sorted(jobs, key=lambda job: arms.index(job.arm)):
        regime = builder.experiment.regime(job.arm)
        if not isinstance(regime, Arm) or not _joins(builder.of(regime)):
            works[job] = builder.work(job)
            continue
        shared.begin()
        works[job] = builder.training(job, regime, sharing.pipeline(regime, job.seed))
    return works


def _joins(builder: Builder) -> bool:
    # Further readouts of a pipeline have no group of their own.
    return builder.ending.kind.joins_lots and not builder.source.predicted
