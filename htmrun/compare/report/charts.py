"""The charts of the report in their order."""

from __future__ import annotations

from htmrun.compare.comparison import Comparison
from htmrun.compare.report.along import along
from htmrun.compare.report.answers import by_seed, differences, offers, over_windows
from htmrun.compare.report.blocks import Chart
from htmrun.compare.report.episodes import episodes
from htmrun.compare.report.inside import distributions, maps
from htmrun.compare.report.learning import curves, levels, over_samples
from htmrun.compare.report.tasks import tasks
from htmrun.tracking.arrays import Series
from htmrun.tracking.forecasts import Tables
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.tracking.stretches import glimpse


def charts(
    run: ExperimentRun, comparison: Comparison, series: Series, tables: Tables | None = None
) -> list[Chart]:
    """Return every chart for which there are data; tables: what was said of each row."""
    seen = {
        arm: {
            seed: one
            for seed, table in sorted(seeds.items())
            if (one := glimpse(series.get(arm, {}).get(seed, {}), table)) is not None
        }
        for arm, seeds in (tables or {}).items()
    }
    made: list[Chart | None] = [
        *differences(comparison),
        by_seed(run, comparison),
        *along(run, {arm: seeds for arm, seeds in seen.items() if seeds}),
        *tasks(run, series),
        *episodes(run, series),
        *curves(run, series),
        offers(run, comparison),
        over_windows(run, comparison),
        *levels(run, series),
        *over_samples(run, series),
        *distributions(run, series),
        *maps(run, series),
    ]
    return [chart for chart in made if chart is not None]
