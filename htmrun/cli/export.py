"""`htmrun export`: a folder that somebody else can run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from htmrun.cli.options import Directory, Imported, Uri

NAME = "export"
HELP = "Write a run into a folder that somebody else can run."
USAGE = {
    "htmrun export RUN DIR": "configuration, data, versions, results",
    "htmrun export RUN DIR --no-data": "the same without data files",
}


def command(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id, or how it begins.", hidden=True)
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder that does not exist yet.", hidden=True)
    ],
    data: Annotated[
        bool, typer.Option("--data/--no-data", help="Copy data files into the folder.")
    ] = True,
    imported: Imported = None,
    uri: Uri = None,
    directory: Directory = "runs",
) -> None:
    from htmrun.tracking.export import export
    from htmrun.tracking.stored import read_run

    for line in export(read_run(run, uri, directory), folder, with_data=data):
        print(line)
