"""Reading one experiment run back from MLflow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from htmrun.errors import UserError, nearest
from htmrun.tracking.store import (
    FIRST_STEP,
    RUN_TAG,
    all_experiments,
    all_runs,
    newest_run,
    open_existing,
)


@dataclass
class ExperimentRun:
    """One experiment run: metric values by arm and seed, in the order the arms were run."""

    run: str
    experiment: str
    task: str = ""
    arms: list[str] = field(default_factory=list)
    controls: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    values: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)
    unfinished: list[tuple[str, str]] = field(default_factory=list)

    def of(self, arm: str, metric: str) -> dict[int, float]:
        """Return the metric's value by seed; empty if the arm does not report it."""
        return self.values.get(arm, {}).get(metric, {})


def find_run(client: Any, wanted: str | None) -> tuple[str, list[Any]]:
    """Return the id and MLflow runs of the newest experiment run, or of the one `wanted` begins.

    Raises UserError when there is none, or when several begin with `wanted`.
    """
    experiments = list(all_experiments(client))
    if wanted is None:
        name = newest_run(client).data.tags[RUN_TAG]
    else:
        name = _by_prefix(client, experiments, wanted)
    query = f"tags.`{RUN_TAG}` = '{name}'"
    return name, all_runs(client, experiments, query, newest_first=False)


def _by_prefix(client: Any, experiments: list[str], wanted: str) -> str:
    runs = all_runs(client, experiments, f"tags.`{RUN_TAG}` LIKE '%'")
    known = list(dict.fromkeys(run.data.tags[RUN_TAG] for run in runs))
    if wanted in known:
        return wanted
    found = [name for name in known if name.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if not found:
        hint = nearest(wanted, known) or (
            f"; the newest is {known[0]}" if known else f"; {FIRST_STEP}"
        )
        raise UserError(f"run: no experiment run begins with '{wanted}'{hint}")
    some = ", ".join(found[:4]) + (", ..." if len(found) > 4 else "")
    raise UserError(f"run: '{wanted}' begins {len(found)} experiment runs, expected one: {some}")


def gather(name: str, runs: list[Any]) -> ExperimentRun:
    """Return the experiment run that MLflow's `runs` make up; unfinished ones are only listed."""
    of_all = runs[0].data.tags
    gathered = ExperimentRun(
        name, of_all.get("htmrun.experiment", ""), of_all.get("htmrun.task", "")
    )
    for run in sorted(runs, key=lambda run: int(run.data.tags.get("htmrun.index", "0"))):
        tags = run.data.tags
        if run.info.status != "FINISHED":
            gathered.unfinished.append((run.info.run_name, run.info.status))
            continue
        arm, seed = tags["htmrun.arm"], int(tags["htmrun.seed"])
        side = gathered.controls if tags.get("htmrun.control") == "true" else gathered.arms
        if arm not in side:
            side.append(arm)
        names = [metric for metric in tags.get("htmrun.metrics", "").split(",") if metric]
        for metric in names:
            if metric not in gathered.metrics:
                gathered.metrics.append(metric)
            if metric in run.data.metrics:
                by_metric = gathered.values.setdefault(arm, {}).setdefault(metric, {})
                by_metric[seed] = run.data.metrics[metric]
    return gathered


def read(run: str | None, uri: str | None, directory: str) -> ExperimentRun:
    """Return the newest experiment run, or the one whose id begins with `run`; raises UserError."""
    _, client = open_existing(uri, directory)
    name, runs = find_run(client, run)
    return gather(name, runs)
