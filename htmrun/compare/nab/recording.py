"""A benchmark in MLflow: each arm and seed a run of its own, figures as metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from htmrun.compare.nab.session import Benchmark
from htmrun.components import foreign
from htmrun.config.store_uri import hide_password
from htmrun.tracking import holding
from htmrun.tracking.recording import job_parameters, without_password
from htmrun.tracking.stored import COMMAND_TAG
from htmrun.tracking.tracker import Tracker
from htmrun.training.records import Job


@contextmanager
def recorded(
    benchmark: Benchmark, resolved: Mapping[str, Any], overrides: Sequence[str],
    notice: Callable[[str], None],
) -> Iterator[Tracker | None]:  # fmt: skip
    """Yield the sink that writes jobs to MLflow; None where nothing is recorded.

    `resolved` is the plain configuration, `overrides` what the user changed. Raises UserError when
    the store cannot be used.
    """
    experiment, corpus = benchmark.experiment, benchmark.corpus
    settings = experiment.tracking
    if not settings.enabled:
        yield None
        return
    tags = {
        COMMAND_TAG: "nab", "htmrun.task": "anomaly", "htmrun.data": corpus.folder.name,
        "htmrun.data_hash": corpus.fingerprint, "htmrun.files": str(len(corpus.files)),
        "htmrun.overrides": hide_password(" ".join(overrides)), "htmrun.held_out": "test",
        "htmrun.curve": "nab/standard", **foreign.tags(experiment),
    }  # fmt: skip

    def parameters(job: Job) -> dict[str, Any]:
        if job.arm in experiment.selected:  # All but the range rule.
            return job_parameters(experiment, resolved, job)
        return {"arm": job.arm, "seed": job.seed}

    directory = Path(settings.dir)
    with holding.hold(directory, benchmark.run_id), ExitStack() as stack:
        yield stack.enter_context(
            Tracker(
                uri=settings.uri, directory=directory,
                experiment=settings.experiment or experiment.name, run_id=benchmark.run_id,
                parameters=without_password(resolved), tags=tags, job_parameters=parameters,
                order=benchmark.jobs, notice=notice,
            )
        )  # fmt: skip
