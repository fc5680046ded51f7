"""The comparison on a terminal, or written out for another program."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.text import Text

from htmrun.cli.terminal.packed import Column, PackedTable
from htmrun.cli.terminal.terminal import console_for
from htmrun.compare import formats, latex, tables
from htmrun.compare.comparison import Comparison
from htmrun.compare.overranks import OverRanks
from htmrun.compare.report import write_ranks
from htmrun.compare.runs import Choice, Compared, compare_runs, rank_runs, report_runs
from htmrun.compare.sentences import rest
from htmrun.compare.tables import Words
from htmrun.errors import UserError, must_be_one_of

FORMATS = ("table", "csv", "json", "latex", "markdown")


def compare(choice: Choice, output_format: str = "table", report: Path | None = None) -> None:
    """Print the comparison of `choice`, and write its report; warnings go to stderr.

    Raises UserError for an unknown format, and as `compare_runs` does.
    """
    _check(output_format, report)
    found = _compared(choice, curves=report is not None)
    _print(found.comparison, output_format)
    if report is not None:
        _report(choice, report, found)


def write_report(choice: Choice, folder: Path) -> None:
    """Write the report of `choice` and print only where it is; raises as `compare_runs` does."""
    _report(choice, folder, _compared(choice, curves=True))


def rank(choice: Choice, output_format: str = "table", report: Path | None = None) -> None:
    """Print the ranking of arms over the runs of `choice`; otherwise as `compare`."""
    _check(output_format, report)
    found = rank_runs(choice)
    _warn(found.warnings)
    _print(found.ranks, output_format)
    if report is not None:
        print(f"report: {write_ranks(report, found.ranks, found.runs)}", file=sys.stderr)


def _compared(choice: Choice, *, curves: bool) -> Compared:
    found = compare_runs(choice, curves=curves)
    _warn(found.comparison.warnings)
    return found


def _report(choice: Choice, folder: Path, found: Compared) -> None:
    path, where = report_runs(choice, folder, found)
    print(f"report: {path}\n{where}", file=sys.stderr)


def _check(output_format: str, report: Path | None) -> None:
    must_be_one_of("format", output_format, FORMATS)
    if report is not None and report.exists() and not report.is_dir():
        raise UserError(f"--report: {report} is a file, expected a folder")


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        print(warning, file=sys.stderr)


def _print(found: Comparison | OverRanks, output_format: str) -> None:
    if isinstance(found, Comparison):
        title, rows, draw = found.run, tables.tables(found), partial(shown, found)
    else:
        title, rows = f"{len(found.sets)} data sets", tables.rank_tables(found)
        draw = partial(words, title, rows, found.notes)
    if output_format == "table":
        console_for(sys.stdout).print(draw())
        return
    write = {
        "json": lambda: formats.to_json(found),
        "csv": lambda: formats.to_csv(found),
        "markdown": lambda: formats.markdown(title, rows, found.notes),
        "latex": lambda: latex.latex(title, rows, found.notes),
    }[output_format]
    print(write().rstrip("\n"))


def shown(comparison: Comparison) -> Group:
    """Return the answer, metrics by arm (controls dim, on the right), differences, the rest."""
    arms = (*comparison.arms, *comparison.controls)
    rows = [tables.mean_row(metric, arms)[1:] for metric in comparison.metrics]
    means = PackedTable(
        Column("metric", [m.metric for m in comparison.metrics]),
        [
            Column(
                f"{arm}\n(control)" if arm in comparison.controls else arm,
                [row[place] for row in rows],
                "dim" if arm in comparison.controls else "",
            )
            for place, arm in enumerate(arms)
        ],
        title=f"{comparison.run}: means",
    )
    parts: list[Any] = [means]
    if any(metric.differences for metric in comparison.metrics):
        parts.append(_differences(comparison))
    if comparison.streams:
        parts.append(_plain(tables.streams(comparison.streams)))
    said = [Text(line, style="bold") for line in comparison.answer]
    below: list[Any] = []
    for heading, lines in rest(comparison):
        below += [Text(heading, style="italic"), *(Text(f"  {line}") for line in lines)]
    return Group(*said, *parts, *below, *_notes(comparison.notes))


def words(title: str, found: Sequence[Words], notes: Sequence[str]) -> Group:
    """Return any tables, and the notes below."""
    return Group(Text(title, style="bold"), *map(_plain, found), *_notes(notes))


def _notes(notes: Sequence[str]) -> list[Any]:
    return [Text(note, style="dim") for note in notes]


def _plain(table: Words) -> PackedTable:
    names = [" ".join(row[: table.texts]) for row in table.rows]
    columns = [
        Column(heading, [row[table.texts + place] for row in table.rows])
        for place, heading in enumerate(table.headings[table.texts :])
    ]
    return PackedTable(Column("", names), columns, title=table.title, ruled=False)


def _differences(comparison: Comparison) -> PackedTable:
    """Return the differences, each metric's name on a line above its pairs."""
    table = tables.differences(comparison)
    names: list[str] = []
    styles: list[str] = []
    rows: list[tuple[str, ...]] = []
    for row in table.rows:
        if row[0] not in names:
            names.append(row[0])
            styles.append("bold")
            rows.append(("",) * (len(row) - 2))
        names.append(f"  {row[1]}")
        styles.append("")
        rows.append(row[2:])
    return PackedTable(
        Column("", names),
        [Column(heading, [row[i] for row in rows]) for i, heading in enumerate(table.headings[2:])],
        title=table.title,
        styles=styles,
        ruled=False,
    )
