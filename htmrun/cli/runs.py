"""`htmrun runs`: which runs there are."""

from __future__ import annotations

from typing import Annotated

import typer

from htmrun.cli.options import Directory, Uri

NAME = "runs"
HELP = "List the runs, newest first."
USAGE = {
    "htmrun runs": "the latest twenty",
    "htmrun runs --experiment digits --since 3d": "of one experiment, of three days",
    "htmrun runs --where 'accuracy>0.95' --arm online": "with a figure like this",
    "htmrun runs --status failed --format json": "for another program",
    "htmrun runs --sweeps": "searches: how far they came, their best value",
}

Experiment = Annotated[
    str | None, typer.Option("--experiment", "-e", metavar="NAME", help="Of this experiment.")
]
Arm = Annotated[
    list[str] | None, typer.Option("--arm", "-a", metavar="NAME", help="With this arm; repeatable.")
]
Status = Annotated[
    str | None,
    typer.Option("--status", metavar="STATE", help="finished, failed, killed or running."),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="WHEN", help="Begun since a date, or 30m, 12h, 3d, 2w ago."),
]
Before = Annotated[str | None, typer.Option("--before", metavar="WHEN", help="Begun before that.")]
Tag = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="KEY=VALUE", help="With this tag; repeatable."),
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", "-w", metavar="CONDITION", help="accuracy>0.9: an arm's mean does so."),
]


def command(
    experiment: Experiment = None,
    arm: Arm = None,
    status: Status = None,
    since: Since = None,
    before: Before = None,
    tag: Tag = None,
    where: Where = None,
    sweeps: Annotated[
        bool, typer.Option("--sweeps", help="List sweeps instead; --where means their best value.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many.")
    ] = 20,
    output_format: Annotated[
        str, typer.Option("--format", "-f", metavar="NAME", help="table, csv or json.")
    ] = "table",
    uri: Uri = None,
    directory: Directory = "runs",
) -> None:
    from htmrun.cli.terminal.runs_table import show_runs, show_sweeps
    from htmrun.tracking.list_runs import Filters

    filters = Filters(
        experiment, tuple(arm or ()), status, since, before, tuple(tag or ()), tuple(where or ())
    )
    show = show_sweeps if sweeps else show_runs
    show(filters, output_format, limit, uri, directory)
