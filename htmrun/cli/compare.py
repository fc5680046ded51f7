"""`htmrun compare`: the arms of a finished run side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from htmrun.cli.options import Directory, Uri

NAME = "compare"
HELP = "Show the arms of the latest run, or of another, side by side."
USAGE = {
    "htmrun compare": "the latest run",
    "htmrun compare 20261122-0540": "an earlier one, as its id begins",
    "htmrun compare -m accuracy -m churn": "only these figures",
    "htmrun compare --all --format csv": "every figure, for a spreadsheet",
}


def command(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="A run's id, or how it begins.", hidden=True)
    ] = None,
    output_format: Annotated[
        str, typer.Option("--format", "-f", metavar="NAME", help="table, json, csv or markdown.")
    ] = "table",
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", "-m", metavar="NAME", help="Show this figure; repeatable."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show every figure: also counts, bytes, seconds, latency.")
    ] = False,
    uri: Uri = None,
    directory: Directory = "runs",
) -> None:
    from htmrun.compare import compare

    compare(run, uri, directory, output_format, metric or (), everything)
