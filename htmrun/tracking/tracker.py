"""The tracker: one MLflow run for each job of the record stream."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from htmrun.execution.saved import FOLDER as MODEL
from htmrun.execution.session import Earlier
from htmrun.execution.signals import terminations_raised, uninterrupted
from htmrun.tracking import alerts, episode_plots, task_plots
from htmrun.tracking.curves import CurveBook
from htmrun.tracking.database import fold_log, sqlite_file
from htmrun.tracking.delivery import Delivery
from htmrun.tracking.descriptions import NOTE, DataSet, Descriptions
from htmrun.tracking.links import charts, note_experiment, save_view
from htmrun.tracking.machine import MachineMonitor
from htmrun.tracking.operations import (
    SERIES,
    Attach,
    Begin,
    Discard,
    End,
    Log,
    Status,
    UseData,
)
from htmrun.tracking.outbox import cause
from htmrun.tracking.pictures import Pictures
from htmrun.tracking.plots import colour_of
from htmrun.tracking.provenance import code_tags, process_tags, version_tags
from htmrun.tracking.scratch import scratch
from htmrun.tracking.settings import flatten, to_yaml
from htmrun.tracking.store import (
    ATTEMPT_TAG,
    RUN_TAG,
    Store,
    experiment_id,
    explained,
    mark_abandoned,
    open_client,
    store_uri,
)
from htmrun.training.measures.anomalies import ALERT
from htmrun.training.records import Failed, Finished, Job, Progress, Record, Started

_FLUSH_EVERY_S = 1.0
# A slow store is written to less often: curves cost at most a twenty-fifth of the time.
_PAUSE = 24
_LONGEST_TAG = 5000
_ENDS = {"finished": "finished.", "failed": "failed.", "interrupted": "interrupted."}


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


class Tracker:
    """Writes records to MLflow; use it as a context manager, in the parent's main thread only.

    `seconds` is the time that `handle` and `finish` have taken, `plot_seconds` the part of it that
    went into drawing, `preparation_seconds` what opening the store took before that.
    """

    def __init__(
        self,
        *,
        uri: str | None,
        directory: Path,
        experiment: str,
        run_id: str,
        parameters: Mapping[str, Any],
        tags: Mapping[str, str],
        job_parameters: Callable[[Job], Mapping[str, Any]],
        order: Sequence[Job] = (),
        earlier: Earlier | None = None,
        models: Callable[[Finished, Path], Iterable[Path]] | None = None,
        forecasts: Callable[[Finished, Path], Iterable[Path]] | None = None,
        descriptions: Descriptions | None = None,
        data: DataSet | None = None,
        notice: Callable[[str], None] = _to_stderr,
    ) -> None:
        """Open the store (`uri`, None: SQLite in `directory`), creating what is missing.

        `parameters` is the whole resolved configuration, `job_parameters` gives a job's own;
        `order` lists all jobs of the run; what `earlier` replaces goes once the new one is
        recorded, and what it kept belongs into the pictures; `models` writes what a job learned
        into a folder and says which files, and so does `forecasts` of what it said of each row;
        `tags` go on every run, and so do `descriptions` and the `data` set; `notice` takes lines
        meant for the user. Raises UserError when the store cannot be used.
        """
        self.seconds = 0.0
        self.plot_seconds = 0.0
        begun = time.perf_counter()
        self._uri = store_uri(uri, directory)
        self._directory, self._experiment, self._run = Path(directory), experiment, run_id
        self._parameters = parameters
        self._job_parameters = job_parameters
        self._order, self._notice = list(order), notice
        self._models, self._forecasts = models, forecasts
        self._descriptions, self._data = descriptions, data
        self._answer: tuple[str, ...] = ()
        self._places = {arm: i for i, arm in enumerate(dict.fromkeys(j.arm for j in order))}
        self._replaces = {} if earlier is None else dict(earlier.replaces)
        self._kept = {} if earlier is None else dict(earlier.kept)
        client = open_client(self._uri, notice)
        with explained(self._uri):
            number = experiment_id(client, self._uri, experiment, self._directory / "artifacts")
            save_view(client, number, run_id, arms=tuple(self._places))
        self._store = Store(client, number, run_id)
        self._store.ids |= {job.name: run for job, run in self._kept.items()}
        self._book = CurveBook()
        self._pictures = Pictures(f"{experiment}, {run_id}", self._book, self._order)
        self._machine = MachineMonitor()
        self._open: dict[Job, None] = {}
        self._begun: set[Job] = set()
        self._finals: dict[str, None] = {}
        self._next_flush = time.monotonic() + _FLUSH_EVERY_S
        self._status: str | None = None
        self._termination, self._scratch = ExitStack(), ExitStack()
        self._pid = os.getpid()
        self._tags = {
            RUN_TAG: run_id,
            ATTEMPT_TAG: secrets.token_hex(4),
            "htmrun.experiment": experiment,
            **code_tags(),
            **version_tags(),
            **process_tags(),
            **{key: str(value)[:_LONGEST_TAG] for key, value in tags.items()},
        }
        self._files = self._scratch.enter_context(scratch())
        self._resolved = self._file("resolved.yaml", to_yaml(parameters))
        self._delivery = Delivery(
            self._store,
            self._uri,
            self._directory,
            experiment,
            run_id,
            self._tags[ATTEMPT_TAG],
            notice,
        )
        self._write = self._delivery.write
        self._delivery.send_waiting()
        with explained(self._uri):
            mark_abandoned(client, self._directory, run_id)
        self.preparation_seconds = time.perf_counter() - begun

    # --- context: signals and marking what was cut short ---------------------------------

    def __enter__(self) -> Self:
        self._termination.enter_context(terminations_raised())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if os.getpid() != self._pid:
                return
            if kind is None:
                self.finish("finished")
            elif issubclass(kind, Exception):
                self.finish("failed")
            else:  # KeyboardInterrupt, SystemExit from a signal, GeneratorExit.
                self.finish("interrupted")
        finally:
            self._termination.close()
            self._scratch.close()

    # --- the public side ---------------------------------------------------------------------

    @property
    def url(self) -> str | None:
        """A link to this experiment run's charts on a tracking server, None for a database."""
        if not self._uri.startswith("http"):
            return None
        return charts(self._uri, self._store.experiment, self._run)

    @property
    def lost(self) -> bool:
        """Whether something could be written neither to the store nor to the outbox."""
        return self._delivery.losing

    @property
    def waits(self) -> bool:
        """Whether something is kept in the outbox."""
        return self._delivery.waits

    def handle(self, record: Record) -> None:
        """Take in one record; writes to the store at most about once a second for progress."""
        with self._timed(), uninterrupted():
            match record:
                case Started():
                    self._begin(record.job)
                case Progress():
                    self._book.add(record, _now())
                    if time.monotonic() >= self._next_flush:
                        self._flush()
                case Finished():
                    self._finished(record)
                case Failed():
                    self._failed(record)

    def tell_of_the_run(self, tags: Mapping[str, str], answer: Sequence[str] = ()) -> None:
        """Tag all jobs that have begun with what holds of the whole run, its answer among it."""
        self._answer = tuple(answer)
        with self._timed(), uninterrupted():
            for job in sorted(self._begun | set(self._kept)):
                told = {**tags, **(self._note(job) if answer else {})}
                if told and (answer or job in self._begun):
                    self._write(Log(job.name, tags=told))

    def finish(self, status: str) -> None:
        """Close what is open, attach the plots; `status`: finished, failed or interrupted.

        Runs still open are marked KILLED when interrupted, otherwise FAILED. A second call does
        nothing.
        """
        if self._status is not None:
            return
        self._status = status
        with self._timed():
            cut: Status = "KILLED" if status == "interrupted" else "FAILED"
            for job in list(self._open):
                self._write(Log(job.name, tags={"htmrun.error": f"{status} before its end"}))
                self._end(job, cut)
            if status != "interrupted":  # Whoever interrupts wants the prompt back.
                self._attach_plots()
            for name in list(self._replaces) if status == "finished" else ():
                self._discard(name)  # Of jobs that had finished before.
            self._delivery.send_own()
            self._prepare_charts()
            self._describe_experiment()
            path = sqlite_file(self._uri)
            if path is not None and not self._delivery.losing:
                fold_log(path)

    # --- one job's life -------------------------------------------------------------------

    def _begin(self, job: Job) -> None:
        if job in self._begun:
            return
        tags = {
            **self._tags,
            "htmrun.arm": job.arm,
            "htmrun.seed": str(job.seed),
            "htmrun.control": "true" if job.control else "false",
            "htmrun.index": str(self._place(job)),
            # Seeds of one arm share its colour, in MLflow's charts as in the plots.
            "mlflow.runColor": self._arm_colour(job.arm),
            **self._note(job),
        }
        self._begun.add(job)
        self._open[job] = None
        own = self._job_parameters(job)
        self._write(Begin(job.name, _now(), tags))
        self._write(Log(job.name, parameters=flatten(own)))
        self._write(Attach(job.name, str(self._resolved)))
        self._write(Attach(job.name, str(self._file("job.yaml", to_yaml(own)))))
        if self._data is not None:
            self._write(UseData(job.name, *astuple(self._data)))
        self._discard(job.name)

    def _note(self, job: Job) -> dict[str, str]:
        told = self._descriptions
        return {} if told is None else {NOTE: told.job(job, self._answer)}

    def _discard(self, job: str) -> None:
        for run in self._replaces.pop(job, ()):
            self._write(Discard(job, run))

    def _place(self, job: Job) -> int:
        """Return where the job stands in the whole run: a part of it may have run before."""
        return self._order.index(job) if job in self._order else len(self._begun)

    def _arm_colour(self, arm: str) -> str:
        place = self._places.setdefault(arm, len(self._places))
        return colour_of(place)

    def _finished(self, record: Finished) -> None:
        job = record.job
        self._begin(job)
        self._finals |= dict.fromkeys(record.metrics)
        finals = {**record.metrics, "seconds": record.seconds}
        points = self._book.finals(job, finals, _now())
        tags = {
            "htmrun.state_hash": record.state_hash,
            "htmrun.metrics": ",".join(record.metrics),
            **({"htmrun.remarks": "\n".join(record.notes)} if record.notes else {}),
        }
        machine = self._machine.points(job, _now(), last=True)
        self._write(Log(job.name, (*self._book.take(job), *points, *machine), tags=tags))
        self._pictures.keep(job, record.series, record.forecasts)
        if record.series:
            path = self._files / SERIES
            arrays: dict[str, Any] = {
                name: values for name, values in record.series.items() if not name.startswith(ALERT)
            }
            np.savez(path, **arrays)  # Not compressed: 8 MB take .05 s instead of .5 s.
            self._write(Attach(job.name, str(path)))
        for write in (alerts.write, task_plots.write, episode_plots.write):
            if (written := write(record.series, self._files)) is not None:
                self._write(Attach(job.name, str(written)))
        if record.state and self._models is not None:
            for path in self._models(record, self._files / MODEL):
                self._write(Attach(job.name, str(path), MODEL))
        if record.forecasts and self._forecasts is not None:
            for path in self._forecasts(record, self._files):
                self._write(Attach(job.name, str(path)))
        self._end(job, "FINISHED")

    def _failed(self, record: Failed) -> None:
        job = record.job
        self._begin(job)
        self._write(Log(job.name, tags={"htmrun.error": record.error[:_LONGEST_TAG]}))
        text = f"{record.error}\n\n{record.trace}".rstrip() + "\n"
        self._write(Attach(job.name, str(self._file("error.txt", text))))
        self._end(job, "KILLED" if record.interrupted else "FAILED")

    def _end(self, job: Job, status: Status) -> None:
        points = self._book.take(job)
        if points:
            self._write(Log(job.name, tuple(points)))
        self._write(End(job.name, status, _now()))
        self._open.pop(job, None)

    def _flush(self) -> None:
        begun = time.monotonic()
        for job in self._book.waiting:
            self._begin(job)
            points = [*self._book.take(job), *self._machine.points(job, _now())]
            self._write(Log(job.name, tuple(points)))
        now = time.monotonic()
        self._next_flush = now + max(_FLUSH_EVERY_S, _PAUSE * (now - begun))

    def _attach_plots(self) -> None:
        begun = time.perf_counter()
        try:
            self._pictures.recall(self._store.client, self._kept, self._files)
        except Exception as error:  # Whatever a store raises.
            self._notice(f"warning: pictures lack jobs that had finished before ({cause(error)})")
        drawn = self._pictures.draw(self._files)
        self.plot_seconds = time.perf_counter() - begun
        for file in drawn:
            for job in sorted(self._begun | set(self._kept)):
                self._write(Attach(job.name, str(file), "plots"))

    def _prepare_charts(self) -> None:
        """Put the main curve on top of the page behind `url`; the dashboard does it for itself."""
        curve = next((name for name in self._finals if name in self._book.curves), None)
        if self.url is None or curve is None or not self._delivery.direct:
            return
        try:
            save_view(
                self._store.client, self._store.experiment, self._run, curve, tuple(self._places)
            )
        except Exception as error:
            self._notice(f"warning: MLflow did not take the view of the charts ({cause(error)})")

    def _describe_experiment(self) -> None:
        if self._descriptions is None or not self._delivery.direct:
            return
        text = self._descriptions.whole(self._answer or (_ENDS[self._status or "failed"],))
        try:
            note_experiment(self._store.client, self._store.experiment, text)
        except Exception as error:
            self._notice(f"warning: MLflow did not take the description ({cause(error)})")

    def _file(self, name: str, text: str) -> Path:
        path = self._files / name
        path.write_text(text, encoding="utf-8")
        return path

    @contextmanager
    def _timed(self) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - begun


def _now() -> int:
    return time.time_ns() // 1_000_000
