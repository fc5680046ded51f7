"""Result files in the benchmark's own layout, written and read.

`OUT/DETECTOR/CATEGORY/DETECTOR_FILE.csv` with the columns timestamp, value, anomaly_score, label;
what the benchmark's own program adds behind them when it scores is left unread.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from htmrun._imports import pandas
from htmrun.compare.nab.corpus import Corpus, File
from htmrun.compare.nab.judging import ByFile, Scores
from htmrun.errors import UserError

_COLUMN = "anomaly_score"


def write(out: Path, detector: str, corpus: Corpus, scores: ByFile) -> None:
    """Write a detector's scores of every file; OSError where there is no room."""
    for name, found in scores.items():
        file = corpus.files[name]
        path = out / detector / file.category / f"{detector}_{name.partition('/')[2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        label = np.zeros(len(file), np.int64)
        for first, last in file.windows:
            label[first : last + 1] = 1
        with path.open("w", newline="", encoding="utf-8") as text:
            rows = csv.writer(text, lineterminator="\n")
            rows.writerow(["timestamp", "value", _COLUMN, "label"])
            times = np.datetime_as_string(file.times, unit="s")
            rows.writerows(
                (str(t).replace("T", " "), repr(float(v)), repr(float(s)), int(mark))
                for t, v, s, mark in zip(times, file.values, found, label, strict=True)
            )


def detectors(folder: Path, corpus: Corpus) -> dict[str, dict[str, Path]]:
    """Return the result files below `folder` that are of the corpus, by detector and file.

    DETECTOR/CATEGORY/DETECTOR_FILE.csv or without the detector before the file's name, either
    packed (.csv.gz) or not. Raises UserError where there is no such file.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: not a folder, expected one with DETECTOR/CATEGORY/*.csv")
    found: dict[str, dict[str, Path]] = {}
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = {name: path for name in corpus.files if (path := _result(place, name)) is not None}
        if files:
            found[place.name] = files
    if not found:
        raise UserError(
            f"{folder}: found no result of any of the {len(corpus.files)} files, expected "
            "DETECTOR/CATEGORY/DETECTOR_FILE.csv"
        )
    return found


def _result(place: Path, name: str) -> Path | None:
    category, _, file = name.partition("/")
    names = [f"{prefix}{file}{end}" for prefix in (f"{place.name}_", "") for end in ("", ".gz")]
    paths = (place / category / path for path in names)
    return next((path for path in paths if path.is_file()), None)


def read(files: Mapping[str, Path], corpus: Corpus) -> dict[str, Scores]:
    """Return the anomaly scores of result files; UserError for one that does not fit its series."""
    return {name: _read(path, corpus.files[name]) for name, path in files.items()}


def _read(path: Path, file: File) -> Scores:
    try:
        table = pandas.read_csv(path, usecols=lambda name: name == _COLUMN)
    except (OSError, ValueError, EOFError) as error:
        told = (str(error).splitlines() or [""])[0]
        raise UserError(f"{path}: cannot be read ({told}), expected CSV") from None
    if _COLUMN not in table:
        raise UserError(f"{path}: has no column {_COLUMN}, expected one")
    numbers = pandas.to_numeric(table[_COLUMN], errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(np.isnan(numbers) & table[_COLUMN].notna().to_numpy())
    if len(wrong):
        raise UserError(
            f"{path}:{wrong[0] + 2}: {_COLUMN} is '{table[_COLUMN][wrong[0]]}', expected a number"
        )
    if len(numbers) != len(file):
        raise UserError(
            f"{path}: has {len(numbers):,} rows and {file.name} has {len(file):,}, expected a "
            "score for each"
        )
    return numbers
