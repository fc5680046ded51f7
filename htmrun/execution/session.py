"""One run from its first record to its last: sinks take what it says, and what ended is kept."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from htmrun.components import foreign
from htmrun.components.registry import component_of
from htmrun.config.schema import Experiment
from htmrun.config.validation import deciding
from htmrun.execution.energy import Joules
from htmrun.execution.jobs import Builder, drift_at, jobs_of
from htmrun.execution.notes import notes_of
from htmrun.execution.opening import OpenRun, open_run
from htmrun.execution.places import workplace
from htmrun.execution.ray_connection import LOCAL
from htmrun.execution.room import must_have_room
from htmrun.execution.signals import terminations_raised
from htmrun.training.checkpoints import Checkpoints
from htmrun.training.measures import registry, target
from htmrun.training.measures.windows import OF_LABELS
from htmrun.training.records import Failed, Finished, Job, Record


class Sink(Protocol):
    """Takes what a run says, e.g. to show it or to write it down."""

    def handle(self, record: Record) -> None:
        """Take in one record."""
        ...


@dataclass(frozen=True)
class Earlier:
    """An experiment run that was cut short: its id, and what of it is kept.

    replaces: what a store has of earlier attempts at a job, by its name. kept: what it has of those
    that finished.
    """

    run_id: str
    finished: Sequence[Finished]
    replaces: Mapping[str, Sequence[str]] = field(default_factory=dict)
    kept: Mapping[Job, str] = field(default_factory=dict)


@dataclass
class Session:
    """A run with an id, and what has come of it so far.

    `results` are the jobs of each arm that ended well, earlier ones included, with what they
    learned if it `holds_models`, and forecasts of every row if it `holds_forecasts`; `earlier` what
    came before; `joules` the energy of the whole machine meanwhile; `seconds` count from where
    kernels were ready. `notes`: what a user should know before the figures, a line each.
    """

    run: OpenRun
    run_id: str
    results: dict[str, list[Finished]]
    earlier: Earlier | None = None
    failed: list[Failed] = field(default_factory=list)
    joules: Joules = field(default_factory=dict)
    holds_models: bool = False
    holds_forecasts: bool = False
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """`failed` if a job did, else `finished`."""
        return "failed" if self.failed else "finished"

    def play(
        self, sinks: AbstractContextManager[Sequence[Sink]], notice: Callable[[str], None]
    ) -> None:
        """Run all jobs; `sinks` are opened once it is certain that they can run.

        `notice` gets lines for the user. Raises UserError for anything that can be known before
        the first sample, and KeyboardInterrupt or SystemExit once jobs and sinks are closed.
        """
        if self.run.where.line is not None:
            notice(self.run.where.line)
        for note in self.notes:
            notice(f"note: {note}")
        with ExitStack() as stack:
            here = stack.enter_context(workplace(self.run, notice))
            begun = time.perf_counter()
            stack.enter_context(terminations_raised())
            opened = stack.enter_context(sinks)
            for said in stack.enter_context(closing(here.records())):
                record = here.meter.noted(said)
                for sink in opened:
                    sink.handle(record)
                self._keep(record)
            self.joules = here.meter.joules()
        self.seconds = time.perf_counter() - begun

    @property
    def remarks(self) -> list[str]:
        """What a user should know beside the figures that came out, a line each."""
        said = [line for done in self.results.values() for record in done for line in record.notes]
        figures = registry.remarks(
            {
                arm: {name: [r.metrics[name] for r in done if name in r.metrics] for name in names}
                for arm, done in self.results.items()
                if (names := dict.fromkeys(name for record in done for name in record.metrics))
            }
        )
        return [*dict.fromkeys(said), *figures]

    def _keep(self, record: Record) -> None:
        if isinstance(record, Failed):
            self.failed.append(record)
        if isinstance(record, Finished):
            kept = record if self.holds_models else replace(record, state={}, after={})
            kept = kept if self.holds_forecasts else replace(kept, forecasts={})
            self.results[record.job.arm].append(kept)
            if self.run.builder.checkpoints is not None:
                self.run.builder.checkpoints.forget(record.job)


def begin(experiment: Experiment, on: str = LOCAL, earlier: Earlier | None = None) -> Session:
    """Open a run of every arm and seed, here or on a cluster; raises UserError.

    With `earlier` only the jobs that it has not finished are run, under its id.
    """
    kept = earlier.finished if earlier is not None else ()
    done = {record.job for record in kept}
    run = open_run(experiment, on, [job for job in jobs_of(experiment) if job not in done])
    run_id = new_run_id(experiment.name) if earlier is None else earlier.run_id
    tracking = run.experiment.tracking
    builder = replace(
        run.builder, checkpoints=_checkpoints(run, run_id),
        hand_over=tracking.enabled and tracking.models_mb > 0,
        forecast_bytes=1e6 * tracking.forecasts_mb * tracking.enabled,
    )  # fmt: skip
    results = {
        name: [record for record in kept if record.job.arm == name] for name in experiment.selected
    }
    outgrown = must_have_room(run)
    if builder.checkpoints is not None:
        for job in done:  # It died before it removed them.
            builder.checkpoints.forget(job)
    notes = notes_of(run.builder) + outgrown
    return Session(replace(run, builder=builder), run_id, results, earlier, notes=notes)


def _checkpoints(run: OpenRun, run_id: str) -> Checkpoints | None:
    """Return where jobs keep how far they are; None where nobody would find it."""
    every, tracking = run.experiment.checkpoint_every, run.experiment.tracking
    if every is None or not tracking.enabled or run.on != LOCAL:
        return None
    decides = deciding(run.experiment) | foreign.tags(run.experiment)
    folder = Path(tracking.dir).absolute() / "checkpoints" / run_id
    return Checkpoints.of(folder, decides, run.builder.source.fingerprint, 60 * every)


def new_run_id(name: str) -> str:
    """Return an id that sorts by time, e.g. 20261122-041530-digits-3f2a."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{name}-{secrets.token_hex(2)}"


def main_metrics(builder: Builder) -> tuple[str, ...]:
    """Return the metrics that the final table shows."""
    names = registry.main_metrics(builder.task, builder.horizons, _memories(builder))
    # An area of its own where bits are swapped, the score where pixels are.
    unused = {"noise_score" if builder.experiment.noise_images == 0 else "noise_accuracy_area"}
    if drift_at(builder.experiment) is None:
        unused.add("recovery_samples")
    if not builder.source.task_ends:
        unused |= {"forgetting", "change/recovery_samples"}
    if builder.source.windows is None:
        unused |= set(OF_LABELS)
    further = [f"rmse_{h}/{c}" for c in builder.source.predicted for h in builder.horizons]
    return (*(name for name in names if name not in unused), *further)


def main_curve(builder: Builder) -> str:
    """Return the curve that the progress bars and the dashboard show."""
    return target.main_curve(builder.task, builder.horizons, _memories(builder))


def _memories(builder: Builder) -> list[str]:
    stages = builder.experiment.stages.items()
    return [name for name, p in stages if getattr(component_of(p), "predicts", False)]
