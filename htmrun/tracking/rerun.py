"""`htmrun rerun`: the same jobs once more, and whether they give the same bytes."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from contextlib import chdir, closing, nullcontext
from dataclasses import dataclass

from htmrun._imports import omegaconf
from htmrun.config.overrides import key_of, rewrite
from htmrun.config.schema import Experiment
from htmrun.config.validation import validate
from htmrun.errors import UserError
from htmrun.execution.opening import open_run
from htmrun.execution.places import workplace
from htmrun.tracking.stored import (
    StoredJob,
    StoredRun,
    must_have_data,
    other_versions,
)
from htmrun.training.measures.registry import timed
from htmrun.training.records import Failed, Finished, Job

SELECTING = ("arms", "seeds", "workers", "threads", "device")


@dataclass(frozen=True)
class Repeated:
    """One job run again: whether hash and figures are the same; `error` if it failed."""

    job: Job
    same_hash: bool
    differing: tuple[str, ...]
    error: str = ""

    @property
    def same(self) -> bool:
        """Whether everything that can be the same is."""
        return self.same_hash and not self.differing and not self.error


def selected(run: StoredRun, overrides: list[str]) -> Experiment:
    """Return what is to be repeated: arms and seeds may be fewer, where it runs another."""
    run.must_have_kinds()
    rewrite(overrides, None)
    resolved = {**run.resolved, "tracking": {"enabled": False}}
    for text in overrides:
        key = key_of(text)
        if key not in SELECTING:
            raise UserError(
                f"{key}: found in a rerun, expected one of {', '.join(SELECTING)}: everything else "
                "stays as it was"
            )
        config = omegaconf.OmegaConf
        resolved[key] = config.to_container(config.from_dotlist([text]))[key]  # type: ignore[index, call-overload]
    return validate(resolved)


def repeat(
    run: StoredRun, overrides: list[str], lines: Callable[[str], None], on: str = "local"
) -> list[Repeated]:
    """Run the finished jobs of `run` again, here or on a cluster; return how each compares.

    Raises UserError when the data have changed, or when none of its jobs is left to repeat.
    """
    experiment = selected(run, overrides)
    must_have_data(run, experiment)
    for line in other_versions(run):
        lines(f"note: {line}")
    known = {stored.job: stored for stored in run.finished}
    jobs = [job for job in known if job.arm in experiment.selected and job.seed in experiment.seeds]
    if not jobs:
        raise UserError(f"run: {run.run} has no finished job to repeat, expected at least one")
    # Relative paths of an exported folder are its own.
    with nullcontext() if run.folder is None else chdir(run.folder):
        found: dict[Job, Repeated] = {}
        opened = open_run(experiment, on, jobs)
        with workplace(opened, lines) as here, closing(here.records()) as records:
            for record in records:
                if isinstance(record, Finished | Failed):
                    found[record.job] = outcome(known[record.job], record)
                    lines(describe(found[record.job]))
    return [found[job] for job in jobs]


def outcome(stored: StoredJob, record: Finished | Failed) -> Repeated:
    """Return how a job that was run again compares with what is stored."""
    if isinstance(record, Failed):
        return Repeated(record.job, False, (), record.error)
    return Repeated(
        record.job,
        record.state_hash == stored.state_hash,
        tuple(_differing(stored.metrics, record.metrics)),
    )


def _differing(stored: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """Return the figures that are not the same; those that take time are left out."""
    found = []
    for name in dict.fromkeys((*stored, *now)):
        a, b = stored.get(name), now.get(name)
        if timed(name) or (a is None or b is None):
            continue
        if a != b and not (math.isnan(a) and math.isnan(b)):
            found.append(name)
    return found


def describe(repeated: Repeated) -> str:
    """Return one line about a job."""
    if repeated.error:
        return f"{repeated.job.name}: failed: {repeated.error}"
    if repeated.same:
        return f"{repeated.job.name}: same state hash, same figures"
    words = "same state hash" if repeated.same_hash else "ANOTHER STATE HASH"
    more = len(repeated.differing) - 5
    names = ", ".join(repeated.differing[:5]) + (f" and {more} more" if more > 0 else "")
    return f"{repeated.job.name}: {words}, other figures: {names or 'none'}"


def verdict(found: list[Repeated]) -> str:
    """Return the closing line."""
    same = sum(repeated.same for repeated in found)
    return f"{same} of {len(found)} jobs are the same" + ("" if same == len(found) else os.linesep)
