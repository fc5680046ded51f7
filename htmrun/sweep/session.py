"""One `htmrun sweep`: a worker of a study, from the first question to the best configuration."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htmrun.components.sources import Source, open_source
from htmrun.config.store_uri import hide_password
from htmrun.config.sweep import Sweep
from htmrun.errors import UserError, nearest
from htmrun.execution.jobs import Builder
from htmrun.execution.placement import resolve_place
from htmrun.execution.processes import ProcessWorkers, cores, must_be_guarded
from htmrun.execution.ray_actors import RayWorkers
from htmrun.execution.ray_connection import LOCAL
from htmrun.execution.ray_nodes import Share
from htmrun.execution.session import main_metrics
from htmrun.execution.signals import terminations_raised
from htmrun.sweep.card_trials import CardTrials
from htmrun.sweep.conductor import Conductor, direction_words
from htmrun.sweep.record import SweepRecord
from htmrun.sweep.results import best, figures_of, importance, write
from htmrun.sweep.samplers import INDEPENDENT
from htmrun.sweep.study import SharedStudy, worker_name
from htmrun.sweep.trial import TrialPlayer, rehearse
from htmrun.tracking import holding
from htmrun.training.measures.registry import better

if TYPE_CHECKING:
    from htmrun.execution.workers import Workers


def run_sweep(
    sweep: Sweep, *, on: str = "local", quiet: bool = False, json_output: bool = False
) -> int:
    """Run trials until the study has enough; return 0, or 1 if none of them came to its end.

    Raises UserError for what can be known before the first trial, and KeyboardInterrupt or
    SystemExit once the study is safe.
    """
    if on == LOCAL:
        must_be_guarded()
    lines = _printer(quiet or json_output)
    trial = sweep.trial({})
    source = open_source(trial.data)
    reported = rehearse(trial, source)
    objectives = _objectives(sweep, source, reported)

    folder = Path(sweep.base.tracking.dir) / "sweeps" / sweep.name
    where = sweep.settings.storage or str(folder / "study.journal")
    worker, directory = worker_name(sweep), sweep.base.tracking.dir
    with holding.hold(directory, worker):
        shared = SharedStudy.open(sweep, where, objectives, source.fingerprint, worker)
        return _play(shared, source, (folder, where), on, lines, json_output)


def _play(
    shared: SharedStudy, source: Source, places: tuple[Path, str], on: str,
    lines: Callable[[str], None], json_output: bool,
) -> int:  # fmt: skip
    """Run the trials of an open study and say what came out; see `run_sweep`.

    places: the sweep's folder, and where the study is.
    """
    sweep, objectives, (folder, where) = shared.sweep, shared.objectives, places
    lines(
        f"sweep {sweep.name}: {shared.wanted} trials of arm {sweep.arm}, "
        f"{direction_words(objectives)} on validation ({source.name}, "
        f"{len(sweep.settings.seeds)} seeds); study in {hide_password(where)}"
    )
    if shared.ended():
        lines(f"continued: {len(shared.ended())} of {shared.wanted} trials are there already")
    try:
        with ExitStack() as stack:
            stack.enter_context(terminations_raised())
            record = _record(sweep, shared, lines)
            shared.prepare()
            workers = stack.enter_context(closing(_workers(on, sweep, source, lines)))
            files = _run(shared, workers, record, lambda: _results(shared, source, folder), lines)
    except (KeyboardInterrupt, SystemExit):
        print(
            f"interrupted: {len(shared.ended())} of {shared.wanted} trials; the same command "
            "continues",
            file=sys.stderr,
        )
        raise
    return _finish(shared, files, json_output)


def _run(
    shared: SharedStudy, workers: Workers, record: SweepRecord | None,
    results: Callable[[], tuple[list[Path], list[Path]]], lines: Callable[[str], None],
) -> list[Path]:  # fmt: skip
    """Run the trials and write what came out; return the best configurations."""
    conductor = Conductor(shared, workers, record, lines)
    try:
        conductor.run()
    except BaseException:
        conductor.give_up()
        if record is not None:
            record.close("KILLED", [])
        raise
    configurations, everything = results()
    if record is not None:
        record.catch_up()
        record.close("FINISHED", everything)
    return configurations


def _results(shared: SharedStudy, source: Source, folder: Path) -> tuple[list[Path], list[Path]]:
    return write(shared, source, folder, lambda line: print(line, file=sys.stderr))


def _printer(silent: bool) -> Callable[[str], None]:
    return (lambda _: None) if silent else (lambda line: print(line, flush=True))


def _objectives(sweep: Sweep, source: Source, reported: list[str]) -> dict[str, Any]:
    """Return figures with directions, the task's own by default; UserError for unknown ones."""
    if not sweep.settings.objectives:
        name = main_metrics(Builder(sweep.base, source))[0]
        return {name: "minimize" if better(name) == "down" else "maximize"}
    for name in sweep.settings.objectives:
        if name not in reported:
            near = nearest(name, reported)
            listed = near or f"; reported are {', '.join(sorted(reported))}"
            raise UserError(
                f"sweep.objectives.{name}: found a figure that arm {sweep.arm} does not report, "
                f"expected one that it does{listed}"
            )
    return dict(sweep.settings.objectives)


def _record(sweep: Sweep, shared: SharedStudy, lines: Callable[[str], None]) -> SweepRecord | None:
    settings = sweep.base.tracking
    if not settings.enabled:
        return None
    experiment = f"{settings.experiment or sweep.base.name}-sweeps"
    record = SweepRecord(shared, settings.uri, Path(settings.dir), experiment, lines)
    record.catch_up()
    return record


def _workers(on: str, sweep: Sweep, source: Source, lines: Callable[[str], None]) -> Workers:
    """Return what runs trials; each waits for an answer after what it reports."""
    settings, player = sweep.settings, TrialPlayer(source, source.fingerprint)
    if on == LOCAL and resolve_place(sweep.trial({}), on).card is not None:
        learns = settings.sampler not in INDEPENDENT
        most = settings.workers or (cores() if learns else None)
        return CardTrials(source, source.fingerprint, most, learns, lines)
    if on == LOCAL:
        return ProcessWorkers(player, settings.workers or cores())
    share = Share(settings.cpus, settings.gpus, settings.wait_s, settings.workers, "sweep")
    return RayWorkers(on, player, share, lines)


def _finish(shared: SharedStudy, files: list[Path], json_output: bool) -> int:
    found = best(shared)
    states: dict[str, int] = {}
    for trial in shared.ended():
        state = trial.state.name.lower()
        states[state] = states.get(state, 0) + 1
    if json_output:
        chosen = [
            {
                "trial": t.number,
                "values": dict(zip(shared.objectives, t.values, strict=True)),
                "settings": t.params,
                "figures": figures_of(t),
                "file": str(path),
            }
            for t, path in zip(found, files, strict=True)
        ]
        summary = {"sweep": shared.sweep.name, "trials": states, "best": chosen,
                   "importance": importance(shared)}  # fmt: skip
        print(json.dumps(summary), flush=True)
        return 0 if found else 1
    print(f"trials: {', '.join(f'{count} {state}' for state, count in states.items())}")
    default = _default(shared)
    if default is not None:
        print(f"the experiment's own settings: {_values(shared, default)} (trial {default.number})")
    for trial, path in zip(found, files, strict=True):
        print(f"best: {_values(shared, trial)} (trial {trial.number})")
        for name, value in trial.params.items():
            print(f"    {name}={value}")
        print(f"judge it on test: htmrun train {path}")
    shares = importance(shared)
    if shares:
        print("importance: " + ", ".join(f"{n} {v:.2f}" for n, v in shares.items()))
    return 0 if found else 1


def _values(shared: SharedStudy, trial: Any) -> str:
    named = zip(shared.objectives, trial.values, strict=True)
    return ", ".join(f"{name} {value:.4f}" for name, value in named) + " on validation"


def _default(shared: SharedStudy) -> Any:
    point = shared.sweep.default()
    return next((t for t in shared.complete() if point is not None and t.params == point), None)
