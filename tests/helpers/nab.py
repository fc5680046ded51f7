"""A small folder like the Numenta Anomaly Benchmark's: waves with a stretch that is another."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

ROWS = 480
WINDOWS = {"waves/plain.csv": [], "waves/odd.csv": [(300, 339)], "steps/jump.csv": [(400, 439)]}


def times(rows: int = ROWS) -> list[str]:
    """Return times five minutes apart."""
    start = np.datetime64("2014-04-01T00:00:00")
    every = start + np.arange(rows) * np.timedelta64(300, "s")
    return [str(t).replace("T", " ") for t in every]


def series(name: str) -> np.ndarray:
    """Return the values of a file."""
    t = np.arange(ROWS)
    values = np.round(10 * np.sin(2 * np.pi * t / 24), 2)
    if name.endswith("odd.csv"):
        values[310:335] = np.round(values[310:335][::-1] * np.cos(t[310:335]), 2)
    if name.endswith("jump.csv"):
        values[410:420] += 30.0
    return values


def write_corpus(folder: Path) -> Path:
    """Write the folder; one labelled file is not there."""
    labels: dict[str, list[list[str]]] = {"absent/gone.csv": []}
    for name, windows in WINDOWS.items():
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = zip(times(), series(name), strict=True)
        text = "".join(f"{time},{value}\n" for time, value in rows)
        path.write_text(f"timestamp,value\n{text}")
        labels[name] = [[f"{times()[a]}.000000", f"{times()[b]}.000000"] for a, b in windows]
    (folder / "labels").mkdir()
    (folder / "labels" / "combined_windows.json").write_text(json.dumps(labels))
    return folder
