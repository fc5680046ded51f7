"""Comparison of finished experiment runs: arms side by side, paired by seed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from htmrun.errors import UserError, nearest

if TYPE_CHECKING:
    from htmrun.compare.comparison import Comparison
    from htmrun.compare.overranks import OverRanks
    from htmrun.tracking.arrays import Series
    from htmrun.tracking.read_runs import ExperimentRun

FORMATS = ("table", "csv", "json", "latex", "markdown")


@dataclass(frozen=True)
class Choice:
    """What is compared and how it is shown.

    runs: see `choosing.choose`; metrics: these figures only; everything: all of them; arms: these
    only; reference: the arm that others are compared with; rank: over runs as data sets; force:
    compare what is not equal, too; report: folder for the HTML page.
    """

    runs: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    everything: bool = False
    arms: tuple[str, ...] = ()
    reference: str | None = None
    rank: bool = False
    force: bool = False
    report: Path | None = None
    output_format: str = "table"


def compare(choice: Choice, uri: str | None, directory: str) -> None:
    """Print what `choice` asks for, and write its report; warnings go to stderr.

    Raises UserError for an unknown format, store, run, arm or figure, and for runs that are not
    equal without `force`.
    """
    _check(choice)
    from htmrun.tracking.read_runs import read

    runs = read(choice.runs, uri, directory)
    if choice.rank:
        _ranked(choice, runs)
        return
    comparison, run, series = _together(choice, runs, uri, directory)
    _print(choice.output_format, comparison)
    if choice.report is not None:
        _report(choice, comparison, run, series, uri, directory)


def report(choice: Choice, uri: str | None, directory: str) -> None:
    """Write the report of `choice` and print nothing else; raises UserError as `compare` does."""
    from htmrun.tracking.read_runs import read

    found = _together(choice, read(choice.runs, uri, directory), uri, directory)
    _report(choice, *found, uri, directory)


def _together(
    choice: Choice, runs: Sequence[ExperimentRun], uri: str | None, directory: str
) -> tuple[Comparison, ExperimentRun, Series]:
    from htmrun.tracking.read_runs import keep_arms, merge

    run = merge(runs)
    keep_arms(run, choice.arms)
    warnings = _unequal(run, force=choice.force)
    for warning in warnings:
        print(warning, file=sys.stderr)
    comparison, series = _compared(choice, run, warnings, uri, directory)
    return comparison, run, series


def _check(choice: Choice) -> None:
    if choice.output_format not in FORMATS:
        raise UserError(
            f"format: found '{choice.output_format}', expected one of {', '.join(FORMATS)}"
            f"{nearest(choice.output_format, FORMATS)}"
        )
    if choice.report is not None and choice.report.exists() and not choice.report.is_dir():
        raise UserError(f"--report: {choice.report} is a file, expected a folder")


def _unequal(run: ExperimentRun, *, force: bool) -> list[str]:
    """Return what is unequal as warnings; UserError without `force`, or if nothing is left."""
    from htmrun.compare.unequal import unequal

    found = unequal(run)
    if not run.everybody:
        raise UserError("\n".join([f"run: nothing of {run.run} has finished", *found]))
    if found and not force:
        several = len(run.runs) > 1
        hint = "--force compares what they share" + (
            "; --rank ranks arms over runs as data sets" if several else ""
        )
        raise UserError(
            "\n".join(
                [
                    f"run: not equal, expected the same data and seeds; {hint}",
                    *(f"run: {line}" for line in found),
                ]
            )
        )
    return [f"warning: {line}" for line in found]


def _compared(
    choice: Choice, run: ExperimentRun, warnings: Sequence[str], uri: str | None, directory: str
) -> tuple[Comparison, Series]:
    from htmrun.compare.comparison import compare_arms, reference_arm
    from htmrun.compare.selection import select
    from htmrun.tracking.arrays import read_series, stream_differences
    from htmrun.tracking.store import open_existing

    shown = select(run.metrics, run.task, wanted=choice.metrics, everything=choice.everything)
    reference = reference_arm(run, choice.reference)
    series: Series = {}
    # Only streams have losses to compare along them; the report draws everything.
    if choice.report is not None or run.task in ("forecast", "sequence"):
        series = read_series(open_existing(uri, directory)[1], run)
    streams = list(stream_differences(series, run.everybody, reference, run.task))
    found = compare_arms(run, shown, reference=reference, warnings=warnings, streams=streams)
    return found, series


def _print(output_format: str, comparison: Comparison) -> None:
    from htmrun.cli.terminal import comparison_table
    from htmrun.compare import formats, tables

    if output_format == "table":
        from htmrun.cli.terminal.terminal import console_for

        console_for(sys.stdout).print(comparison_table.shown(comparison))
        return
    if output_format in ("json", "csv"):
        text = (formats.to_json if output_format == "json" else formats.to_csv)(comparison)
    else:
        write = formats.markdown if output_format == "markdown" else formats.latex
        text = write(comparison.run, tables.tables(comparison), comparison.notes)
    print(text.rstrip("\n"))


def _ranked(choice: Choice, runs: Sequence[ExperimentRun]) -> None:
    from htmrun.compare.overranks import over_ranks
    from htmrun.tracking.read_runs import keep_arms

    for run in runs:
        keep_arms(run, choice.arms)
        for warning in _unequal(run, force=choice.force):
            print(warning, file=sys.stderr)
    found = over_ranks(runs, choice.metrics, controls=bool(choice.arms))
    _print_ranks(choice.output_format, found)
    if choice.report is not None:
        from htmrun.compare.report import write_ranks

        print(f"report: {write_ranks(choice.report, found, runs)}", file=sys.stderr)


def _print_ranks(output_format: str, found: OverRanks) -> None:
    from htmrun.cli.terminal import comparison_table
    from htmrun.compare import formats, tables

    title = f"{len(found.sets)} data sets"
    if output_format == "table":
        from htmrun.cli.terminal.terminal import console_for

        group = comparison_table.words(title, tables.rank_tables(found), found.notes)
        console_for(sys.stdout).print(group)
        return
    if output_format in ("json", "csv"):
        as_json = output_format == "json"
        text = (formats.ranks_to_json if as_json else formats.ranks_to_csv)(found)
    else:
        write = formats.markdown if output_format == "markdown" else formats.latex
        text = write(title, tables.rank_tables(found), found.notes)
    print(text.rstrip("\n"))


def _report(
    choice: Choice,
    comparison: Comparison,
    run: ExperimentRun,
    series: Series,
    uri: str | None,
    directory: str,
) -> None:
    from htmrun.compare.report import log_report, write_report
    from htmrun.tracking.store import open_existing

    assert choice.report is not None
    path = write_report(choice.report, comparison, run, series)
    print(f"report: {path}", file=sys.stderr)
    where = log_report(open_existing(uri, directory)[1], run, choice.report)
    print(f"logged as artifact 'report' of {where}", file=sys.stderr)
