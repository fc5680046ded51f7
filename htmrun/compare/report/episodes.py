"""The chart of what agents earned, episode by episode."""

from __future__ import annotations

from htmrun.compare.report.blocks import Chart, Row, arrays, band, bands, seeds_of, spread, thin
from htmrun.tracking.arrays import Series
from htmrun.tracking.episode_plots import RETURN, SMOOTHED, smoothed
from htmrun.tracking.plots import on_one_grid
from htmrun.tracking.read_runs import ExperimentRun


def episodes(run: ExperimentRun, series: Series) -> list[Chart]:
    """Return the returns by episode; nothing where no agent acts."""
    rows: list[Row] = []
    for arm in run.everybody:
        seeds = [smoothed(found) for found in arrays(series, arm, RETURN) if len(found)]
        if seeds:
            rows += spread(*thin(*on_one_grid(seeds)), arm)
    if not rows:
        return []
    return [
        Chart(
            "episode-returns",
            "Returns by episode",
            f"Return of each episode, mean of it and the {SMOOTHED - 1} before it. Arms have "
            "equally many actions, and as many episodes as those are enough for; a line ends "
            f"where the first of its seeds does. {bands(seeds_of(series))}",
            band(run, rows, "episode", "return"),
        )
    ]
