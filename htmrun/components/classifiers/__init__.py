"""Readouts, the last stage of a pipeline: what other stages put out becomes scores of classes.

One file per kind; networks have a folder of their own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from htmrun.backends import Backend, State
from htmrun.backends.devices import KINDS
from htmrun.backends.plan import Flags, Plan
from htmrun.components.classifiers.buckets import Buckets
from htmrun.components.classifiers.scores import Activity, Scores
from htmrun.components.layout import Layout, Window
from htmrun.components.sources import Source, Task
from htmrun.errors import UserError

Classes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Targets:
    """What is asked of a readout.

    horizons: samples ahead, ascending. buckets: of forecasts, whose classes they are; estimate:
    which figure is drawn from a distribution over them.
    """

    classes: int
    horizons: tuple[int, ...]
    buckets: Buckets | None = None
    estimate: Literal["mean", "median", "mode"] = "mode"


@dataclass(frozen=True)
class Site:
    """What a readout is built with.

    name: its own. front: what it can read. frozen: parts of the pipeline that do not learn.
    samples: training samples of the whole run; per_epoch: of an epoch.
    """

    name: str
    front: Layout
    source: Source
    backend: Backend
    device: str
    seed: int
    frozen: Collection[str]
    samples: int
    per_epoch: int


class Readout(ABC):
    """The last stage; `learn` false: frozen in this arm."""

    devices: ClassVar[tuple[str, ...]] = KINDS
    """Kinds of devices that a run with it can have."""
    size_field: ClassVar[str] = ""
    """The setting that makes its state large; empty: what stands before it does."""
    field: ClassVar[str | None] = None
    """The field of the data that it reads where no encoder stands before it."""
    needs: ClassVar[tuple[str, str] | None] = None
    """What the stage before it must put out beside its main output; that, in words."""
    forecasts: ClassVar[bool] = False
    """Whether it can name values, too."""
    row_by_row: ClassVar[bool] = False
    """Whether, at horizon 0, it says the same to the byte whatever else is in a chunk."""
    joins_lots: ClassVar[bool] = True
    """Whether the models of its pipeline can share launches on a card with those of others."""

    name: str
    targets: Targets
    learn: bool

    def pending(self) -> list[Scores]:
        """Return, by horizon above 0, what was predicted of samples that are still to come.

        In the order in which they were predicted, as many of the last as the horizon; empty where
        the readout does not keep them.
        """
        return []

    def newest(self) -> list[Scores]:
        """Return the last of each horizon in `pending`."""
        return [one.last(1) for one in self.pending()]

    @classmethod
    @abstractmethod
    def horizons(cls, parameters: Any) -> tuple[int, ...]:
        """Return how many samples ahead it predicts, ascending."""

    @classmethod
    def targets_of(cls, name: str, parameters: Any, source: Source) -> Targets:
        """Return what is asked of it with these data; UserError where it cannot give that."""
        if source.task == "forecast":
            raise UserError(
                f"{name}.kind: '{parameters.kind}' names symbols, not values; expected 'sdr' for "
                "a forecast"
            )
        return Targets(source.classes, cls.horizons(parameters))

    @classmethod
    def lacking(cls) -> str | None:
        """Say what keeps it off a card on this machine; None: nothing."""
        return None

    @classmethod
    def parts(cls, parameters: Any) -> tuple[str, ...]:
        """Return the parts of it that an arm can freeze or bypass by name."""
        return ()

    @classmethod
    def reads(cls, parameters: Any) -> tuple[str, ...] | None:
        """Return the names of the outputs that it is to read; None: the last stage's."""
        return None

    @classmethod
    def unfit(cls, name: str, parameters: Any, task: Task, kind: str) -> Iterator[str]:
        """Yield one line for each thing that does not go with a task; kind: of the data."""
        if task == "forecast" and not cls.forecasts:
            yield (
                f"{name}.kind: found '{parameters.kind}' with data.kind '{kind}', "
                "expected sdr (a series has values, not symbols)"
            )

    @classmethod
    def problems(cls, name: str, parameters: Any, front: Layout) -> Iterator[str]:
        """Yield one line for each thing that cannot work behind `front`."""
        yield from ()

    @classmethod
    def windows(
        cls, name: str, parameters: Any, front: Layout, frozen: Collection[str]
    ) -> Iterator[Window]:
        """Yield what limits the number of samples in a window."""
        yield from ()

    @classmethod
    @abstractmethod
    def state_bytes(cls, parameters: Any, front: Layout, targets: Targets) -> int:
        """Estimate the bytes of its state."""

    @classmethod
    def card_bytes(cls, parameters: Any, front: Layout, targets: Targets) -> int:
        """Return the bytes of a card that it takes, chunks of samples included."""
        return 0

    @classmethod
    @abstractmethod
    def build(cls, parameters: Any, site: Site) -> Readout:
        """Return a fresh readout; UserError where it does not fit what stands before it."""

    @property
    def buckets(self) -> Buckets | None:
        """What a forecast's values are cut into at present; None: targets are classes already."""
        return self.targets.buckets

    def answer(self, activity: Activity, target: np.ndarray, plan: Plan) -> list[Scores]:
        """Predict each sample, then learn from `target`, a class or a value each (T,)."""
        return self.run(activity, self.classes_of(target), plan)

    def classes_of(self, target: np.ndarray) -> Classes:
        """Return the class of each target: itself, or the bucket of a value; -1 for none."""
        if self.buckets is None:
            return np.asarray(target, np.int64)
        return self.buckets.index(np.asarray(target, np.float64))

    @abstractmethod
    def run(self, activity: Activity, targets: Classes, plan: Plan) -> list[Scores]:
        """Predict each sample, then learn from `targets` (class, or -1 for none)."""

    @abstractmethod
    def compute(self, activity: Activity, reset: Flags) -> list[Scores]:
        """Return what is predicted for samples of their own, before any history; writes nothing."""

    def inside(self) -> tuple[Any, Callable[[Activity], np.ndarray]] | None:
        """Return its `Network` and what tells that one's input, for looks at layers; None: none."""
        return None

    @abstractmethod
    def state(self) -> State:
        """Return every array that a later result depends on."""

    @abstractmethod
    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
