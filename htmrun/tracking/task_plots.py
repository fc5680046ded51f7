"""What a job still knows of each task after each: a table for people, and a picture of all arms."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from htmrun._imports import matplotlib
from htmrun.tracking.plots import look
from htmrun.training.measures.tasks import AROUND, MATRIX, OFFSET

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILE = "tasks.csv"
_ACROSS = 4
_WRITTEN = 10
"""Tasks up to which the picture has room for numbers."""

Series = Mapping[str, "np.ndarray"]


def write(series: Series, folder: Path) -> Path | None:
    """Write the accuracy matrix among a job's series; None where it has none.

    A line for each task that was learned, the untrained model first; a column for each task.
    """
    if MATRIX not in series:
        return None
    matrix = series[MATRIX]
    path = folder / FILE
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["after task", *(f"task {n + 1}" for n in range(matrix.shape[1]))])
        writer.writerows([number, *row] for number, row in enumerate(matrix.tolist()))
    return path


def kept(series: Series) -> dict[str, np.ndarray]:
    """Return the arrays of a job that the picture needs."""
    return {name: series[name] for name in (MATRIX, AROUND, OFFSET) if name in series}


def plot_tasks(arms: Mapping[str, Sequence[Series]], path: Path, title: str = "") -> None:
    """Draw each arm's matrix, mean over seeds, and answers around the changes, to the PNG `path`.

    `arms`: what `kept` left of each seed's series, by arm. Nothing is written without tasks.
    """
    found = {arm: [s for s in seeds if MATRIX in s] for arm, seeds in arms.items()}
    found = {arm: seeds for arm, seeds in found.items() if seeds}
    if not found:
        return
    across = min(_ACROSS, len(found))
    down = -(-len(found) // across)
    figure = matplotlib.figure.Figure(
        figsize=(max(2.9 * across, 7.5), 2.7 * down + 3.6), layout="constrained"
    )
    matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    parts: Any = figure.subfigures(2, 1, height_ratios=(2.7 * down, 3.6))
    upper, lower = parts
    axes = upper.subplots(down, across, squeeze=False).flatten()
    for axis, (arm, seeds) in zip(axes, found.items(), strict=False):
        image = _matrix(axis, arm, np.mean([s[MATRIX] for s in seeds], axis=0))
    for axis in axes[len(found) :]:
        axis.set_visible(False)
    upper.colorbar(image, ax=axes.tolist(), label="accuracy", shrink=0.8)
    _around(lower.subplots(), found)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=100)


def _matrix(axis: Axes, arm: str, matrix: np.ndarray) -> Any:
    image = axis.imshow(matrix, vmin=0, vmax=1, cmap="cividis", aspect="auto")
    rows, columns = matrix.shape
    if columns <= _WRITTEN:
        for (y, x), value in np.ndenumerate(matrix):
            colour = "black" if value > 0.55 else "white"
            text = f"{value:.2f}".removeprefix("0") if value < 0.995 else "1"
            axis.text(x, y, text, ha="center", va="center", fontsize=7, color=colour)
    step = max(1, columns // _WRITTEN)
    axis.set_xticks(range(0, columns, step), [str(n + 1) for n in range(0, columns, step)])
    axis.set_yticks(range(0, rows, step), [str(n) if n else "-" for n in range(0, rows, step)])
    axis.set_xlabel("held-out task", fontsize=8)
    axis.set_ylabel("after task", fontsize=8)
    axis.tick_params(labelsize=7)
    axis.set_title(arm, fontsize=9)
    return image


def _around(axis: Axes, arms: Mapping[str, Sequence[Series]]) -> None:
    for place, (arm, seeds) in enumerate(arms.items()):
        curves = [s[AROUND] for s in seeds if AROUND in s]
        if curves:
            offset = next(s[OFFSET] for s in seeds if OFFSET in s)
            axis.plot(offset, np.mean(curves, axis=0), label=arm, linewidth=1.4, **look(place))
    axis.axvline(0, color="grey", linewidth=0.8)
    axis.set_xlabel("samples since another task began")
    axis.set_ylabel("right before being learned (share)")
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    if axis.lines[:-1]:
        axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
