"""The benchmark's folder: series in `data/`, labelled windows in `labels/combined_windows.json`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.components.sources import Ranges, SourceParameters
from htmrun.components.sources.series import SeriesParameters, SeriesSource
from htmrun.errors import UserError
from htmrun.training.measures.nab_score import Labelled

LABELS = "labels/combined_windows.json"
PADDING = 0.2
"""Share of a file's range by which the range of its encoder is wider, below and above.

That the range of a whole file may be known beforehand is a rule of the benchmark (Lavin, Ahmad
2015); how far it is widened is the published detectors' choice.
"""


class BenchmarkSeries(SeriesSource):
    """A file whose encoder knows the lowest and highest value of all of it, and some room."""

    @cached_property
    def ranges(self) -> Ranges:
        """Lowest and highest value of each numeric field, a fifth of the range added to both.

        Where all values are equal, of a range of 1.
        """
        return {name: _padded(*reach) for name, reach in self.reach.items()}


def _padded(low: float, high: float) -> tuple[float, float]:
    width = (high - low) or 1.0
    return low - PADDING * width, high + PADDING * width


@dataclass(frozen=True)
class File:
    """One series: `name` is CATEGORY/FILE.csv; windows: first and last row of each, both inside.

    times: datetime64[us] (T,); values: float64 (T,).
    """

    name: str
    source: BenchmarkSeries
    times: npt.NDArray[np.datetime64]
    values: npt.NDArray[np.float64]
    windows: tuple[tuple[int, int], ...]

    @property
    def category(self) -> str:
        """The folder in which it lies."""
        return self.name.partition("/")[0]

    def __len__(self) -> int:
        return len(self.values)

    def labelled(self, score: npt.NDArray[np.float64]) -> Labelled:
        """Return anomaly scores (T,) with the windows of the file."""
        return Labelled(score, self.windows)


@dataclass(frozen=True)
class Corpus:
    """The files that are there, by name; `absent` are labelled and not there."""

    folder: Path
    files: Mapping[str, File]
    absent: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(map(len, self.files.values()))

    @property
    def windows(self) -> int:
        """Windows of all files."""
        return sum(len(file.windows) for file in self.files.values())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the files and their windows."""
        told = {name: [f.source.fingerprint, f.windows] for name, f in self.files.items()}
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def read_corpus(folder: Path, data: SourceParameters) -> Corpus:
    """Return the corpus in `folder`, its files read as `data` says.

    Raises UserError where the folder is another, where a file cannot be read (with its line), and
    where no labelled window is in any file.
    """
    if not isinstance(data, SeriesParameters):
        kind = getattr(data, "kind", "another")
        raise UserError(f"data.kind: found '{kind}', expected series, as the benchmark's files are")
    labels = read_labels(folder)
    there = {name: folder / "data" / name for name in labels if (folder / "data" / name).is_file()}
    if not there:
        raise UserError(
            f"{folder}: has none of the {len(labels)} files of {LABELS} in data/, expected "
            "data/CATEGORY/FILE.csv"
        )
    files = {name: _file(name, path, labels[name], data) for name, path in there.items()}
    corpus = Corpus(folder, files, tuple(name for name in labels if name not in there))
    if not corpus.windows:
        raise UserError(f"{folder / LABELS}: found no window in any file, expected at least one")
    return corpus


def read_labels(folder: Path) -> dict[str, list[Any]]:
    """Return the windows by CATEGORY/FILE.csv, sorted; UserError where they are not there."""
    path = folder / LABELS
    if not folder.is_dir():
        raise UserError(
            f"{folder}: not a folder, expected the benchmark's, with data/ and {LABELS}"
        )
    if not path.is_file():
        raise UserError(
            f"{folder}: found no {LABELS}, expected the folder of the Numenta Anomaly Benchmark"
        )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}), expected JSON") from None
    if not isinstance(found, dict) or not all(isinstance(w, list) for w in found.values()):
        raise UserError(f"{path}: expected a list of windows for each file, by CATEGORY/FILE.csv")
    return dict(sorted(found.items()))


def _file(name: str, path: Path, windows: list[Any], data: SeriesParameters) -> File:
    """Return one file, read whole."""
    named = {"path": str(path.resolve()), "value": "value", "timestamp": "timestamp"}
    source = BenchmarkSeries(data.model_copy(update=named), Path.cwd())
    chunks = list(source.train(0, 0, 1 << 20))
    if not chunks:
        raise UserError(f"{path}: found no rows, expected at least one")
    times = np.concatenate([chunk.fields["timestamp"] for chunk in chunks])
    values = np.concatenate([chunk.fields["value"] for chunk in chunks])
    return File(name, source, times, values, tuple(_rows(name, times, w) for w in windows))


def _rows(name: str, times: npt.NDArray[np.datetime64], window: Sequence[str]) -> tuple[int, int]:
    """Return the first and the last row inside a window of two times."""
    try:
        first, last = np.array([str(edge)[:19] for edge in window], "datetime64[s]")
    except ValueError:
        raise UserError(f"{LABELS}: {name} has the window {window}, expected two times") from None
    inside = np.flatnonzero((times >= first) & (times <= last))
    if not len(inside):
        raise UserError(
            f"{LABELS}: {name} has no row from {window[0]} to {window[1]}, expected a window of "
            "this file"
        )
    return int(inside[0]), int(inside[-1])
