"""The alerts of a job as a table for people, `alerts.csv`: a line each, in the order of rows."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from htmrun.training.measures.anomalies import ALERT

FILE = "alerts.csv"
_NAMES = {"time": "time", "value": "value", "score": "score", "likelihood": "likelihood",
          "raw": "anomaly", "window": "window"}  # fmt: skip
"""Columns as they are called among a job's series, and in the table."""


def columns(series: Mapping[str, np.ndarray]) -> dict[str, list[object]]:
    """Return the alerts among a job's series by column, row first; empty where none were asked.

    window: number of the labelled window that a row lies in, from 0; None outside of all.
    """
    if f"{ALERT}row" not in series:
        return {}
    found: dict[str, list[object]] = {"row": series[f"{ALERT}row"].tolist()}
    for name, title in _NAMES.items():
        values = series.get(f"{ALERT}{name}")
        if values is None:
            continue
        if name == "time":
            times = values.astype("datetime64[us]")
            whole = times.astype("datetime64[s]")
            found[title] = [str(time) for time in (whole if (whole == times).all() else times)]
        elif name == "window":
            found[title] = [None if window < 0 else window for window in values.tolist()]
        else:
            found[title] = values.tolist()
    return found


def write(series: Mapping[str, np.ndarray], folder: Path) -> Path | None:
    """Write the alerts among a job's series, return the file; None where none were asked for."""
    found = columns(series)
    if not found:
        return None
    path = folder / FILE
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(found)
        writer.writerows(zip(*found.values(), strict=True))
    return path
