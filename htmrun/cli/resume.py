"""`htmrun resume`: go on with a run that was cut short."""

from __future__ import annotations

from typing import Annotated

import typer

from htmrun.cli.options import Directory, Imported, On, Uri

NAME = "resume"
HELP = "Go on with a run that was cut short: finished jobs stay, the others are run."
USAGE = {
    "htmrun resume": "the latest run",
    "htmrun resume 20261122-0540": "an earlier one, as its id begins",
}


def command(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="A run's id, or how it begins.", hidden=True)
    ] = None,
    on: On = "local",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only the final table.")
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the results as one line of JSON.")
    ] = False,
    imported: Imported = None,
    uri: Uri = None,
    directory: Directory = "runs",
) -> int:
    from htmrun.execution.ray_connection import checked
    from htmrun.tracking.resume import resume

    return resume(run, uri, directory, on=checked(on), quiet=quiet, json_output=json_output)
