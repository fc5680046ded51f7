"""Reading experiment runs back from MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from htmrun.errors import UserError, nearest
from htmrun.tracking.choose_runs import choose
from htmrun.tracking.store import open_existing

_SUFFIX = 4


@dataclass
class ExperimentRun:
    """One or several experiment runs: metric values by arm and seed, in the order they were run.

    `run` is the id, or all of them; `runs` has each. `values`: arm -> metric -> seed -> value;
    `jobs`: arm -> seed -> MLflow run; `data`: the hash of the data by arm.
    """

    run: str
    experiment: str
    task: str = ""
    runs: tuple[str, ...] = ()
    arms: list[str] = field(default_factory=list)
    controls: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    values: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)
    unfinished: list[tuple[str, str]] = field(default_factory=list)
    jobs: dict[str, dict[int, Any]] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)

    def of(self, arm: str, metric: str) -> dict[int, float]:
        """Return the metric's value by seed; empty if the arm does not report it."""
        return self.values.get(arm, {}).get(metric, {})

    def seeds(self, arm: str) -> set[int]:
        """Return the seeds with which the arm finished."""
        return set(self.jobs.get(arm, {}))

    @property
    def everybody(self) -> list[str]:
        """Arms, then controls."""
        return [*self.arms, *self.controls]


def find_run(client: Any, wanted: str | None) -> tuple[str, list[Any]]:
    """Return the id and MLflow runs, as they were begun, of the one run meant by `wanted`.

    None means the latest. Raises UserError where a word means none, or several.
    """
    chosen = choose(client, () if wanted is None else (wanted,))
    if len(chosen) > 1:
        raise UserError(f"run: '{wanted}' means {len(chosen)} runs, expected one")
    [(name, jobs)] = chosen.items()
    return name, list(jobs)[::-1]


def gather(name: str, runs: Sequence[Any]) -> ExperimentRun:
    """Return the experiment run that MLflow's `runs`, newest first, make up.

    Unfinished ones are only listed. A job that was begun twice (a continued run) counts as it was
    begun last.
    """
    of_all = runs[0].data.tags
    runs = list({run.info.run_name: run for run in reversed(runs)}.values())
    gathered = ExperimentRun(
        name, of_all.get("htmrun.experiment", ""), of_all.get("htmrun.task", ""), (name,)
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
        gathered.jobs.setdefault(arm, {})[seed] = run
        gathered.data[arm] = tags.get("htmrun.data_hash", "")
        gathered.tasks[arm] = gathered.task
        names = [metric for metric in tags.get("htmrun.metrics", "").split(",") if metric]
        for metric in names:
            if metric not in gathered.metrics:
                gathered.metrics.append(metric)
            if metric in run.data.metrics:
                by_metric = gathered.values.setdefault(arm, {}).setdefault(metric, {})
                by_metric[seed] = run.data.metrics[metric]
    return gathered


def merge(found: Sequence[ExperimentRun]) -> ExperimentRun:
    """Return several runs as one; an arm that several have is called ARM@ the end of the run's id.

    At least one run.
    """
    if len(found) == 1:
        return found[0]
    names = [arm for run in found for arm in run.everybody]
    endings = _endings([run.run for run in found])
    merged = ExperimentRun(
        ", ".join(run.run for run in found),
        ", ".join(dict.fromkeys(run.experiment for run in found)),
        found[0].task if len({run.task for run in found}) == 1 else "",
        tuple(run.run for run in found),
    )
    for run, ending in zip(found, endings, strict=True):

        def label(arm: str, ending: str = ending) -> str:
            return f"{arm}@{ending}" if names.count(arm) > 1 else arm

        merged.arms += map(label, run.arms)
        merged.controls += map(label, run.controls)
        merged.metrics += [name for name in run.metrics if name not in merged.metrics]
        merged.unfinished += [(f"{name}@{ending}", status) for name, status in run.unfinished]
        for arm in run.everybody:
            merged.values[label(arm)] = run.values.get(arm, {})
            merged.jobs[label(arm)] = run.jobs[arm]
            merged.data[label(arm)] = run.data[arm]
            merged.tasks[label(arm)] = run.tasks[arm]
    return merged


def _endings(ids: Sequence[str]) -> list[str]:
    """Return the shortest endings of the ids, at least four characters, that tell them apart."""
    length = _SUFFIX
    while len({name[-length:] for name in ids}) < len(set(ids)):
        length += 1
    return [name[-length:] for name in ids]


def keep_arms(run: ExperimentRun, wanted: Sequence[str]) -> None:
    """Leave only the arms and controls `wanted`; a name without @ means it in every run.

    Raises UserError for a name that is none of them.
    """
    if not wanted:
        return
    for name in wanted:
        if not any(name in (arm, arm.partition("@")[0]) for arm in run.everybody):
            raise UserError(
                f"--arm: found '{name}', expected among {', '.join(run.everybody)}"
                f"{nearest(name, run.everybody)}"
            )

    def kept(arm: str) -> bool:
        return arm in wanted or arm.partition("@")[0] in wanted

    run.arms = [arm for arm in run.arms if kept(arm)]
    run.controls = [arm for arm in run.controls if kept(arm)]
    run.unfinished = [
        (name, status) for name, status in run.unfinished if kept(name.rpartition("-s")[0])
    ]


def read(wanted: Sequence[str], uri: str | None, directory: str) -> list[ExperimentRun]:
    """Return the experiment runs meant by `wanted` (see `choose`); raises UserError."""
    _, client = open_existing(uri, directory)
    chosen: Mapping[str, Sequence[Any]] = choose(client, wanted)
    return [gather(name, jobs) for name, jobs in chosen.items()]
