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
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the result.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")]

# Which runs are meant: see `list_runs.Filters`.
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
