"""Where samples come from: sources hand out chunks of consecutive samples.

The order of the training samples is a function of (seed, epoch) alone, so every arm with
the same seed sees the same samples in the same order. How a pass is cut into chunks
changes nothing but the sizes of the pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import numpy.typing as npt

from htmrun.components import registry

if TYPE_CHECKING:
    from htmrun.components.sources.parameters import SourceParameters

Task = Literal["classification", "sequence", "forecast"]


@dataclass(frozen=True)
class Chunk:
    """T consecutive samples.

    fields: what encoders read, by name; each array's first axis has length T.
    target: int64 class, or float64 value for forecasts, shape (T,).
    reset: uint8 (T,); 1: a new sequence starts at this sample.
    scored: uint8 (T,); 1: predictions of this sample's target count in the metrics.
    """

    fields: dict[str, np.ndarray]
    target: np.ndarray
    reset: npt.NDArray[np.uint8]
    scored: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.target)

    def slice(self, start: int, stop: int) -> Chunk:
        """Return samples start..stop; arrays are views."""
        fields = {name: column[start:stop] for name, column in self.fields.items()}
        part = slice(start, stop)
        return Chunk(fields, self.target[part], self.reset[part], self.scored[part])

    def pieces(self, chunk: int) -> Iterator[Chunk]:
        """Yield the samples in order, at most `chunk` at a time."""
        for start in range(0, len(self), chunk):
            yield self.slice(start, start + chunk)


class Source(Protocol):
    """A data set or stream.

    classes: number of classes or symbols, 0 for forecasts; class_names names them.
    shapes: shape of one sample of each field, () for scalars.
    ranges: lowest and highest value of each scalar numeric field; may read all data once.
    samples: training samples in an epoch, None if it cannot be known; may read all data once.
    fingerprint: SHA-256 (hex) of the data and of what decides which samples are used.
    train: the samples of one epoch, in the order of (seed, epoch).
    test: the held-out samples, always in the same order; None if there are none.
    """

    name: str

    @property
    def task(self) -> Task: ...
    @property
    def classes(self) -> int: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def shapes(self) -> dict[str, tuple[int, ...]]: ...
    @property
    def ranges(self) -> Mapping[str, tuple[float, float]]: ...
    @property
    def samples(self) -> int | None: ...
    @property
    def fingerprint(self) -> str: ...
    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]: ...
    def test(self, chunk: int) -> Iterator[Chunk] | None: ...


def validation_chunks(source: Source, chunk: int) -> Iterator[Chunk] | None:
    """Return the samples that choose the reported epoch; None where a source keeps none aside."""
    kept = getattr(source, "validation", None)
    return None if kept is None else kept(chunk)


def open_source(parameters: SourceParameters, *, base_dir: str | Path | None = None) -> Source:
    """Return the source that `parameters` describe.

    Relative paths start at `base_dir` (default: the working directory). Raises UserError
    where a file is missing or not what was declared; large files are read only when used.
    """
    base = Path(base_dir) if base_dir is not None else Path.cwd()
    source: Source = registry.of(parameters).component(parameters, base)
    return source


def resolve_path(path: str, base: Path) -> Path:
    """Return `path` with `~` expanded, relative to `base` unless absolute."""
    return base / Path(path).expanduser()
