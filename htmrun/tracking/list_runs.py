"""`htmrun runs` and `htmrun clean`: which experiment runs there are, and removing some of them."""

from __future__ import annotations

import math
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any
from urllib.parse import unquote, urlparse

from htmrun.errors import UserError, must_be_one_of
from htmrun.tracking import holding
from htmrun.tracking.choose_runs import Jobs, known_runs
from htmrun.training.measures.registry import main_among

STATES = ("finished", "failed", "killed", "running")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "=": lambda a, b: a == b,
}
_CONDITION = re.compile(r"^\s*([\w./ :-]+?)\s*(>=|<=|!=|>|<|=)\s*(\S+)\s*$")
_AGO = re.compile(r"^(\d+(?:\.\d+)?)\s*([smhdw])$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True)
class Filters:
    """Which runs are meant; what is left out matches all.

    status: one of `STATES`; since: a date, or how long ago (`3d`); tags: KEY=VALUE; conditions:
    `accuracy>0.9`, true where the mean over the seeds of any arm (of those in `arms`) fulfils it.
    """

    experiment: str | None = None
    arms: tuple[str, ...] = ()
    status: str | None = None
    since: str | None = None
    before: str | None = None
    tags: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listed:
    """One experiment run: `begun` in seconds since 1970, `figures` the first main figure by arm."""

    run: str
    experiment: str
    begun: float
    status: str
    jobs: int
    finished: int
    seeds: int
    arms: tuple[str, ...]
    metric: str
    figures: dict[str, float]
    overrides: str


def listed(
    client: Any, filters: Filters, directory: str = "runs", now: float | None = None
) -> dict[str, Jobs]:
    """Return the MLflow runs of each experiment run that matches, newest first; UserError.

    directory: where locks tell which runs are still going.
    """
    status_known(filters.status)
    since, before, tags, conditions = as_read(filters, time.time() if now is None else now)
    known = known_runs(client)
    _experiment_known(filters.experiment, known)
    return {
        name: jobs
        for name, jobs in known.items()
        if (filters.experiment is None or _tag(jobs[0], "experiment") == filters.experiment)
        and (filters.status is None or status_of(jobs, directory) == filters.status)
        and (since is None or _begun(jobs) >= since)
        and (before is None or _begun(jobs) < before)
        and all(any(_tag(job, key) == value for job in jobs) for key, value in tags)
        and all(any(_tag(job, "arm") == arm for job in jobs) for arm in filters.arms)
        and all(_holds(jobs, filters.arms, *each) for each in conditions)
    }


def check(filters: Filters) -> None:
    """Raise UserError for a filter that says nothing, before a store is looked into."""
    status_known(filters.status)
    as_read(filters, time.time())


def status_known(status: str | None) -> None:
    """Raise UserError for a state that no run can be in."""
    if status is not None:
        must_be_one_of("--status", status, STATES)


def as_read(
    filters: Filters, now: float
) -> tuple[float | None, float | None, list[tuple[str, str]], list[tuple[str, str, float]]]:
    """Return since and before in seconds since 1970, tags and conditions, read; UserError."""
    since = None if filters.since is None else moment(filters.since, "--since", now)
    before = None if filters.before is None else moment(filters.before, "--before", now)
    conditions = [condition(text) for text in filters.conditions]
    return since, before, [tag(text) for text in filters.tags], conditions


def compares(sign: str, value: float, limit: float) -> bool:
    """Return whether `value` fulfils a condition with one of the signs >= <= != > < =."""
    return _COMPARE[sign](value, limit)


def _experiment_known(wanted: str | None, known: Mapping[str, Jobs]) -> None:
    names = dict.fromkeys(_tag(jobs[0], "experiment") or "" for jobs in known.values())
    if wanted is not None and known:
        must_be_one_of("--experiment", wanted, names)


def row(name: str, jobs: Jobs, directory: str = "runs") -> Listed:
    """Return what is shown of an experiment run."""
    done = [job for job in jobs if job.info.status == "FINISHED"]
    metrics = [m for job in done for m in (_tag(job, "metrics") or "").split(",") if m]
    metric = next(iter(main_among(_tag(jobs[0], "task") or "", dict.fromkeys(metrics))), "")
    means = _means(done, metric)
    order = sorted(jobs, key=lambda job: int(_tag(job, "index") or 0))
    arms = tuple(dict.fromkeys(_tag(job, "arm") or "" for job in order))
    return Listed(
        name,
        _tag(jobs[0], "experiment") or "",
        _begun(jobs),
        status_of(jobs, directory),
        len(jobs),
        len(done),
        len({_tag(job, "seed") for job in jobs}),
        arms,
        metric,
        {arm: means[arm] for arm in arms if arm in means},
        _tag(jobs[0], "overrides") or "",
    )


def as_plain(found: Listed) -> dict[str, Any]:
    """Return JSON types; `begun` as ISO 8601 with the offset of this machine."""
    begun = datetime.fromtimestamp(found.begun).astimezone().isoformat(timespec="seconds")
    return asdict(found) | {"begun": begun, "arms": list(found.arms)}


def status_of(jobs: Jobs, directory: str) -> str:
    """Return running if any process is at work on the jobs, else the worst state of them.

    A job that MLflow calls running while its process is gone counts as killed.
    """
    states = {job.info.status for job in jobs}
    if "RUNNING" in states:
        run = _tag(jobs[0], "run") or ""
        going = (job.data.tags for job in jobs if job.info.status == "RUNNING")
        if any(holding.at_work(directory, run, tags) for tags in going):
            return "running"
        states = (states - {"RUNNING"}) | {"KILLED"}
    for state in ("FAILED", "KILLED"):
        if state in states:
            return state.lower()
    return "finished"


def _means(jobs: Jobs, metric: str) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for job in jobs:
        if metric in job.data.metrics:
            values.setdefault(_tag(job, "arm") or "", []).append(job.data.metrics[metric])
    return {arm: fmean(found) for arm, found in values.items()}


def _holds(jobs: Jobs, arms: Sequence[str], metric: str, sign: str, limit: float) -> bool:
    means = _means(jobs, metric)
    return any(
        compares(sign, mean, limit) for arm, mean in means.items() if not arms or arm in arms
    )


def _begun(jobs: Jobs) -> float:
    return float(min(job.info.start_time for job in jobs)) / 1000


def _tag(job: Any, key: str) -> str | None:
    tags = job.data.tags
    found = tags.get(f"htmrun.{key}", tags.get(key))
    return None if found is None else str(found)


def condition(text: str) -> tuple[str, str, float]:
    """Return (figure, sign, number) of ``accuracy>0.9``; raises UserError."""
    match = _CONDITION.match(text)
    try:
        if match is not None and not math.isnan(limit := float(match[3])):
            return match[1], match[2], limit
    except ValueError:
        pass
    raise UserError(
        f"--where: found '{text}', expected FIGURE, one of >= <= != > < =, and a number, like "
        "'accuracy>0.9'"
    )


def tag(text: str) -> tuple[str, str]:
    """Return (key, value) of ``KEY=VALUE``; raises UserError."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UserError(f"--tag: found '{text}', expected KEY=VALUE")
    return key, value


def moment(text: str, option: str, now: float) -> float:
    """Return seconds since 1970 of a date, a date with a time, or ``3d`` ago; raises UserError."""
    ago = _AGO.match(text)
    try:
        if ago is not None:
            seconds = timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]]).total_seconds()
            # No further back than there are dates.
            return datetime.fromtimestamp(now - seconds).timestamp()
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise UserError(
            f"{option}: found '{text}', expected a date (2026-11-23), a date with a time "
            "(2026-11-23T14:30), or how long ago: 30m, 12h, 3d, 2w"
        ) from None


def folder_of(job: Any) -> Path | None:
    """Return the folder of a job on this disk, None where its artifacts lie on a server."""
    place = urlparse(job.info.artifact_uri or "")
    if place.scheme not in ("", "file"):
        return None
    path = Path(unquote(place.path)).parent
    return path if path.name == job.info.run_id and path.is_dir() else None


def size_of(jobs: Jobs) -> int:
    """Return the bytes of the jobs' artifacts on this disk."""
    folders = [folder for job in jobs if (folder := folder_of(job)) is not None]
    return sum(f.stat().st_size for folder in folders for f in folder.rglob("*") if f.is_file())


def remove(client: Any, jobs: Jobs) -> None:
    """Mark the jobs as deleted in MLflow and delete their artifacts on this disk.

    `mlflow gc` afterwards takes them out of the database for good.
    """
    for job in jobs:
        client.delete_run(job.info.run_id)
        folder = folder_of(job)
        if folder is not None:
            shutil.rmtree(folder)
