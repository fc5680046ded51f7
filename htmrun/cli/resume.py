"""`htmrun resume`: go on with a run that was cut short."""

from __future__ import annotations

from typing import Annotated

import typer

from htmrun.cli.options import Directory, Imported, Json, On, Quiet, Uri

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
    imported: Imported = None,
    quiet: Quiet = False,
    json_output: Json = False,
    uri: Uri = None,
    directory: Directory = "runs",
) -> int:
    from htmrun.cli.running import run_experiment
    from htmrun.execution.ray_connection import checked
    from htmrun.tracking.resume import taken_up

    on = checked(on)
    with taken_up(run, uri, directory, typer.echo) as taken:
        if not taken.open:
            kept = taken.earlier
            print(f"run {kept.run_id}: all {len(kept.finished)} jobs finished, nothing to continue")
            return 0
        return run_experiment(
            taken.experiment,
            taken.resolved,
            taken.overrides,
            on=on,
            quiet=quiet,
            json_output=json_output,
            earlier=taken.earlier,
        )
