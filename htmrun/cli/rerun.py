"""`htmrun rerun`: repeat a run and say whether it is the same."""

from __future__ import annotations

from typing import Annotated

import typer

from htmrun.cli.options import Directory, Imported, On, Uri

NAME = "rerun"
HELP = "Repeat a run and say whether every state hash and figure is the same."
USAGE = {
    "htmrun rerun": "the latest run",
    "htmrun rerun RUN 'seeds=[0]'": "fewer arms and seeds of an earlier one",
    "htmrun rerun DIR": "what htmrun export has written",
}


def command(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="A run's id, how it begins, or a folder.", hidden=True),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="arms, seeds.", hidden=True)
    ] = None,
    on: On = "local",
    imported: Imported = None,
    uri: Uri = None,
    directory: Directory = "runs",
) -> int:
    from htmrun.execution.ray_connection import checked
    from htmrun.tracking.rerun import repeat, verdict
    from htmrun.tracking.stored import read_run

    chosen, wanted = list(overrides or []), run
    if run is not None and "=" in run:
        chosen, wanted = [run, *chosen], None
    on = checked(on)
    stored = read_run(wanted, uri, directory)
    found = repeat(stored, chosen, lambda line: print(line, flush=True), on)
    print(verdict(found))
    return 0 if all(repeated.same for repeated in found) else 1
