"""An experiment from Python: run it, then take its figures, its comparison and its models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from htmrun._imports import pandas
from htmrun.compare import runs
from htmrun.compare.comparison import Comparison
from htmrun.compare.outcome import answer_of
from htmrun.config.compose import Loaded, load
from htmrun.errors import UserError
from htmrun.execution.models import Model
from htmrun.execution.opening import open_run
from htmrun.execution.session import Session, Sink, begin, main_metrics
from htmrun.tracking.models import find_model
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.tracking.recording import recorded
from htmrun.tracking.settings import legal_name
from htmrun.training.records import Failed, Finished, Record
from htmrun.training.schedule import Cursor

if TYPE_CHECKING:
    from collections.abc import Iterator


def run(
    experiment: Loaded | str | Sequence[str],
    *,
    workers: int | None = 1,
    record: bool = False,
    models: bool = True,
    watch: Callable[[Record], None] = lambda _: None,
) -> Results:
    """Run every arm and seed and return what came of it.

    experiment: overrides as on the command line, or what `load` returned of them. workers:
    processes side by side; 1: all in this one, None: one per core (a script that asks for more
    than one must guard its start with ``if __name__ == "__main__"``). record: write to MLflow
    as `htmrun train` does. models: keep what each job learned, for `Results.pipeline`. watch:
    called with every record as it comes. Raises UserError for what can be known before the
    first sample, and where no job finishes.
    """
    loaded = _loaded(experiment)
    tracking = loaded.experiment.tracking
    changed: dict[str, Any] = {"workers": workers}
    if not record:
        changed["tracking"] = tracking.model_copy(update={"enabled": False})
    session = begin(loaded.experiment.model_copy(update=changed))
    builder = replace(
        session.run.builder, hand_over=models or session.run.builder.hand_over,
        forecast_bytes=1e6 * tracking.forecasts_mb,
    )  # fmt: skip
    session.run, session.holds_models = replace(session.run, builder=builder), models
    session.holds_forecasts = True

    @contextmanager
    def sinks() -> Iterator[list[Sink]]:
        with recorded(
            session, loaded.resolved, loaded.overrides, lambda _: None,
            lambda ended: answer_of(ended.results, main_metrics(ended.run.builder)),
        ) as tracker:  # fmt: skip
            yield [_Watched(watch)] if tracker is None else [tracker, _Watched(watch)]

    session.play(sinks(), lambda _: None)
    if not any(session.results.values()):
        raise UserError(session.failed[0].error)
    return Results(session)


def compare_runs(
    *names: str,
    metrics: Sequence[str] = (),
    arms: Sequence[str] = (),
    reference: str | None = None,
    force: bool = False,
    uri: str | None = None,
    directory: str | Path = "runs",
) -> Comparison:
    """Return what `htmrun compare` says of recorded runs; without `names` of the latest.

    Raises UserError for an unknown store, run, arm or figure, and for runs that are not equal
    without `force`.
    """
    choice = runs.Choice(
        names, tuple(metrics), not metrics, tuple(arms), reference, force, uri, str(directory)
    )
    return runs.compare_runs(choice).comparison


def build_pipeline(
    experiment: Loaded | str | Sequence[str], arm: str = "online", seed: int = 0
) -> Model:
    """Return the untrained pipeline of an arm and seed; raises UserError."""
    return Model.of(open_run(_loaded(experiment).experiment).builder, arm, seed)


def load_model(
    run: str, arm: str | None = None, seed: int | None = None, *, learn: bool = True,
    device: str = "cpu", uri: str | None = None, directory: str | Path = "runs",
) -> Model:  # fmt: skip
    """Return the model that a job of a recorded run left, as it was after its last sample.

    run: an id or how it begins, an experiment's name, latest, or a model's folder. arm: may be left
    out where there is one only; seed: None means the first. learn: False: no part of it ever
    learns. Raises UserError where none was kept.
    """
    return find_model(run, arm, seed, uri, str(directory)).model(device, learn=learn)


def _loaded(experiment: Loaded | str | Sequence[str]) -> Loaded:
    if isinstance(experiment, Loaded):
        return experiment
    return load([experiment] if isinstance(experiment, str) else list(experiment))


@dataclass(frozen=True)
class _Watched:
    """Hands every record on."""

    handle: Callable[[Record], None]


@dataclass(frozen=True, repr=False)
class Results:
    """What came of an experiment."""

    _session: Session

    def __repr__(self) -> str:
        jobs = f"{len(self.finished)} jobs finished, {len(self.failed)} failed"
        return f"<Results of {self.run_id}: {jobs}>"

    @property
    def run_id(self) -> str:
        """The run's id, under which it stands in MLflow if it was recorded."""
        return self._session.run_id

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be known beside the figures, a line each, as `htmrun train` says it."""
        return (*self._session.notes, *self._session.remarks)

    @property
    def failed(self) -> tuple[Failed, ...]:
        """The jobs that ended badly; the others went on."""
        return tuple(self._session.failed)

    @cached_property
    def finished(self) -> tuple[Finished, ...]:
        """The last record of every job that ended well, arm by arm, in the order of the jobs."""
        order = self._session.run.jobs
        arms = self._session.results.values()
        return tuple(r for arm in arms for r in sorted(arm, key=lambda r: order.index(r.job)))

    @cached_property
    def frame(self) -> pandas.DataFrame:
        """A row for each arm and seed: arm, seed, control, metrics by name, state_hash, seconds."""
        rows = [
            {"arm": r.job.arm, "seed": r.job.seed, "control": r.job.control}
            | r.metrics
            | {"state_hash": r.state_hash, "seconds": r.seconds}
            for r in self.finished
        ]
        return pandas.DataFrame(rows)

    def series(self, arm: str, seed: int) -> dict[str, np.ndarray]:
        """Return the arrays of a job by name: learning curves, distributions, losses."""
        return self._finished(arm, seed).series

    def forecasts(self, arm: str, seed: int) -> pandas.DataFrame:
        """Return what a job said of each row of a series: what `htmrun series` prints.

        Raises UserError for a job that there is not, or that kept none (`tracking.forecasts_mb`).
        """
        record = self._finished(arm, seed)
        if not record.forecasts:
            raise UserError(
                f"forecasts: none were kept of {record.job.name}, expected a series to forecast "
                "and tracking.forecasts_mb large enough"
            )
        return pandas.DataFrame(record.forecasts)

    def comparison(
        self, *metrics: str, reference: str | None = None, arms: Sequence[str] = ()
    ) -> Comparison:
        """Return the arms side by side, with the statistics of `htmrun compare`.

        metrics: these alone, None of them: all. Raises UserError for an unknown arm or metric.
        """
        choice = runs.Choice((), metrics, not metrics, tuple(arms), reference, force=True)
        return runs.compare_run(self._as_run(), self._series, choice).comparison

    def pipeline(self, arm: str, seed: int) -> Model:
        """Return the trained pipeline of an arm and seed, each time a new one; raises UserError."""
        record = self._finished(arm, seed)
        model = Model.of(self._session.run.builder, arm, seed)
        if not record.state:
            raise UserError("models: found False, expected run(..., models=True) for a pipeline")
        model.load(record.state)
        model.cursor = Cursor(0, int(record.metrics["commits"]))
        return model

    def _finished(self, arm: str, seed: int) -> Finished:
        for record in self.finished:
            if (record.job.arm, record.job.seed) == (arm, seed):
                return record
        names = [f"({r.job.arm!r}, {r.job.seed})" for r in self.finished]
        raise UserError(f"found ({arm!r}, {seed}), expected one of {', '.join(names)}")

    def _series(self, run: ExperimentRun) -> dict[str, dict[int, dict[str, np.ndarray]]]:
        return {
            arm: {seed: self.series(arm, seed) for seed in run.seeds(arm)} for arm in run.everybody
        }

    def _as_run(self) -> ExperimentRun:
        """Return the same as is read back from MLflow of a recorded run."""
        opened = self._session.run
        source, task = opened.builder.source, opened.builder.task
        run = ExperimentRun(self.run_id, opened.experiment.name, task, (self.run_id,))
        run.unfinished = [(failed.job.name, "FAILED") for failed in self.failed]
        for record in self.finished:
            arm, seed = record.job.arm, record.job.seed
            side = run.controls if record.job.control else run.arms
            side += [] if arm in side else [arm]
            run.jobs.setdefault(arm, {})[seed] = record
            run.data[arm], run.tasks[arm] = source.fingerprint, task
            for name, value in record.metrics.items():
                metric = legal_name(name)
                run.metrics += [] if metric in run.metrics else [metric]
                run.values.setdefault(arm, {}).setdefault(metric, {})[seed] = value
        return run
