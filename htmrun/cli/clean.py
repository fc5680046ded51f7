"""`htmrun clean`: remove runs, after saying which."""

from __future__ import annotations

from typing import Annotated

import typer

from htmrun.cli import options

NAME = "clean"
HELP = "Say which runs would be removed; with --delete, remove them."
USAGE = {
    "htmrun clean --status failed": "what would go: nothing is removed",
    "htmrun clean --before 30d --delete": "remove what is older than 30 days",
    "htmrun clean 20261122-0540 --delete": "remove one run",
}


def command(
    run: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN", help="A run's id or how it begins, or TAG=VALUE.", hidden=True
        ),
    ] = None,
    experiment: options.Experiment = None,
    arm: options.Arm = None,
    status: options.Status = None,
    since: options.Since = None,
    before: options.Before = None,
    tag: options.Tag = None,
    where: options.Where = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove them; without it nothing is removed.")
    ] = False,
    uri: options.Uri = None,
    directory: options.Directory = "runs",
) -> None:
    from htmrun.cli.terminal.runs_table import clean
    from htmrun.tracking.list_runs import Filters

    filters = Filters(
        experiment, tuple(arm or ()), status, since, before, tuple(tag or ()), tuple(where or ())
    )
    clean(tuple(run or ()), filters, delete, uri, directory)
