"""`htmrun runs`: which runs there are."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from htmrun.cli import options

NAME = "runs"
HELP = "List the runs, newest first."
USAGE = {
    "htmrun runs": "the latest twenty",
    "htmrun runs --experiment digits --since 3d": "of one experiment, of three days",
    "htmrun runs --where 'accuracy>0.95' --arm online": "with a figure like this",
    "htmrun runs --status failed --format json": "for another program",
    "htmrun runs --sweeps": "searches: how far they came, their best value",
}


def command(
    experiment: options.Experiment = None,
    arm: options.Arm = None,
    status: options.Status = None,
    since: options.Since = None,
    before: options.Before = None,
    tag: options.Tag = None,
    where: options.Where = None,
    sweeps: Annotated[
        bool, typer.Option("--sweeps", help="List sweeps instead; --where means their best value.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many.")
    ] = 20,
    output_format: Annotated[
        str, typer.Option("--format", "-f", metavar="NAME", help="table, csv or json.")
    ] = "table",
    uri: options.Uri = None,
    directory: options.Directory = "runs",
) -> None:
    from htmrun.cli.terminal.runs_table import show_runs, show_sweeps
    from htmrun.tracking.list_runs import Filters
    from htmrun.tracking.outbox import waiting_line

    filters = Filters(
        experiment, tuple(arm or ()), status, since, before, tuple(tag or ()), tuple(where or ())
    )
    show = show_sweeps if sweeps else show_runs
    try:
        show(filters, output_format, limit, uri, directory)
    finally:  # Also where the store that they wait for does not answer.
        if (line := waiting_line(directory)) is not None:
            print(line, file=sys.stderr)
