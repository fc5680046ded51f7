"""Networks of an experiment in one picture: noise curves, use of units, what first layers see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from htmrun._imports import matplotlib
from htmrun.tracking.plots import looks_of
from htmrun.training.measures.pixel_noise import LEVELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Series = Mapping[str, "np.ndarray"]
NOISE = "noise_score_curve"
_MOST_FIELDS = 4
_BINS = 25


def kept(series: Series) -> dict[str, np.ndarray]:
    """Return the arrays of a job that the picture needs: its noise curve, its layers' use."""
    return {
        name: array
        for name, array in series.items()
        if name == NOISE or ("." in name and name.endswith(("/activity", "/fields")))
    }


def plot_layers(
    arms: Mapping[str, Sequence[Series]], path: Path, title: str = "", order: Sequence[str] = ()
) -> None:
    """Draw noise curves of all arms, entropy and activity of their layers, receptive fields.

    `arms`: what `kept` left of each seed's series, by arm. Layers and fields are those of the
    first seed. Nothing is written where no arm has a network or a noise curve. `order`: all arms
    of the run, whose places decide on colours.
    """
    found = {arm: [s for s in seeds if s] for arm, seeds in arms.items()}
    found = {arm: seeds for arm, seeds in found.items() if seeds}
    if not found:
        return
    fields = [(a, n, s[0][n]) for a, s in found.items() for n in s[0] if n.endswith("/fields")]
    fields = fields[:_MOST_FIELDS]
    figure = matplotlib.figure.Figure(
        figsize=(15, 4.2 + (3.6 if fields else 0)), layout="constrained"
    )
    matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    rows: Any = figure.subfigures(2, 1, height_ratios=(4.2, 3.6)) if fields else [figure]
    noise, entropy, activity = rows[0].subplots(1, 3)
    looks = looks_of(found, order)
    for arm, seeds in found.items():
        _noise(noise, arm, seeds, looks[arm])
        _layers(entropy, activity, arm, seeds[0], looks[arm])
    for axis, x, y in (
        (noise, "share of pixels hit", "accuracy (share correct)"),
        (entropy, "layers, from below", "entropy (bits a unit)"),
        (activity, "share of samples in which a unit is active", "units (share)"),
    ):
        axis.set_xlabel(x)
        axis.set_ylabel(y)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    entropy.set_xticks(range(max([len(line.get_xdata()) for line in entropy.lines] or [1])))
    noise.legend(fontsize=8)
    if fields:
        _fields(rows[1], fields)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=100)


def _noise(axis: Axes, arm: str, seeds: Sequence[Series], look: dict[str, Any]) -> None:
    curves = np.array([s[NOISE] for s in seeds if NOISE in s])
    if not len(curves):
        # Without a curve the arm still belongs to the legend.
        axis.plot([], [], label=arm, **look)
        return
    axis.plot(LEVELS, curves.mean(0), label=arm, linewidth=1.6, **look)
    if len(curves) > 1:
        low, high = curves.min(0), curves.max(0)
        axis.fill_between(LEVELS, low, high, color=look["color"], alpha=0.18, linewidth=0)


def _layers(entropy: Axes, activity: Axes, arm: str, series: Series, look: dict[str, Any]) -> None:
    shares = [array for name, array in series.items() if name.endswith("/activity")]
    if not shares:
        return
    values = []
    for share in shares:
        p = share[(share > 0) & (share < 1)]
        values.append(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)).sum() / len(share))
    entropy.plot(range(len(values)), values, marker="o", linewidth=1.2, **look)
    counts, edges = np.histogram(np.concatenate(shares), bins=_BINS, range=(0, 1))
    activity.stairs(counts / counts.sum(), edges, linewidth=1.4, **look)


def _fields(row: Any, fields: Sequence[tuple[str, str, np.ndarray]]) -> None:
    """Draw each layer's fields as one mosaic; grey is zero."""
    for axis, (arm, name, array) in zip(
        np.atleast_1d(row.subplots(1, len(fields))), fields, strict=True
    ):
        across = int(np.ceil(np.sqrt(2 * len(array))))
        down = -(-len(array) // across)
        height, width = array.shape[1:]
        mosaic = np.full((down * (height + 1), across * (width + 1)), np.nan)
        for i, field in enumerate(array):
            y, x = (i // across) * (height + 1), (i % across) * (width + 1)
            mosaic[y : y + height, x : x + width] = field / max(float(np.abs(field).max()), 1e-12)
        axis.imshow(mosaic, cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
        axis.set_axis_off()
        axis.set_title(f"{arm}: {name.partition('/')[0]}", fontsize=9)
