"""Pictures of a forecast series: values and forecasts, errors over time, anomalies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from htmrun._imports import matplotlib
from htmrun.tracking.plots import looks_of
from htmrun.tracking.stretches import Glimpses, best, first_of, horizons, together

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ARMS = 3
_WINDOW = "#b00020"


def plot_forecasts(
    found: Glimpses, controls: Sequence[str], path: Path, title: str = "",
    every: Sequence[str] = (),
) -> None:  # fmt: skip
    """Draw the end of the series with the forecasts of the best arms and control, by horizon.

    Nothing is written where nothing was forecast.
    """
    panels = horizons(found)
    if not panels:
        return
    figure, axes = _figure(len(panels), title, "the last rows, first seed, bands: 90 % intervals")
    order, looks = [*found], looks_of(found, every)
    for axis, h in zip(axes, panels, strict=True):
        arms = best(found, [arm for arm in order if arm not in controls], h, MOST_ARMS)
        shown = [*arms, *best(found, controls, h, 1)]
        for arm in shown:
            part = first_of(found[arm]).stretches.get(h)
            if part is None:
                continue
            drawn = looks[arm]
            line = {"linestyle": "--"} if arm in controls else {}
            axis.plot(part.x, part.forecast, linewidth=1.2, label=arm, **(drawn | line))
            if part.low is not None and part.high is not None:
                axis.fill_between(
                    part.x, part.low, part.high, color=drawn["color"], alpha=0.18, linewidth=0
                )
        value = first_of(found[shown[0]]).stretches[h]
        axis.plot(value.x, value.value, color="black", linewidth=1.2, label="value", zorder=1.9)
        axis.set_ylabel(f"value, {h} ahead")
        axis.legend(loc="upper left", fontsize=8, ncols=len(shown) + 1)
    _save(figure, axes, path)


def plot_errors(
    found: Glimpses, controls: Sequence[str], path: Path, title: str = "",
    every: Sequence[str] = (),
) -> None:  # fmt: skip
    """Draw the rolling error of every arm and control, mean over seeds, band lowest to highest."""
    panels = [
        h for h in horizons(found)
        if any(h in one.errors for seeds in found.values() for one in seeds.values())
    ]  # fmt: skip
    if not panels:
        return
    figure, axes = _figure(len(panels), title, "mean over seeds, band: lowest to highest")
    looks = looks_of(found, every)
    for axis, h in zip(axes, panels, strict=True):
        window = 0
        for arm, seeds in found.items():
            curves = [one.errors[h] for _, one in sorted(seeds.items()) if h in one.errors]
            if not curves:
                continue
            window = curves[0].window
            x, values = together(curves)
            line = {"linestyle": "--"} if arm in controls else {}
            drawn = looks[arm] | line
            known = np.isfinite(values).all(0)
            axis.plot(x[known], values[:, known].mean(0), linewidth=1.4, label=arm, **drawn)
            if len(values) > 1:
                low, high = values[:, known].min(0), values[:, known].max(0)
                axis.fill_between(x[known], low, high, color=drawn["color"], alpha=0.18, lw=0)
        axis.set_ylabel(f"RMSE of the last {window:,} rows,\n{h} ahead", fontsize=9)
        axis.set_ylim(bottom=0)
        axis.legend(loc="upper right", fontsize=8, ncols=min(4, len(found)))
    _save(figure, axes, path)


def plot_anomalies(found: Glimpses, path: Path, title: str = "", every: Sequence[str] = ()) -> None:
    """Draw, for the first arms with a temporal memory, values above, likelihoods below."""
    lines = {a: t for a, seeds in found.items() if (t := first_of(seeds).timeline) is not None}
    lines = dict([*lines.items()][:MOST_ARMS])
    if not lines:
        return
    line = next(iter(lines.values()))
    shaded = ", shaded: labelled windows" if len(line.windows) else ""
    figure, axes = _figure(1 + len(lines), title, f"first seed, triangles: alerts{shaded}")
    above, *below = axes
    above.fill_between(line.x, line.low, line.high, color="#777777", linewidth=0.6)
    above.set_ylabel("value")
    # Alerts stand above the values, a row for each arm.
    top = np.nanmax(line.high) if np.isfinite(line.high).any() else 1.0
    spread = (top - np.nanmin(line.low)) or 1.0 if np.isfinite(line.low).any() else 1.0
    for place, (axis, (arm, line)) in enumerate(zip(below, lines.items(), strict=True)):
        colour = looks_of(found, every)[arm]["color"]
        height = np.full(len(line.alerts), top + spread * 0.08 * (place + 1))
        above.scatter(line.alerts, height, marker="v", s=34, color=colour, label=arm)
        axis.fill_between(line.x, 0, line.unusual, color=colour, linewidth=0.6)
        axis.set_ylim(0, 1)
        axis.set_ylabel(f"log-likelihood,\n{arm}", fontsize=9)
    for axis in axes:
        for begin, end in line.windows:
            axis.axvspan(begin, end, color=_WINDOW, alpha=0.15, linewidth=0)
    _save(figure, axes, path)


def _figure(panels: int, title: str, what: str) -> tuple[Figure, list[Axes]]:
    figure = matplotlib.figure.Figure(figsize=(12, 0.7 + 2.6 * panels), layout="constrained")
    matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
    axes = list(figure.subplots(panels, 1, squeeze=False).flatten())
    figure.suptitle(f"{title} ({what})" if title else what, fontsize=11)
    return figure, axes


def _save(figure: Figure, axes: Sequence[Axes], path: Path) -> None:
    for axis in axes:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.01)
        if not isinstance(axis.xaxis.get_major_locator(), matplotlib.dates.AutoDateLocator):
            axis.set_xlabel("row")
    figure.savefig(path, dpi=100)
