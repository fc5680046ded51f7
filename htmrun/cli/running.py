"""A run as `train` and `resume` show it: watched on the terminal, recorded in MLflow."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from htmrun.cli.terminal.last_alerts import last_alerts
from htmrun.cli.terminal.live import LiveView
from htmrun.cli.terminal.pulse import Pulse
from htmrun.compare.outcome import answer_of
from htmrun.config.schema import Experiment, Tracking
from htmrun.config.store_uri import hide_password
from htmrun.execution import energy
from htmrun.execution.jobs import jobs_of
from htmrun.execution.ray_connection import LOCAL
from htmrun.execution.session import Earlier, Session, Sink, begin, main_curve, main_metrics
from htmrun.tracking import Tracker
from htmrun.tracking.outbox import waiting_line
from htmrun.tracking.recording import recorded


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
    with Pulse(None if quiet or json_output else _plain_line) as pulse:
        pulse.doing("reading the data")
        session = begin(experiment, on, earlier)
        builder, metrics = session.run.builder, main_metrics(session.run.builder)
        view = LiveView(
            session.run.jobs, metric=(main_curve(builder), metrics[0]),
            quiet=quiet, json=json_output, said=pulse.heard,
        )  # fmt: skip
        if not (quiet or json_output):
            pulse.say = view.notice
        tracker: Tracker | None = None

        @contextmanager
        def sinks() -> Iterator[list[Sink]]:
            nonlocal tracker
            pulse.doing("opening the store of runs")
            record = recorded(
                session, resolved, overrides, view.notice,
                lambda ended: _answer(pulse, ended, metrics),
            )  # fmt: skip
            with _interruption_told(session), record as tracker, view:
                if not (quiet or json_output):
                    view.notice(_what_begins(session))
                pulse.doing(lambda: view.far or "starting the jobs")
                yield [view] if tracker is None else [tracker, view]

        pulse.doing("building a model of each arm, kernels compiled or loaded")
        session.play(sinks(), view.notice)
        pulse.doing("comparing arms")
        view.result(
            session.run_id, session.status, session.results, metrics,
            [*_alerts(session), *_closing_lines(session, tracker)], session.joules,
            (*session.notes, *session.remarks),
        )  # fmt: skip
        if afterwards is not None:
            pulse.doing("writing the report")
            afterwards(session.run_id)
        lost = tracker is not None and tracker.lost
        return 1 if session.failed or lost else 0


def _plain_line(text: str) -> None:
    print(text, flush=True)


def _what_begins(session: Session) -> str:
    """Return the first line: what is run."""
    run, earlier = session.run, session.earlier
    arms, seeds = len(run.experiment.selected), len(run.experiment.seeds)
    done = f", {len(earlier.finished)} finished before" if earlier is not None else ""
    counted = [f"{len(run.jobs)} job", f"{arms} arm", f"{seeds} seed"]
    jobs, *of = (f"{text}{'' if text.startswith('1 ') else 's'}" for text in counted)
    return f"{run.experiment.name}: {jobs} ({', '.join(of)}){done}"


def _answer(pulse: Pulse, ended: Session, metrics: Sequence[str]) -> Sequence[str]:
    pulse.doing("comparing arms, drawing and recording what came out")
    return answer_of(ended.results, metrics)


@contextmanager
def _interruption_told(session: Session) -> Iterator[None]:
    """Say, when it was interrupted, what there is and how to go on."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        experiment, on = session.run.experiment, session.run.on
        done, jobs = sum(map(len, session.results.values())), len(jobs_of(experiment))
        far = "" if on == LOCAL else f" --on {on}"
        how = f"continue with htmrun resume {session.run_id}{_place_option(experiment)}{far}"
        if not experiment.tracking.enabled:
            how = "nothing was recorded"
        print(f"interrupted: {done} of {jobs} jobs finished; {how}", file=sys.stderr)
        raise


def _place_option(experiment: Experiment) -> str:
    """Return the option with which other commands find the run; empty where they look anyway."""
    if experiment.tracking.uri is not None:
        # A password does not belong on the screen; MLflow reads it from its environment.
        return f" --uri {shlex.quote(hide_password(experiment.tracking.uri))}"
    if experiment.tracking.dir != Tracking.model_fields["dir"].default:
        return f" --dir {shlex.quote(experiment.tracking.dir)}"
    return ""


def _alerts(session: Session) -> list[str]:
    """Return the last alerts, where anomalies are what was asked."""
    return last_alerts(session.results) if session.run.builder.task == "anomaly" else []


def _closing_lines(session: Session, tracker: Tracker | None) -> list[str]:
    experiment, run_id = session.run.experiment, session.run_id
    lines = [f"run {run_id}, {session.seconds:.1f} s"]
    used = energy.line(session.joules)
    lines += [] if used is None else [used]
    lines += [f"note: {remark}" for remark in session.remarks]
    if experiment.data.held_out == "validation":
        lines.append("measured on validation samples; data.held_out=test judges")
    if tracker is not None and (tracker.lost or tracker.waits):
        if tracker.waits and (waits := waiting_line(experiment.tracking.dir)) is not None:
            lines.append(waits)
        if tracker.lost:
            lines.append(
                "NOT ALL IS RECORDED: records were lost (see the warnings above); once there is "
                f"room, htmrun resume {run_id}{_place_option(experiment)} runs those jobs again"
            )
    elif tracker is not None:
        store = hide_password(experiment.tracking.uri or f"{experiment.tracking.dir}/mlflow.db")
        lines.append(
            f"recorded in {store} (recording took {tracker.seconds:.1f} s beside the jobs)"
        )
        place = _place_option(experiment)
        lines.append(f"see it: htmrun dashboard{place}    compare arms: htmrun compare{place}")
        lines.append(f"a page with every plot: htmrun compare {run_id} --report FOLDER{place}")
    if session.failed:
        names = ", ".join(failed.job.name for failed in session.failed)
        lines.append(f"{len(session.failed)} of the jobs failed: {names}")
    return lines
