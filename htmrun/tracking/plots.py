"""Learning curves of all arms in one picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from htmrun._imports import matplotlib
from htmrun.tracking.curves import Curves
from htmrun.training.measures.measure import RATE
from htmrun.training.measures.registry import label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart with every common colour vision deficiency; yellow is left
# out because it is too pale on white. Line styles tell arms apart in print as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
STYLES = ("-", "--", "-.", ":")
_MOST_PANELS = 4
_DETAILED = 6


def plot_curves(curves: Curves, path: Path, title: str = "", order: Sequence[str] = ()) -> None:
    """Draw one panel for each metric to the PNG `path`: mean over seeds, band lowest to highest.

    `curves` maps metric -> arm -> seed -> [(training samples, value)]; the first four metrics
    with at least two points are drawn, the rate last. Nothing is written without such a metric.
    `order`: all arms of the run; each has the colour of its place there, drawn or not.
    """
    metrics = _drawable(curves)
    if not metrics:
        return
    across = len(metrics) if len(metrics) < 4 else (len(metrics) + 1) // 2
    down = -(-len(metrics) // across)
    figure = matplotlib.figure.Figure(
        figsize=(5.4 * across, 3.6 * down + 0.9), layout="constrained"
    )
    matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    axes = figure.subplots(down, across, squeeze=False).flatten()
    arms = list(dict.fromkeys(arm for metric in metrics for arm in curves[metric]))
    looks = looks_of(arms, order)
    seeds = len({seed for metric in metrics for arm in curves[metric].values() for seed in arm})
    for axis, metric in zip(axes, metrics, strict=False):
        _panel(axis, metric, curves[metric], looks)
    for axis in axes[len(metrics) :]:
        axis.set_visible(False)
    _legend(figure, {arm: looks[arm] for arm in arms})
    band = f"mean of {seeds} seeds, band: lowest to highest" if seeds > 1 else "one seed"
    figure.suptitle(f"{title} ({band})" if title else band, fontsize=11)
    figure.savefig(path, dpi=100)


def _drawable(curves: Curves) -> list[str]:
    """Return the metrics to draw: those that are curves, detailed ones first, rate last."""
    length = {
        metric: max(len(points) for seeds in arms.values() for points in seeds.values())
        for metric, arms in curves.items()
    }
    found = [metric for metric in curves if length[metric] > 1]
    found.sort(key=lambda metric: (metric == RATE, length[metric] < _DETAILED, "/" in metric))
    if RATE in found and len(found) > _MOST_PANELS:
        return [*found[: _MOST_PANELS - 1], RATE]
    return found[:_MOST_PANELS]


def looks_of(arms: Iterable[str], order: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Return colour and line style of each arm by its place in `order`, the others after those."""
    places = {arm: place for place, arm in enumerate(dict.fromkeys([*order, *arms]))}
    return {arm: look(place) for arm, place in places.items()}


def _legend(figure: Figure, looks: Mapping[str, dict[str, Any]]) -> None:
    arms = [*looks]
    line = partial(matplotlib.lines.Line2D, [], [], linewidth=1.6)
    lines = [line(**drawn) for drawn in looks.values()]
    # A letter is about a twelfth of an inch wide; a line with its gaps takes eight tenths.
    entry = 0.8 + max(map(len, arms)) / 12
    fitting = max(1, int(figure.get_figwidth() / entry))
    figure.legend(lines, arms, loc="outside lower center", ncols=min(len(arms), fitting))


def colour_of(place: int) -> str:
    """Return the colour of the arm at `place` in its run, from 0; they repeat after seven."""
    return COLOURS[place % len(COLOURS)]


def look(place: int) -> dict[str, Any]:
    """Return colour and line style of an arm by its place; they repeat only after 28 arms."""
    return {
        "color": colour_of(place),
        "linestyle": STYLES[place // len(COLOURS) % len(STYLES)],
    }


def _panel(
    axis: Axes,
    metric: str,
    arms: dict[str, dict[int, list[tuple[int, float]]]],
    looks: Mapping[str, dict[str, Any]],
) -> None:
    for arm, seeds in arms.items():
        drawn = looks[arm]
        samples, values = on_one_grid(list(seeds.values()))
        axis.plot(
            samples,
            values.mean(axis=0),
            **drawn,
            linewidth=1.6,
            marker="o" if len(samples) < 3 else None,
        )
        if len(values) > 1:
            low, high = values.min(axis=0), values.max(axis=0)
            axis.fill_between(samples, low, high, color=drawn["color"], alpha=0.18, linewidth=0)
    axis.set_xlabel("training samples")
    axis.set_ylabel(label(metric))
    if metric == RATE:
        axis.set_ylim(bottom=0)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def on_one_grid(seeds: list[list[tuple[int, float]]]) -> tuple[np.ndarray, np.ndarray]:
    """Return samples (n,) that every seed has passed, and values (seeds, n), interpolated."""
    tables = [np.array(sorted(dict(points).items()), float) for points in seeds]
    first, last = max(t[0, 0] for t in tables), min(t[-1, 0] for t in tables)
    grid = np.unique(np.concatenate([t[:, 0] for t in tables]))
    inside = grid[(grid >= first) & (grid <= last)]
    if not len(inside):  # Seeds that never overlap (a run cut short): each one's own end.
        inside = grid[-1:]
    return inside, np.stack([np.interp(inside, t[:, 0], t[:, 1]) for t in tables])
