"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigDir = Annotated[
    Path | None,
    typer.Option(
        "--config-dir",
        metavar="DIR",
        help="A folder of your own experiments and groups; searched before the shipped ones.",
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
