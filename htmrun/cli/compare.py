"""`htmrun compare`: the arms of a finished run side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from htmrun.cli.options import Directory, Uri

NAME = "compare"
HELP = "Show the arms of the latest run, or of RUN, side by side."


def command(
    run: Annotated[str | None, typer.Argument(help="A run's id, or how it begins.")] = None,
    output_format: Annotated[
        str, typer.Option("--format", "-f", help="table, json, csv or markdown.")
    ] = "table",
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", "-m", metavar="NAME", help="Show this figure; repeatable."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show bookkeeping too: counts, bytes, seconds, latency.")
    ] = False,
    uri: Uri = None,
    directory: Directory = "runs",
) -> None:
    from htmrun.compare import compare

    compare(run, uri, directory, output_format, metric or (), everything)
