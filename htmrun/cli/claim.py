"""`htmrun claim`: run the experiment of a claim and say its verdict."""

from __future__ import annotations

from typing import Annotated

import typer

from htmrun.cli import options

NAME = "claim"
HELP = "Run the experiment of a claim and say whether it holds."
USAGE = {
    "htmrun claim 28": "claim 28 at its small size: what it points to",
    "htmrun claim 28 --full": "with the seeds that its rule asks for: the verdict",
    "htmrun claim 28 --dry-run": "the claim, its rules, what would run",
    "htmrun claim all": "every claim; --missing: those that have no outcome yet",
}


def command(
    wanted: Annotated[
        str, typer.Argument(metavar="N", help="A claim's number, several (1,2) or all.")
    ],
    full: Annotated[bool, typer.Option("--full", help="The size that decides.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show rules; run nothing.")] = False,
    missing: Annotated[
        bool, typer.Option("--missing", help="Leave out what has an outcome of this size.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record/--no-record", help="Write runs and verdict to MLflow.")
    ] = True,
    config_dir: options.ConfigDir = None,
    imported: options.Imported = None,
    uri: options.Uri = None,
    directory: options.Directory = "runs",
    json_output: options.Json = False,
) -> int:
    from htmrun.cli.terminal import claims

    asked = claims.Asked(wanted, "full" if full else "small", uri, directory, config_dir, record)
    if dry_run:
        return claims.dry_run(asked)
    return claims.run(asked, missing=missing, json_output=json_output)
