"""`htmrun runs --sweeps`: which sweeps there are, how far they came and what they found."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from htmrun.errors import must_be_one_of
from htmrun.sweep.record import KIND_TAG, OBJECTIVES_TAG, STATE_TAG, WANTED_TAG
from htmrun.sweep.study import WORKER_TAG
from htmrun.tracking import holding
from htmrun.tracking.list_runs import Filters, as_read, compares, status_known
from htmrun.tracking.settings import legal_name
from htmrun.tracking.store import all_experiments, all_runs

ENDED = ("complete", "pruned", "fail")
PARENT_TAG = "mlflow.parentRunId"


@dataclass(frozen=True)
class ListedSweep:
    """One sweep: `done` of `wanted` trials have ended, `failed` of them badly.

    begun: seconds since 1970; objectives: direction by figure; best: the best value of each over
    the complete trials; run: MLflow's id of the parent run.
    """

    sweep: str
    experiment: str
    begun: float
    status: str
    done: int
    wanted: int | None
    failed: int
    arm: str
    objectives: dict[str, str]
    best: dict[str, float]
    run: str


def listed_sweeps(
    client: Any, filters: Filters, directory: str, now: float | None = None
) -> list[ListedSweep]:
    """Return the sweeps that match, newest first; a condition means a best value. UserError.

    directory: the folder of runs, in which workers have their locks.
    """
    since, before, tags, conditions = as_read(filters, time.time() if now is None else now)
    status_known(filters.status)
    parents, children = _recorded(client)
    found = [(run, _listed(run, children.get(run.info.run_id, ()), directory)) for run in parents]
    _experiment_known(filters.experiment, [one for _, one in found])
    return [
        one
        for run, one in found
        if filters.experiment in (None, one.experiment)
        and filters.status in (None, one.status)
        and (since is None or one.begun >= since)
        and (before is None or one.begun < before)
        and (not filters.arms or one.arm in filters.arms)
        and all(_has(run, *pair) for pair in tags)
        and all(
            name in one.best and compares(sign, one.best[name], limit)
            for name, sign, limit in conditions
        )
    ]


def as_plain(found: ListedSweep) -> dict[str, Any]:
    """Return JSON types; `begun` as ISO 8601 with the offset of this machine."""
    begun = datetime.fromtimestamp(found.begun).astimezone().isoformat(timespec="seconds")
    return asdict(found) | {"begun": begun}


def _recorded(client: Any) -> tuple[list[Any], dict[str, list[Any]]]:
    """Return the parent runs, newest first, and the trials of each."""
    experiments = list(all_experiments(client))
    parents = all_runs(client, experiments, f"tags.`{KIND_TAG}` = 'sweep'")
    children: dict[str, list[Any]] = {}
    for run in all_runs(client, experiments, f"tags.`{KIND_TAG}` = 'trial'"):
        children.setdefault(run.data.tags.get(PARENT_TAG, ""), []).append(run)
    return parents, children


def _listed(parent: Any, trials: Sequence[Any], directory: str) -> ListedSweep:
    tags = parent.data.tags
    objectives = _objectives(tags)
    # What a lost worker had begun is run again under another number.
    ended = [t for t in trials if t.info.status != "KILLED" and _state(t) in ENDED]
    complete = [t for t in ended if _state(t) == "complete"]
    wanted = tags.get(WANTED_TAG)
    return ListedSweep(
        sweep=tags.get("htmrun.sweep", ""),
        experiment=tags.get("htmrun.experiment", ""),
        begun=parent.info.start_time / 1000,
        status=_status(parent, trials, directory),
        done=len(ended),
        wanted=None if wanted is None else int(wanted),
        failed=sum(_state(t) == "fail" for t in ended),
        arm=parent.data.params.get("arm", ""),
        objectives=objectives,
        best=_best(objectives, complete),
        run=parent.info.run_id,
    )


def _objectives(tags: Mapping[str, str]) -> dict[str, str]:
    """Return direction by figure of ``accuracy:maximize,state_bytes:minimize``."""
    pairs = (pair.rpartition(":") for pair in tags.get(OBJECTIVES_TAG, "").split(",") if pair)
    return {name: direction for name, _, direction in pairs}


def _best(objectives: Mapping[str, str], complete: Sequence[Any]) -> dict[str, float]:
    found = {}
    for name, direction in objectives.items():
        metrics = (trial.data.metrics for trial in complete)
        values = [m[legal_name(name)] for m in metrics if legal_name(name) in m]
        if values:
            found[name] = max(values) if direction == "maximize" else min(values)
    return found


def _status(parent: Any, trials: Sequence[Any], directory: str) -> str:
    """Return the parent's state; killed where it says running and none of its workers lives."""
    state = str(parent.info.status)
    if state != "RUNNING":
        return state.lower()
    going = (parent, *(trial for trial in trials if trial.info.status == "RUNNING"))
    tags = [run.data.tags for run in going]
    works = any(holding.at_work(directory, each.get(WORKER_TAG, ""), each) for each in tags)
    return "running" if works else "killed"


def _state(trial: Any) -> str:
    return str(trial.data.tags.get(STATE_TAG, ""))


def _has(run: Any, key: str, value: str) -> bool:
    tags = run.data.tags
    return value in (tags.get(f"htmrun.{key}"), tags.get(key))


def _experiment_known(wanted: str | None, found: Sequence[ListedSweep]) -> None:
    names = dict.fromkeys(one.experiment for one in found)
    if wanted is not None and names:
        must_be_one_of("--experiment", wanted, names)
