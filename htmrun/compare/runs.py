"""From recorded runs to what is said of them: read, checked for equality, compared or ranked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from htmrun.compare.comparison import Comparison, compare_arms, reference_arm
from htmrun.compare.overranks import OverRanks, over_ranks
from htmrun.compare.report import PAGE, log_report, write_report
from htmrun.compare.report.series_page import PAGE as SERIES_PAGE
from htmrun.compare.selection import select
from htmrun.compare.streams import stream_differences
from htmrun.compare.unequal import unequal
from htmrun.errors import UserError
from htmrun.tracking.arrays import Series, read_series
from htmrun.tracking.forecasts import TASKS as SERIES_TASKS
from htmrun.tracking.forecasts import read_tables
from htmrun.tracking.read_runs import ExperimentRun, keep_arms, merge, read
from htmrun.tracking.store import open_existing


@dataclass(frozen=True)
class Choice:
    """What is compared.

    runs: see `choose_runs.choose`; metrics: these figures only; everything: all of them; arms:
    these only; reference: the arm that others are compared with; force: compare what is not
    equal, too. The runs lie in the store `uri`, or in the database in `directory`.
    """

    runs: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    everything: bool = False
    arms: tuple[str, ...] = ()
    reference: str | None = None
    force: bool = False
    uri: str | None = None
    directory: str = "runs"


@dataclass(frozen=True)
class Compared:
    """Runs taken as one, their comparison and the arrays that were read for it."""

    comparison: Comparison
    run: ExperimentRun
    series: Series


@dataclass(frozen=True)
class Ranked:
    """Runs as data sets, the ranking of their arms, and what is unequal in each."""

    ranks: OverRanks
    runs: Sequence[ExperimentRun]
    warnings: tuple[str, ...]


def compare_runs(choice: Choice, *, curves: bool = False) -> Compared:
    """Return the comparison of the chosen runs; with `curves` every kept array is read, too.

    Raises UserError for an unknown store or run, and as `compare_run` does.
    """

    def kept(run: ExperimentRun) -> Series:
        return read_series(open_existing(choice.uri, choice.directory)[1], run)

    run = merge(read(choice.runs, choice.uri, choice.directory))
    return compare_run(run, kept, choice, curves=curves)


def compare_run(
    run: ExperimentRun,
    kept: Callable[[ExperimentRun], Series],
    choice: Choice,
    *,
    curves: bool = False,
) -> Compared:
    """Return the comparison of one run, whose arrays `kept` returns.

    Raises UserError for an unknown arm or figure, and where something is not equal without
    `force`; with it the comparison's warnings say what is unequal.
    """
    warnings = _in_common(choice, run)
    shown = select(run.metrics, run.task, wanted=choice.metrics, everything=choice.everything)
    reference = reference_arm(run, choice.reference)
    series: Series = {}
    # Only streams have losses to compare along them; the report draws everything.
    along = run.task in ("forecast", "sequence") and not choice.metrics
    if curves or along:
        series = kept(run)
    streams = list(stream_differences(series if along else {}, run.everybody, reference, run.task))
    found = compare_arms(run, shown, reference=reference, warnings=warnings, streams=streams)
    return Compared(found, run, series)


def rank_runs(choice: Choice) -> Ranked:
    """Return the ranking of arms over the chosen runs; raises UserError as `compare_runs` does."""
    runs = read(choice.runs, choice.uri, choice.directory)
    warnings = [warning for run in runs for warning in _in_common(choice, run)]
    ranks = over_ranks(runs, choice.metrics, controls=bool(choice.arms))
    return Ranked(ranks, runs, tuple(warnings))


def report_runs(choice: Choice, folder: Path, compared: Compared) -> tuple[Path, str]:
    """Write the page of a comparison into `folder` and log it; return its path and what became.

    Raises UserError if the folder cannot be written to.
    """
    run = compared.run
    client = open_existing(choice.uri, choice.directory)[1]
    tables = read_tables(client, run) if run.task in SERIES_TASKS else {}
    path = write_report(folder, compared.comparison, run, compared.series, tables)
    pages = (PAGE, *([SERIES_PAGE] if tables else []))
    try:
        return path, f"logged as artifact 'report' of {log_report(client, run, folder, pages)}"
    except OSError as error:  # The runs lie on media that cannot be written.
        return path, f"not logged ({error.strerror or error})"


def _in_common(choice: Choice, run: ExperimentRun) -> list[str]:
    """Leave the chosen arms, and return what is unequal in them as warnings.

    Raises UserError where something is and `force` is not given, or where nothing is left.
    """
    keep_arms(run, choice.arms)
    found = unequal(run)
    if not run.everybody:
        raise UserError("\n".join([f"run: nothing of {run.run} has finished", *found]))
    if found and not choice.force:
        several = len(run.runs) > 1
        hint = "--force compares what they share" + (
            "; --rank ranks arms over runs as data sets" if several else ""
        )
        first = f"run: not equal, expected the same data and seeds; {hint}"
        raise UserError("\n".join([first, *(f"run: {line}" for line in found)]))
    return [f"warning: {line}" for line in found]
