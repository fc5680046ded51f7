"""`htmrun clean`: remove runs, after saying which."""

from __future__ import annotations

from typing import Annotated

import typer

from htmrun.cli.options import Directory, Uri
from htmrun.cli.runs import Arm, Before, Experiment, Since, Status, Tag, Where

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
    experiment: Experiment = None,
    arm: Arm = None,
    status: Status = None,
    since: Since = None,
    before: Before = None,
    tag: Tag = None,
    where: Where = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove them; without it nothing is removed.")
    ] = False,
    uri: Uri = None,
    directory: Directory = "runs",
) -> None:
    from htmrun.cli.terminal.runs_table import clean
    from htmrun.tracking.list_runs import Filters

    filters = Filters(
        experiment, tuple(arm or ()), status, since, before, tuple(tag or ()), tuple(where or ())
    )
    clean(tuple(run or ()), filters, delete, uri, directory)
