"""One `htmrun train`: jobs run side by side, records go to MLflow and to the terminal."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from htmrun import runner
from htmrun.build import Builder, jobs_of, schedule_of
from htmrun.config.schema import Arm, Baseline, Experiment
from htmrun.console import LiveView
from htmrun.data import Source, open_source
from htmrun.records import Failed, Finished, Job
from htmrun.schedule import Cursor
from htmrun.tracking import Tracker

WARM_UP_SAMPLES = 8


def run_experiment(
    experiment: Experiment,
    resolved: Mapping[str, Any],
    overrides: Sequence[str],
    *,
    quiet: bool = False,
    json_output: bool = False,
) -> int:
    """Run every arm and seed; return the exit status: 0, or 1 if a job failed.

    `resolved` is the plain configuration and `overrides` what the user changed; both are
    recorded. Raises UserError for anything that can be known before the first sample, and
    KeyboardInterrupt once what was recorded is safe.
    """
    jobs = jobs_of(experiment)
    source = open_source(experiment.data)
    builder = Builder(experiment, source)
    builder.samples()
    run_id = new_run_id(experiment.name)
    results: dict[str, list[Finished]] = {name: [] for name in experiment.selected}
    failed: list[Failed] = []
    view = LiveView(jobs, metric=_watched(source, builder), quiet=quiet, json=json_output)
    if not _compiled(experiment.device):
        view.notice("compiling the kernels, once per installation (about a minute)")
    _warm_up(builder)
    begun = time.perf_counter()
    with ExitStack() as stack:
        tracker = stack.enter_context(
            _tracker(experiment, resolved, overrides, source, run_id, view)
        )
        stack.enter_context(view)
        records = stack.enter_context(closing(runner.run_jobs(builder, jobs, experiment.workers)))
        for record in records:
            if tracker is not None:
                tracker.handle(record)
            view.handle(record)
            if isinstance(record, Finished):
                results[record.job.arm].append(record)
            if isinstance(record, Failed):
                failed.append(record)
        status = "failed" if failed else "finished"
        if tracker is not None:
            tracker.finish(status)
    seconds = time.perf_counter() - begun
    view.result(
        run_id, status, results, main_metrics(source, builder),
        _closing_lines(experiment, run_id, tracker, seconds, failed),
    )  # fmt: skip
    return 1 if failed else 0


def new_run_id(name: str) -> str:
    """Return an id that sorts by time, e.g. 20261122-041530-digits-3f2a."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{name}-{secrets.token_hex(2)}"


def main_metrics(source: Source, builder: Builder) -> tuple[str, ...]:
    """Return the metrics that the final table shows."""
    if source.task == "forecast":
        errors = [f"rmse_{h}" for h in builder.horizons]
        return (*errors, "mape", f"nll_{builder.horizons[-1]}")
    if source.task == "sequence":
        memories = [n for n in builder.experiment.pipeline if n.startswith("tm")]
        return ("accuracy", "prequential/accuracy", *(f"{n}/predicted" for n in memories))
    return ("accuracy", "prequential/accuracy", "noise_accuracy_area", "churn")


def _watched(source: Source, builder: Builder) -> tuple[str, ...]:
    if source.task == "forecast":
        return (f"prequential/rmse_{builder.horizons[0]}",)
    return ("accuracy", "prequential/accuracy")


def _tracker(
    experiment: Experiment, resolved: Mapping[str, Any], overrides: Sequence[str], source: Source,
    run_id: str, view: LiveView,
) -> Any:  # fmt: skip
    from contextlib import nullcontext

    settings = experiment.tracking
    if not settings.enabled:
        return nullcontext()
    tags = {
        "htmrun.device": experiment.device,
        "htmrun.task": source.task,
        "htmrun.data": source.name,
        "htmrun.data_hash": source.fingerprint,
        "htmrun.overrides": " ".join(overrides),
    }
    return Tracker(
        uri=settings.uri,
        directory=Path(settings.dir),
        experiment=settings.experiment or experiment.name,
        run_id=run_id,
        parameters=resolved,
        tags=tags,
        job_parameters=lambda job: job_parameters(experiment, resolved, job),
        notice=view.notice,
    )


def job_parameters(experiment: Experiment, resolved: Mapping[str, Any], job: Job) -> dict[str, Any]:
    """Return a job's own configuration: its arm and seed in place of all arms and seeds."""
    shared = {k: v for k, v in resolved.items() if k not in _OF_THE_WHOLE_RUN}
    regime = experiment.regime(job.arm).model_dump(mode="json")
    return {**shared, "arm": job.arm, "seed": job.seed, "regime": regime}


_OF_THE_WHOLE_RUN = ("arm", "control", "arms", "seeds", "workers", "tracking", "description")


def _compiled(device: str) -> bool:
    """Return whether numba has kernels of the CPU backend on disk."""
    if device != "cpu":
        return True
    from htmrun.backends import cpu

    places = [Path(p) / "__pycache__" for p in cpu.__path__]
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    places += [Path(chosen)] if chosen else []
    return any(next(place.rglob("*.nbi"), None) is not None for place in places)


def _warm_up(builder: Builder) -> None:
    """Run a throwaway pipeline of every arm over a few samples.

    Kernels are compiled before any clock runs, and what cannot be built is said before
    anything is recorded.
    """
    experiment, seed = builder.experiment, builder.experiment.seeds[0]
    for name in experiment.selected:
        regime = experiment.regime(name)
        if isinstance(regime, Baseline):
            builder.period(name, regime)
            continue
        _run_briefly(builder, regime, seed)


def _run_briefly(builder: Builder, arm: Arm, seed: int) -> None:
    pipeline = builder.pipeline(arm, seed)
    chunk = next(iter(builder.source.train(seed, 0, WARM_UP_SAMPLES)), None)
    if chunk is None or not len(chunk):
        return
    ends = np.zeros(len(chunk), np.uint8)
    ends[-1] = 1
    plan, _ = schedule_of(arm).plan(Cursor(), chunk.reset, ends)
    pipeline.compute(chunk)
    pipeline.run(chunk, plan)


def _closing_lines(
    experiment: Experiment, run_id: str, tracker: Tracker | None, seconds: float,
    failed: Sequence[Failed],
) -> list[str]:  # fmt: skip
    lines = [f"run {run_id}, {seconds:.1f} s"]
    if tracker is not None:
        share = 100 * tracker.seconds / max(seconds, 1e-9)
        store = experiment.tracking.uri or f"{experiment.tracking.dir}/mlflow.db"
        lines.append(f"recorded in {store} (recording took {share:.1f} % of the time)")
        lines.append("see it: htmrun dashboard    compare arms: htmrun compare")
    if failed:
        lines.append(f"{len(failed)} of the jobs failed: {', '.join(f.job.name for f in failed)}")
    return lines
