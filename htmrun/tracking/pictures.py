"""The pictures that a run ends with: curves of all its jobs, and what their layers do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from htmrun.tracking import episode_plots, layer_plots, series_plots, task_plots
from htmrun.tracking.arrays import series_of
from htmrun.tracking.curves import CurveBook, Curves
from htmrun.tracking.forecasts import Table, table_of
from htmrun.tracking.plots import plot_curves
from htmrun.tracking.stretches import Glimpse, glimpse
from htmrun.training.measures.measure import RATE
from htmrun.training.records import Job, Progress


class Pictures:
    """Collects what is drawn in the end; `book` has the curves of what runs now."""

    def __init__(self, title: str, book: CurveBook, order: Sequence[Job]) -> None:
        """`order`: all jobs of the run; arms are drawn as they come in it."""
        self._title, self._book, self._order = title, book, list(order)
        self._layers: dict[Job, layer_plots.Series] = {}
        self._tasks: dict[Job, task_plots.Series] = {}
        self._episodes: dict[Job, episode_plots.Series] = {}
        self._glimpses: dict[Job, Glimpse] = {}

    def keep(self, job: Job, series: layer_plots.Series, table: Table) -> None:
        """Take what is drawn of a finished job's arrays, and of what it said of each row."""
        self._layers[job] = layer_plots.kept(series)
        self._tasks[job] = task_plots.kept(series)
        self._episodes[job] = episode_plots.kept(series)
        seen = glimpse(series, table)
        if seen is not None:
            self._glimpses[job] = seen

    def recall(self, client: Any, kept: Mapping[Job, str], folder: Path) -> None:
        """Take in jobs that finished in an earlier attempt, from MLflow's runs of them.

        Raises what the store raises. `folder` is for what has to be downloaded.
        """
        for job, run in kept.items():
            found = client.get_run(run)
            arrays, table = (of(client, found, folder) for of in (series_of, table_of))
            self.keep(job, arrays, table)
            histories = {
                name: client.get_metric_history(run, name)
                for name in found.data.metrics
                if not name.startswith("system/")
            }
            # What is no curve stands at step 0.
            curves = {n: points for n, points in histories.items() if any(p.step for p in points)}
            told: dict[int, dict[str, float]] = {}
            for name, points in curves.items():
                for point in points:
                    told.setdefault(point.step, {})[name] = point.value
            rate = found.data.metrics.get(RATE, float("nan"))
            for step, metrics in sorted(told.items()):
                rate = metrics.pop(RATE, rate)
                self._book.add(Progress(job, step, 0, metrics, rate), 0)
            self._book.take(job)  # They are written already.

    def draw(self, folder: Path) -> list[Path]:
        """Draw what there is into `folder`; return the files."""
        curves, layers = folder / "curves.png", folder / "networks.png"
        tasks, returns = folder / "tasks.png", folder / "returns.png"
        plot_curves(self._in_order(self._book.curves), curves, self._title, self._arms)
        layer_plots.plot_layers(self._by_arm(self._layers), layers, self._title, self._arms)
        task_plots.plot_tasks(self._by_arm(self._tasks), tasks, self._title)
        episode_plots.plot_returns(self._by_arm(self._episodes), returns, self._title, self._arms)
        made = (curves, layers, tasks, returns, *self._series(folder))
        return [file for file in made if file.exists()]

    def _by_arm(self, kept: Mapping[Job, layer_plots.Series]) -> dict[str, list[Any]]:
        """Return what was kept of each seed by arm, in the order of the run."""
        arms: dict[str, list[Any]] = {}
        for job in sorted(kept, key=self._place):
            arms.setdefault(job.arm, []).append(kept[job])
        return arms

    def _series(self, folder: Path) -> list[Path]:
        """Draw forecasts, errors over time and anomalies; return where they would be."""
        found: dict[str, dict[int, Glimpse]] = {}
        for job in sorted(self._glimpses, key=self._place):
            found.setdefault(job.arm, {})[job.seed] = self._glimpses[job]
        controls = list(dict.fromkeys(job.arm for job in self._glimpses if job.control))
        paths = [folder / f"{name}.png" for name in ("forecasts", "errors", "anomalies")]
        series_plots.plot_forecasts(found, controls, paths[0], self._title, self._arms)
        series_plots.plot_errors(found, controls, paths[1], self._title, self._arms)
        series_plots.plot_anomalies(found, paths[2], self._title, self._arms)
        return paths

    @property
    def _arms(self) -> list[str]:
        return list(dict.fromkeys(job.arm for job in self._order))

    def _place(self, job: Job) -> int:
        return self._order.index(job) if job in self._order else len(self._order)

    def _in_order(self, curves: Curves) -> Curves:
        """Return the curves with arms as they come in the run, whatever ended first."""
        places = {job.arm: place for place, job in reversed([*enumerate(self._order)])}
        return {
            metric: dict(sorted(arms.items(), key=lambda one: places.get(one[0], len(places))))
            for metric, arms in curves.items()
        }
