"""A session in MLflow: what is told of it beside its records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from htmrun.components import foreign
from htmrun.config.schema import WITHOUT_EFFECT, Experiment
from htmrun.config.store_uri import hide_password
from htmrun.errors import UserError
from htmrun.execution.jobs import jobs_of
from htmrun.execution.quota import Quota
from htmrun.execution.ray_connection import LOCAL
from htmrun.execution.saved import Models
from htmrun.execution.session import Session, main_curve
from htmrun.tracking import holding
from htmrun.tracking.descriptions import DataSet, Descriptions
from htmrun.tracking.forecasts import ForecastFiles
from htmrun.tracking.tracker import Tracker
from htmrun.training.records import Job

_OF_THE_WHOLE_RUN = ("arm", "control", *(name for name in WITHOUT_EFFECT if name != "device"))


@contextmanager
def recorded(
    session: Session, resolved: Mapping[str, Any], overrides: Sequence[str],
    notice: Callable[[str], None],
    answer: Callable[[Session], Sequence[str]] = lambda _: (),
) -> Iterator[Tracker | None]:  # fmt: skip
    """Yield the sink that writes `session` to MLflow; None where nothing is recorded.

    `resolved` is the plain configuration and `overrides` what the user changed; both are
    recorded. `answer` says in words what the run came to, once it is over. Raises UserError when
    the store cannot be used.
    """
    run, experiment = session.run, session.run.experiment
    settings, source = experiment.tracking, run.builder.source
    if not settings.enabled:
        yield None
        return
    tags = {
        **run.where.tags,
        **({} if run.on == LOCAL else {"htmrun.on": run.on}),
        "htmrun.threads": str(run.builder.threads),
        "htmrun.task": run.builder.task,
        "htmrun.data": source.name,
        "htmrun.data_hash": source.fingerprint,
        "htmrun.overrides": hide_password(" ".join(overrides)),
        "htmrun.held_out": experiment.data.held_out,
        **foreign.tags(run.experiment),
        "htmrun.curve": main_curve(run.builder),
        **({"htmrun.notes": "\n".join(session.notes)} if session.notes else {}),
    }
    models = Quota("tracking.models_mb", "models", 1e6 * settings.models_mb)
    forecasts = Quota("tracking.forecasts_mb", "forecasts", 1e6 * settings.forecasts_mb)
    directory, shown = Path(settings.dir), without_password(resolved)
    with holding.hold(directory, session.run_id), ExitStack() as stack:
        known = holding.begun(directory, session.run_id) is not None
        holding.tell(directory, session.run_id, shown, tags)
        try:
            made = Tracker(
                uri=settings.uri,
                directory=directory,
                experiment=settings.experiment or experiment.name,
                run_id=session.run_id,
                parameters=shown,
                tags=tags,
                job_parameters=lambda job: job_parameters(experiment, resolved, job),
                order=jobs_of(experiment),
                earlier=session.earlier,
                models=Models(run.builder, session.run_id, models).write
                if run.builder.hand_over
                else None,
                forecasts=ForecastFiles(forecasts).write if settings.forecasts_mb else None,
                descriptions=Descriptions(experiment, session.run_id, overrides),
                data=DataSet.of(source, experiment.data),
                notice=notice,
            )
        except UserError:
            if not known:  # A run that never began leaves nothing behind.
                holding.ended(directory, session.run_id)
            raise
        tracker = stack.enter_context(made)
        yield tracker
        used = {name: joules for name, joules in session.joules.items() if joules is not None}
        tracker.tell_of_the_run(
            {f"htmrun.energy.{name}_joules": f"{joules:.1f}" for name, joules in used.items()},
            answer(session),
        )
        tracker.finish(session.status)
        for line in (models.line, forecasts.line):
            if line is not None:
                notice(line)
        if not (tracker.lost or tracker.waits):
            holding.ended(directory, session.run_id)


def without_password(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration as it may be kept where others read it."""
    tracking = resolved.get("tracking") or {}
    shown = hide_password(tracking.get("uri") or "") or None
    return {**resolved, "tracking": {**tracking, "uri": shown}}


def job_parameters(experiment: Experiment, resolved: Mapping[str, Any], job: Job) -> dict[str, Any]:
    """Return a job's own configuration: its arm and seed in place of all arms and seeds."""
    shared = {k: v for k, v in resolved.items() if k not in _OF_THE_WHOLE_RUN}
    regime = experiment.regime(job.arm).model_dump(mode="json")
    return {**shared, "arm": job.arm, "seed": job.seed, "regime": regime}
