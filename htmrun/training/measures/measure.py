"""What a measure is: it watches one job from its beginning to its end, and says what it found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

import numpy as np

from htmrun.backends import State
from htmrun.backends.plan import Plan
from htmrun.components.pipeline import Outcome, Pipeline
from htmrun.components.sources import Chunk, Source, Task
from htmrun.training.records import Job, Progress
from htmrun.training.schedule import Course, Schedule

Metrics = dict[str, float]
Saved = dict[str, Any]
"""Arrays, numbers, texts, None, and lists and dicts (by text) of them: what a checkpoint holds."""

RATE = "samples_per_s"
RECENT = "recent/"
"""Names of metrics since the last curve point begin with this; final metrics are over more."""

LATER = "later/"
LAST_PASS = "last_pass/"
"""Those of passes over a stream that was learned before: curves, and final over the last pass."""

STRETCHES = ("prequential/", "tail/", RECENT, LATER, LAST_PASS, "validation/")
"""Stretches of the samples whose metrics have the row of the name behind, unless their own."""

Better = Literal["up", "down", "none"]
Section = Literal["task", "representation", "learning", "cost"]

_PLACES = {"stage": r"[^/]+", "pooler": r"[^/]+", "memory": r"[^/]+", "layer": r"[^/]+",
           "column": r"[^/]+", "copy": r"\d+", "h": r"\d+", "last": r"\d+"}  # fmt: skip


class Alarm(NamedTuple):
    """A mean above `limit` is told after the run, in the words of `text`."""

    limit: float
    text: str


@dataclass(frozen=True)
class Metric:
    """One row. `pattern` has {stage}, {pooler}, {memory}, {layer} or {column} for a name of one,
    {copy} for the number of one.

    {h} is how far ahead is forecast, which may follow every name of the section "task"; {a,b} one
    of several words. `main`: tasks of which it is one of the few that people look at first; {last}
    then stands for the longest forecast alone.
    `curve`: worth a point each time, which costs the tracking store more than it costs to measure.
    `timed`: differs from run to run.
    """

    pattern: str
    section: Section
    better: Better
    meaning: str
    unit: str = ""
    source: str = ""
    curve: bool = False
    main: tuple[Task, ...] = ()
    timed: bool = False
    alarm: Alarm | None = None

    def matches(self, name: str) -> bool:
        """Return whether this is the row of the metric `name`, stretches apart."""
        return _compiled(self.pattern, self.section == "task").fullmatch(name) is not None

    @property
    def compared(self) -> bool:
        """Whether it tells of what was learned, or how fast; the rest is bookkeeping."""
        return self.section != "cost" or self.pattern == RATE


@cache
def _compiled(pattern: str, horizons: bool) -> re.Pattern[str]:
    found = ""
    for part in re.split(r"(\{[^}]*\})", pattern):
        inside = part[1:-1] if part.startswith("{") else ""
        words = "|".join(map(re.escape, inside.split(",")))
        found += _PLACES.get(inside, f"({words})") if inside else re.escape(part)
    return re.compile(found + (r"(_\d+)?" if horizons else ""))


def find(rows: Iterable[Metric], name: str) -> Metric | None:
    """Return the row of the metric `name` among `rows`; None for one that has none."""
    rows = tuple(rows)
    found = next((m for m in rows if m.matches(name)), None)
    if found is None and name.startswith(STRETCHES):
        return find(rows, name.partition("/")[2])
    return found


@dataclass
class Run:
    """One job as its measures see it: what it is of, and how far it has come.

    samples: of one epoch; sample: learned so far; told: the points of its curves so far.
    """

    job: Job
    pipeline: Pipeline
    source: Source
    schedule: Schedule
    course: Course
    samples: int
    measures: tuple[Measure, ...] = ()
    sample: int = 0
    commits: int = 0
    train_seconds: float = 0.0
    told: list[Progress] = field(default_factory=list)
    held_out: Outcome | None = None
    """What was just made of the first chunk of held-out samples, for the first who takes it."""
    _state: State | None = None

    @property
    def total(self) -> int:
        """The training samples of all epochs."""
        return self.samples * self.course.epochs

    @property
    def passes(self) -> int:
        """How often the same stream goes by; figures of the first pass stand apart from others."""
        return self.course.epochs if self.source.repeats else 1

    @property
    def task(self) -> Task:
        """What is asked of the source: what it is made for, without a readout anomalies."""
        return self.source.task if self.pipeline.readout.targets.horizons else "anomaly"

    @property
    def rate(self) -> float:
        """Training samples per second so far."""
        return self.sample / self.train_seconds if self.train_seconds > 0 else 0.0

    @property
    def state(self) -> State:
        """The state that is reported; to be asked for when the job is finished."""
        # No cached_property: until Python 3.12 its lock is that of all jobs, and models in step
        # give their states when all jobs ask for something.
        if self._state is None:
            self._state = self.pipeline.state()
        return self._state

    def take_held_out(self) -> Outcome | None:
        """Return `held_out` and forget it: what learns next makes it untrue."""
        taken, self.held_out = self.held_out, None
        return taken

    def measure(self, kind: type[M]) -> M:
        """Return the measure of this kind."""
        return next(m for m in self.measures if isinstance(m, kind))


class Due(NamedTuple):
    """Why the measures are to look: a point of the curves, an evaluation, or both."""

    curve: bool
    evaluation: bool


class Found(NamedTuple):
    """What a measure says in the end: metrics, arrays by name, and lines to read beside them.

    after: what a model needs to be measured further, by what keeps it. forecasts: what was said of
    each row of a series, by column.
    """

    metrics: Mapping[str, float] = MappingProxyType({})
    series: Mapping[str, np.ndarray] = MappingProxyType({})
    notes: tuple[str, ...] = ()
    after: Mapping[str, State] = MappingProxyType({})
    forecasts: Mapping[str, np.ndarray] = MappingProxyType({})


class Measure:
    """Something that is measured of every job; a subclass fills in the hooks that it needs.

    It must leave the pipeline as it found it. What cannot be measured is left out, never 0.
    """

    metrics: ClassVar[tuple[Metric, ...]] = ()
    """The rows of all metrics that it may report."""
    order: ClassVar[int] = 50
    """Those with less come first; at 20 the state that is reported is chosen."""
    awaits_commit = False
    """While true, pieces end at the next commit."""

    def begin(self, run: Run) -> None:
        """Start; nothing is learned yet, or `load` follows."""

    def cuts(self) -> tuple[int, ...]:
        """Return the samples after which a piece must end."""
        return ()

    def chunk(self, run: Run, chunk: Chunk, plan: Plan, outcome: Outcome) -> None:
        """Take in a piece of a chunk that was just learned, and what had been predicted of it."""

    def look(self, run: Run, due: Due) -> Metrics:
        """Return metrics of the model as it is now, or since the last point of the curves."""
        return {}

    def finish(self, run: Run) -> Found:
        """Return the metrics and arrays of the whole job."""
        return Found()

    def state(self) -> Saved:
        """Return all that later results depend on."""
        return {}

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned; called after `begin`."""


M = TypeVar("M", bound=Measure)
