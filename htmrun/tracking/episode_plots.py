"""What agents did: a picture of a job's best and worst episode, and the returns of all arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from htmrun._imports import PIL, matplotlib
from htmrun.tracking.plots import looks_of, on_one_grid

FILE = "episodes.png"
RETURN = "episode/return"
SMOOTHED = 10
"""Episodes over whose mean a drawn return runs, itself and those before it."""
_GAP, _LEGEND = 4, 16

Series = Mapping[str, "np.ndarray"]


def write(series: Series, folder: Path) -> Path | None:
    """Write frames of the best and the worst episode of a job, a row each; None without any."""
    rows = [
        (name, series[f"episode/{name}_frames"])
        for name in ("best", "worst")
        if f"episode/{name}_frames" in series
    ]
    if not rows:
        return None
    height, width = rows[0][1].shape[1:3]
    most = max(len(frames) for _, frames in rows)
    size = (most * (width + _GAP) + _GAP, len(rows) * (height + _GAP + _LEGEND))
    picture = PIL.Image.new("RGB", size, (120, 120, 120))
    pen = PIL.ImageDraw.Draw(picture)
    returns, top = series[RETURN], 0
    for name, frames in rows:
        total = returns.max() if name == "best" else returns.min()
        steps = len(series[f"episode/{name}"]) - 1
        counted = f"{steps} action{'s' * (steps != 1)}"
        pen.text((_GAP, top + 2), f"{name}: return {total:g} in {counted}", fill="white")
        for place, frame in enumerate(frames):
            at = (_GAP + place * (width + _GAP), top + _LEGEND)
            picture.paste(PIL.Image.fromarray(frame), at)
        top += height + _GAP + _LEGEND
    path = folder / FILE
    picture.save(path)
    return path


def kept(series: Series) -> dict[str, np.ndarray]:
    """Return the arrays of a job that the picture of returns needs."""
    return {RETURN: series[RETURN]} if RETURN in series else {}


def smoothed(returns: np.ndarray) -> list[tuple[int, float]]:
    """Return (number of the episode, mean return of it and up to nine before it), from 1 on."""
    sums = np.cumsum([0.0, *returns])
    ends = np.arange(1, len(returns) + 1)
    begins = np.maximum(ends - SMOOTHED, 0)
    means = (sums[ends] - sums[begins]) / (ends - begins)
    return [*zip(ends.tolist(), means.tolist(), strict=True)]


def plot_returns(
    arms: Mapping[str, Sequence[Series]], path: Path, title: str = "", order: Sequence[str] = ()
) -> None:
    """Draw returns by episode to the PNG `path`: mean over seeds, band lowest to highest.

    `arms`: what `kept` left of each seed's series, by arm. A line ends where the first of its seeds
    has had its actions. Nothing is written without episodes.
    """
    found = {arm: [smoothed(s[RETURN]) for s in seeds if len(s.get(RETURN, ()))]
             for arm, seeds in arms.items()}  # fmt: skip
    found = {arm: seeds for arm, seeds in found.items() if seeds}
    if not found:
        return
    figure = matplotlib.figure.Figure(figsize=(8.5, 4.6), layout="constrained")
    matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    axis = figure.subplots()
    for arm, look in looks_of(found, order).items():
        if arm not in found:
            continue
        episodes, values = on_one_grid(found[arm])
        axis.plot(episodes, values.mean(axis=0), **look, linewidth=1.4, label=arm)
        if len(values) > 1:
            low, high = values.min(axis=0), values.max(axis=0)
            axis.fill_between(episodes, low, high, color=look["color"], alpha=0.15, linewidth=0)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(matplotlib.ticker.ScalarFormatter())
    axis.set_xlabel("episode")
    axis.set_ylabel(f"return, mean of {SMOOTHED} episodes")
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(fontsize=8, loc="outside right center")
    seeds = max(map(len, found.values()))
    band = f"mean of {seeds} seeds, band: lowest to highest" if seeds > 1 else "one seed"
    figure.suptitle(f"{title} ({band})" if title else band, fontsize=11)
    figure.savefig(path, dpi=100)
