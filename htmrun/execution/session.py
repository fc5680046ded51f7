"""One `htmrun train`: jobs run side by side, records go to MLflow and to the terminal."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from htmrun.backends.parameters import TemporalMemoryParameters
from htmrun.cli.terminal import LiveView
from htmrun.components import foreign
from htmrun.components.sources import Source
from htmrun.config.schema import WITHOUT_EFFECT, Experiment, Tracking
from htmrun.config.validation import plain
from htmrun.execution import energy
from htmrun.execution.jobs import Builder, drift_at, jobs_of
from htmrun.execution.opening import open_run
from htmrun.execution.places import workplace
from htmrun.execution.ray_connection import LOCAL
from htmrun.execution.signals import terminations_raised
from htmrun.tracking import Tracker
from htmrun.tracking.store import hide_password
from htmrun.training.checkpoints import Checkpoints
from htmrun.training.measures import registry
from htmrun.training.records import Failed, Finished, Job, Started


@dataclass(frozen=True)
class Earlier:
    """An experiment run that was cut short: its id, and what of it is kept."""

    run_id: str
    finished: Sequence[Finished]


def run_experiment(
    experiment: Experiment,
    resolved: Mapping[str, Any],
    overrides: Sequence[str],
    *,
    on: str = LOCAL,
    quiet: bool = False,
    json_output: bool = False,
    earlier: Earlier | None = None,
    afterwards: Callable[[str], None] | None = None,
) -> int:
    """Run every arm and seed; return the exit status: 0, or 1 if a job failed.

    `resolved` is the plain configuration and `overrides` what the user changed; both are
    recorded. `on`: this machine, or a cluster's address. With `earlier` only the jobs that it has
    not finished are run, under its id. `afterwards` gets the run's id once everything is recorded
    and printed. Raises UserError for anything that can be known before the first sample, and
    KeyboardInterrupt or SystemExit once what was recorded is safe.
    """
    everything = jobs_of(experiment)
    kept = earlier.finished if earlier is not None else ()
    jobs = [job for job in everything if job not in {record.job for record in kept}]
    run = open_run(experiment, on, jobs)
    experiment, where, source = run.experiment, run.where, run.builder.source
    run_id = new_run_id(experiment.name) if earlier is None else earlier.run_id
    checkpoints = _checkpoints(experiment, source, on, run_id)
    builder = replace(run.builder, checkpoints=checkpoints)
    run = replace(run, builder=builder)
    results: dict[str, list[Finished]] = {name: [] for name in experiment.selected}
    for record in kept:
        results[record.job.arm].append(record)
    failed: list[Failed] = []
    view = LiveView(
        jobs,
        metric=(main_curve(source, builder), main_metrics(source, builder)[0]),
        quiet=quiet,
        json=json_output,
    )
    if where.line is not None:
        view.notice(where.line)
    with ExitStack() as stack:
        here = stack.enter_context(workplace(run, view.notice))
        begun = time.perf_counter()
        stack.enter_context(_interruption_told(experiment, on, run_id, results, len(everything)))
        stack.enter_context(terminations_raised())
        tags = where.tags | ({} if on == LOCAL else {"htmrun.on": on})
        tracker = stack.enter_context(_tracker(builder, tags, resolved, overrides, run_id, view))
        stack.enter_context(view)
        for said in stack.enter_context(closing(here.records())):
            news = here.meter.noted(said)
            if tracker is not None:
                tracker.handle(news)
            view.handle(news)
            if isinstance(news, Started) and news.earlier:
                view.notice(f"{news.job.name} goes on after {news.earlier:,} samples")
            if isinstance(news, Finished):
                results[news.job.arm].append(news)
                if checkpoints is not None:
                    checkpoints.forget(news.job)
            if isinstance(news, Failed):
                failed.append(news)
        status = "failed" if failed else "finished"
        joules = here.meter.joules()
        if tracker is not None:
            tracker.tell_of_the_run(
                {
                    f"htmrun.energy.{k}_joules": f"{v:.1f}"
                    for k, v in joules.items()
                    if v is not None
                }
            )
            tracker.finish(status)
    seconds = time.perf_counter() - begun
    view.result(
        run_id, status, results, main_metrics(source, builder),
        _closing_lines(experiment, run_id, tracker, seconds, failed, joules), joules,
    )  # fmt: skip
    if afterwards is not None:
        afterwards(run_id)
    return 1 if failed else 0


@contextmanager
def _interruption_told(
    experiment: Experiment, on: str, run_id: str, results: Mapping[str, list[Finished]], jobs: int
) -> Iterator[None]:
    """Say, when it was interrupted, what there is and how to go on."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        done = sum(map(len, results.values()))
        far = "" if on == LOCAL else f" --on {on}"
        how = f"continue with htmrun resume {run_id}{_place_option(experiment)}{far}"
        if not experiment.tracking.enabled:
            how = "nothing was recorded"
        print(f"interrupted: {done} of {jobs} jobs finished; {how}", file=sys.stderr)
        raise


def _checkpoints(
    experiment: Experiment, source: Source, on: str, run_id: str
) -> Checkpoints | None:
    """Return where jobs keep how far they are; None where nobody would find it."""
    every, tracking = experiment.checkpoint_every, experiment.tracking
    if every is None or not tracking.enabled or on != LOCAL:
        return None
    decides = {n: v for n, v in plain(experiment).items() if n not in WITHOUT_EFFECT}
    decides |= foreign.tags(experiment)
    folder = Path(tracking.dir).absolute() / "checkpoints" / run_id
    return Checkpoints.of(folder, decides, source.fingerprint, 60 * every)


def new_run_id(name: str) -> str:
    """Return an id that sorts by time, e.g. 20261122-041530-digits-3f2a."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{name}-{secrets.token_hex(2)}"


def main_metrics(source: Source, builder: Builder) -> tuple[str, ...]:
    """Return the metrics that the final table shows."""
    stages = builder.experiment.stages
    memories = [n for n, stage in stages.items() if isinstance(stage, TemporalMemoryParameters)]
    names = registry.main_metrics(source.task, builder.horizons, memories)
    # An area of its own where bits are swapped, the score where pixels are.
    unused = {"noise_score" if builder.experiment.noise_images == 0 else "noise_accuracy_area"}
    if drift_at(builder.experiment) is None:
        unused.add("recovery_samples")
    return tuple(name for name in names if name not in unused)


def main_curve(source: Source, builder: Builder) -> str:
    """Return the curve that the progress bars and the dashboard show."""
    return registry.main_curve(source.task, builder.horizons)


def _tracker(
    builder: Builder, place_tags: Mapping[str, str], resolved: Mapping[str, Any],
    overrides: Sequence[str], run_id: str, view: LiveView,
) -> Any:  # fmt: skip
    from contextlib import nullcontext

    experiment, source = builder.experiment, builder.source
    settings = experiment.tracking
    if not settings.enabled:
        return nullcontext()
    tags = {
        **place_tags,
        "htmrun.threads": str(builder.threads),
        "htmrun.task": source.task,
        "htmrun.data": source.name,
        "htmrun.data_hash": source.fingerprint,
        "htmrun.overrides": hide_password(" ".join(overrides)),
        "htmrun.held_out": experiment.data.held_out,
        **foreign.tags(experiment),
        "htmrun.curve": main_curve(source, builder),
    }
    return Tracker(
        uri=settings.uri,
        directory=Path(settings.dir),
        experiment=settings.experiment or experiment.name,
        run_id=run_id,
        parameters=_without_password(resolved),
        tags=tags,
        job_parameters=lambda job: job_parameters(experiment, resolved, job),
        order=jobs_of(experiment),
        notice=view.notice,
    )


def _without_password(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration as it may be kept where others read it."""
    tracking = resolved.get("tracking") or {}
    shown = hide_password(tracking.get("uri") or "") or None
    return {**resolved, "tracking": {**tracking, "uri": shown}}


def job_parameters(experiment: Experiment, resolved: Mapping[str, Any], job: Job) -> dict[str, Any]:
    """Return a job's own configuration: its arm and seed in place of all arms and seeds."""
    shared = {k: v for k, v in resolved.items() if k not in _OF_THE_WHOLE_RUN}
    regime = experiment.regime(job.arm).model_dump(mode="json")
    return {**shared, "arm": job.arm, "seed": job.seed, "regime": regime}


_OF_THE_WHOLE_RUN = ("arm", "control", *(name for name in WITHOUT_EFFECT if name != "device"))


def _place_option(experiment: Experiment) -> str:
    """Return the option with which other commands find the run; empty where they look anyway."""
    import shlex

    if experiment.tracking.uri is not None:
        # A password does not belong on the screen; MLflow reads it from its environment.
        return f" --uri {shlex.quote(hide_password(experiment.tracking.uri))}"
    if experiment.tracking.dir != Tracking.model_fields["dir"].default:
        return f" --dir {shlex.quote(experiment.tracking.dir)}"
    return ""


def _closing_lines(
    experiment: Experiment, run_id: str, tracker: Tracker | None, seconds: float,
    failed: Sequence[Failed], joules: energy.Joules,
) -> list[str]:  # fmt: skip
    lines = [f"run {run_id}, {seconds:.1f} s"]
    used = energy.line(joules)
    lines += [] if used is None else [used]
    if experiment.data.held_out == "validation":
        lines.append("measured on validation samples; data.held_out=test judges")
    if tracker is not None:
        store = hide_password(experiment.tracking.uri or f"{experiment.tracking.dir}/mlflow.db")
        lines.append(
            f"recorded in {store} (recording took {tracker.seconds:.1f} s beside the jobs)"
        )
        place = _place_option(experiment)
        lines.append(f"see it: htmrun dashboard{place}    compare arms: htmrun compare{place}")
        lines.append(f"a page with every plot: htmrun compare {run_id} --report FOLDER{place}")
    if failed:
        lines.append(f"{len(failed)} of the jobs failed: {', '.join(f.job.name for f in failed)}")
    return lines
