"""`htmrun compare`: the arms of finished runs side by side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from htmrun.cli.options import Directory, Imported, Uri

NAME = "compare"
HELP = "Show the arms of the latest run, or of others, side by side."
USAGE = {
    "htmrun compare": "the latest run",
    "htmrun compare 20261122-0540": "an earlier one, as its id begins",
    "htmrun compare digits latest": "arms of two runs together",
    "htmrun compare -m accuracy -m churn": "only these figures",
    "htmrun compare --all --format csv": "every figure, for a spreadsheet",
    "htmrun compare --report report": "a page with every plot",
}


def command(
    run: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="A run's id or how it begins, an experiment, TAG=VALUE, or latest.",
            hidden=True,
        ),
    ] = None,
    output_format: Annotated[
        str,
        typer.Option("--format", "-f", metavar="NAME", help="table, csv, json, latex or markdown."),
    ] = "table",
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", "-m", metavar="NAME", help="Show this figure; repeatable."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show every figure, not only the main ones.")
    ] = False,
    arm: Annotated[
        list[str] | None,
        typer.Option("--arm", "-a", metavar="NAME", help="Only this arm; repeatable."),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option("--reference", metavar="ARM", help="Compare with this arm, not online."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FOLDER", help="Write report.html and plots there."),
    ] = None,
    rank: Annotated[
        bool, typer.Option("--rank", help="Rank the arms over three or more runs as data sets.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Compare runs with other data, seeds, or unfinished.")
    ] = False,
    imported: Imported = None,
    uri: Uri = None,
    directory: Directory = "runs",
) -> None:
    from htmrun.cli.terminal import comparison_table
    from htmrun.compare.runs import Choice
    from htmrun.tracking.outbox import waiting_line

    choice = Choice(
        tuple(run or ()), tuple(metric or ()), everything, tuple(arm or ()), reference, force,
        uri, directory,
    )  # fmt: skip
    try:
        (comparison_table.rank if rank else comparison_table.compare)(choice, output_format, report)
    finally:  # Also where the store that they wait for does not answer.
        if (line := waiting_line(directory)) is not None:
            print(f"not all is shown: {line}", file=sys.stderr)
