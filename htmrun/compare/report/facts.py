"""What was compared: where it came from, what the arms share and in what they differ."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import Any

from htmrun.compare.tables import NONE, Words
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.training.measures.registry import remarks

_OWN = ("seed",)


def facts(run: ExperimentRun) -> list[tuple[str, str]]:
    """Return (what, value) pairs about the runs, absent ones left out."""
    jobs = [job for seeds in run.jobs.values() for job in seeds.values()]
    tags = jobs[0].data.tags
    seeds = sorted({seed for arm in run.everybody for seed in run.seeds(arm)})
    begun = min(job.info.start_time for job in jobs) / 1000
    commit = tags.get("mlflow.source.git.commit", "")[:12]
    changed = " with changes" if tags.get("htmrun.code_changed") == "true" else ""
    found = [
        ("run", run.run),
        ("experiment", run.experiment),
        ("begun", time.strftime("%Y-%m-%d %H:%M", time.localtime(begun))),
        (
            "data",
            f"{tags.get('htmrun.data', '')} (SHA-256 {tags.get('htmrun.data_hash', '')[:12]})",
        ),
        ("seeds", ", ".join(map(str, seeds))),
        ("device", tags.get("htmrun.device", "")),
        ("htmrun", f"{tags.get('htmrun.version.htmrun', '')} {commit}{changed}".strip()),
    ]
    return [(what, value) for what, value in found if value]


def notes(run: ExperimentRun) -> list[str]:
    """Return what was said before and right after the runs, beside the figures."""
    jobs = [job for seeds in run.jobs.values() for job in seeds.values()]
    said = [
        line
        for tag in ("htmrun.notes", "htmrun.remarks")
        for job in jobs
        for line in job.data.tags.get(tag, "").splitlines()
    ]
    figures = {
        arm: {name: [*run.of(arm, name).values()] for name in run.metrics} for arm in run.everybody
    }
    return [*dict.fromkeys(said), *remarks(figures)]


def arms_table(run: ExperimentRun) -> Words:
    """Return every parameter in which the arms and controls are not all alike."""
    parameters = {arm: _parameters(run, arm) for arm in run.everybody}
    names = dict.fromkeys(n for found in parameters.values() for n in found)
    differing = [
        name
        for name in names
        if name != "arm" and len({found.get(name) for found in parameters.values()}) > 1
    ]
    rows = [
        (name.removeprefix("regime."), *(parameters[arm].get(name, NONE) for arm in run.everybody))
        for name in differing
    ]
    heads = [f"{arm} (control)" if arm in run.controls else arm for arm in run.everybody]
    return Words("what differs", ("setting", *heads), tuple(rows), 1 + len(heads))


def shared(run: ExperimentRun) -> list[tuple[str, str]]:
    """Return the parameters that all arms have in common."""
    parameters = [_parameters(run, arm) for arm in run.everybody]
    return [
        (name, value)
        for name, value in parameters[0].items()
        if all(found.get(name) == value for found in parameters)
    ]


def _parameters(run: ExperimentRun, arm: str) -> Mapping[str, str]:
    job: Any = next(iter(run.jobs[arm].values()))
    return {n: v for n, v in job.data.params.items() if n not in _OWN}


def commands(run: ExperimentRun) -> list[str]:
    """Return the commands that make the runs and the report again."""
    made = []
    for arm in run.everybody:
        tags = next(iter(run.jobs[arm].values())).data.tags
        words = tags.get("htmrun.overrides", "").split()
        if words:
            made.append(f"htmrun train {shlex.join(words)}")
    again = f"htmrun compare {' '.join(run.runs)} --report report"
    return [*dict.fromkeys(made), again]


def jobs_table(run: ExperimentRun) -> Words:
    """Return every job with its state hash: the same bytes come out of the same run."""
    rows = [
        (f"{arm}, seed {seed}", job.data.tags.get("htmrun.state_hash", NONE)[:16], job.info.run_id)
        for arm in run.everybody
        for seed, job in sorted(run.jobs[arm].items())
    ]
    return Words("jobs", ("job", "state hash", "MLflow run"), tuple(rows), 3)
