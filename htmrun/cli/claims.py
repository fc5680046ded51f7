"""`htmrun claims`: which claims there are, and how they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from htmrun.cli import options

NAME = "claims"
HELP = "List the claims about online learning, with their verdicts."
USAGE = {
    "htmrun claims": "all, each with its verdict",
    "htmrun claims --verdict undecided": "those that stand like this",
    "htmrun claims --page FILE": "the page with rules and figures, in Markdown",
    "htmrun claims --format json": "for another program",
}


def command(
    verdict: Annotated[
        str | None, typer.Option("--verdict", metavar="WORDS", help="Only those with it.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--page", metavar="FILE", help="Write the page of all claims.")
    ] = None,
    settle: Annotated[
        bool,
        typer.Option(
            "--settle", help="Make full runs of this folder the shipped ones.", hidden=True
        ),
    ] = False,
    output_format: Annotated[
        str, typer.Option("--format", "-f", metavar="NAME", help="table or json.")
    ] = "table",
    config_dir: options.ConfigDir = None,
    directory: options.Directory = "runs",
) -> None:
    from htmrun.cli.terminal import claims

    if settle:
        claims.settle(directory, config_dir)
    if page is not None:
        claims.write_page(page, config_dir)
    elif not settle:
        claims.show(verdict, output_format, directory, config_dir)
