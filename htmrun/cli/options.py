"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def _import(modules: list[str] | None) -> list[str] | None:
    if modules:
        from htmrun.components import registry

        registry.load(modules)
    return modules


ConfigDir = Annotated[
    Path | None,
    typer.Option(
        "--config-dir",
        metavar="DIR",
        help="A folder of your own experiments and groups; searched before the shipped ones.",
    ),
]
Imported = Annotated[
    list[str] | None,
    typer.Option(
        "--import",
        metavar="MODULE",
        callback=_import,
        help="A module with kinds of your own, e.g. a file in this folder; may be repeated.",
    ),
]
On = Annotated[
    str,
    typer.Option(
        "--on", metavar="WHERE", help="local: this machine; ray://HOST: a Ray cluster's nodes."
    ),
]
Uri = Annotated[
    str | None,
    typer.Option(
        "--uri", metavar="URI", help="MLflow tracking URI; without it the database in --dir."
    ),
]
Directory = Annotated[
    str, typer.Option("--dir", metavar="DIR", help="Folder with the runs' database.")
]
