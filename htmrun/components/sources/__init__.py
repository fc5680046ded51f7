"""Where samples come from: sources hand out chunks of consecutive samples.

The order of the training samples is a function of (seed, epoch) alone, so every arm with
the same seed sees the same samples in the same order. How a pass is cut into chunks
changes nothing but the sizes of the pieces.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from htmrun.backends.parameters import NO_EFFECT, Parameters
from htmrun.components import registry
from htmrun.errors import UserError

if TYPE_CHECKING:
    from htmrun.components.sources.reading import Reading

Shapes = Mapping[str, tuple[int, ...]]
Ranges = Mapping[str, tuple[float, float]]
Task = Literal["classification", "sequence", "forecast", "anomaly", "control"]
"""control: an agent acts in an environment, which gives rewards.
anomaly: of a series whose pipeline has no readout; no source has it as its own."""


@dataclass(frozen=True)
class Chunk:
    """T consecutive samples.

    fields: what encoders read, by name; each array's first axis has length T.
    target: int64 class, or float64 value for forecasts, shape (T,). NaN: no value came, whatever a
        field was filled with; it is neither learned as a target nor scored.
    reset: uint8 (T,); 1: a new sequence starts at this sample.
    scored: uint8 (T,); 1: predictions of this sample's target count in the metrics.
    others: targets of further columns that are forecast, float64 (T,) by field, as `target`.
    """

    fields: dict[str, np.ndarray]
    target: np.ndarray
    reset: npt.NDArray[np.uint8]
    scored: npt.NDArray[np.uint8]
    others: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.target)

    def slice(self, start: int, stop: int) -> Chunk:
        """Return samples start..stop; arrays are views."""
        fields = {name: column[start:stop] for name, column in self.fields.items()}
        part = slice(start, stop)
        others = {name: column[part] for name, column in self.others.items()}
        return Chunk(fields, self.target[part], self.reset[part], self.scored[part], others)

    def take(self, samples: npt.NDArray[np.int64]) -> Chunk:
        """Return some of the samples, by their numbers; arrays are copies."""
        fields = {name: column[samples] for name, column in self.fields.items()}
        others = {name: column[samples] for name, column in self.others.items()}
        reset, scored = self.reset[samples], self.scored[samples]
        return Chunk(fields, self.target[samples], reset, scored, others)

    def pieces(self, chunk: int) -> Iterator[Chunk]:
        """Yield the samples in order, at most `chunk` at a time."""
        for start in range(0, len(self), chunk):
            yield self.slice(start, start + chunk)


class SourceParameters(Parameters):
    """What a user can set on every source."""

    held_out: str = Field(
        "test", description="validation: other samples than those that results are judged on."
    )


MaxBytes = Annotated[
    int,
    Field(
        ge=1,
        le=1 << 62,
        description="Bytes, after unpacking, that a file may have; a larger one is refused.",
        json_schema_extra=NO_EFFECT,
    ),
]
"""The limit of a source that reads files; its default is `htmrun.components.files.MOST_BYTES`."""


class Source(ABC):
    """A data set or stream.

    name: of the data. shapes: shape of one sample of each field, () for scalars.
    ranges: lowest and highest value of each scalar numeric field, as far as a model may know them
        beforehand; may read all data once.
    classes: number of classes or symbols, 0 for forecasts; class_names names them.
    samples: training samples in an epoch, None if it cannot be known; may read all data once.
    """

    task: ClassVar[Task]
    fields: ClassVar[tuple[str, ...] | None] = None
    """What encoders can read, the same whatever the parameters; None: the data tell."""
    white: float = 1.0
    """Value of the brightest pixel."""
    predicted: tuple[str, ...] = ()
    """Fields that are forecast besides the value."""
    carried: Mapping[str, np.ndarray] = {}
    """What rows after the last of a whole pass depend on, once there was one; see `reading`."""

    if TYPE_CHECKING:  # Attributes or properties, as a source likes.

        @property
        def name(self) -> str: ...
        @property
        def shapes(self) -> Shapes: ...
        @property
        def ranges(self) -> Ranges: ...
        @property
        def classes(self) -> int: ...
        @property
        def class_names(self) -> tuple[str, ...]: ...
        @property
        def samples(self) -> int | None: ...

    def __init__(self, parameters: Any, base: Path) -> None:
        """`base`: where relative paths start. UserError where a file is missing or wrong."""
        self.parameters = parameters

    @property
    def ranges_grow(self) -> bool:
        """Whether `ranges` are of a part of the data only, so that values beyond may come."""
        return False

    @property
    def reach(self) -> Ranges:
        """Lowest and highest value of all data, to tell of and never to learn from."""
        return self.ranges

    @property
    def median_step(self) -> float | None:
        """Median seconds from one sample to the next; None without timestamps."""
        return None

    @property
    def horizon_unit(self) -> Literal["rows", "time"]:
        """What forecasts are counted in: rows, or only those that lie as many usual steps apart."""
        return getattr(self.parameters, "horizon_unit", "rows")

    @property
    def repeats(self) -> bool:
        """Whether every epoch brings the same samples in the same order.

        Then only the first pass over them is news, and what it scores stands apart.
        """
        return self.task == "forecast"

    @property
    def range_of(self) -> str | None:
        """Which samples `ranges` was taken from, in words; None: it is known beforehand."""
        return None

    @property
    def reading(self) -> Reading | None:
        """How rows were read, where the data are rows of a table."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of how the data were read, a line each; may read all data."""
        return ()

    @property
    def pass_ends(self) -> tuple[int, ...]:
        """Samples after which epochs end within a pass over all samples; () for only at its end."""
        return ()

    @property
    def task_ends(self) -> tuple[int, ...]:
        """Samples after which each of several tasks ends; () where there are none."""
        return ()

    @property
    def windows(self) -> tuple[tuple[int, int], ...] | None:
        """First and last sample of each stretch that is labelled as an anomaly, both inside.

        Ascending and apart; None where the data have no labels. May read all data once. Nothing
        learns from them, but a threshold may be chosen by those of the first samples.
        """
        return None

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the data and of what decides which samples are used."""

    @abstractmethod
    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        """Yield the samples of one epoch, in the order of (seed, epoch)."""

    def test(self, chunk: int) -> Iterator[Chunk] | None:
        """Yield the held-out samples, always in the same order.

        None where there are none: predictions are scored as the stream goes by.
        """
        return None

    def validation(self, chunk: int) -> Iterator[Chunk] | None:
        """Yield the samples that choose the reported epoch; None where none are kept aside."""
        return None

    def test_of(self, task: int, chunk: int) -> Iterator[Chunk]:
        """Yield the held-out samples of one of the tasks, counted from 0.

        Raises ValueError where there are no tasks (`task_ends` is empty).
        """
        raise ValueError(f"task {task}: found data without tasks, expected data.tasks")

    def in_tasks(self) -> Source:
        """Return the source of the tasks that its parameters ask for; without such, itself."""
        return self

    @classmethod
    def known_shapes(cls, parameters: Any) -> Shapes:
        """Return the shapes of fields that the parameters tell, without the data."""
        return {}

    @classmethod
    def asked_for(cls, parameters: Any) -> Mapping[str, str]:
        """Return fields that are given to the encoder because a setting names them, by setting."""
        return {}

    @classmethod
    def names_only(cls, parameters: Any) -> Collection[str]:
        """Return fields whose numbers are names, of which nearness says nothing."""
        return ()


def open_source(parameters: SourceParameters, *, base_dir: str | Path | None = None) -> Source:
    """Return the source that `parameters` describe.

    Relative paths start at `base_dir` (default: the working directory). Raises UserError
    where a file is missing or not what was declared; large files are read only when used.
    """
    kind: type[Source] = registry.of(parameters).component
    return kind(parameters, Path(base_dir) if base_dir is not None else Path.cwd()).in_tasks()


def resolve_path(path: str, base: Path, field: str = "path") -> Path:
    """Return `path` with `~` expanded, relative to `base` unless absolute; raises UserError."""
    try:
        return base / Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(f"data.{field}: found '{path}' ({error}), expected a path") from None
