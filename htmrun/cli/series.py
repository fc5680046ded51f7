"""`htmrun series`: what a run said of each row of its series."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from htmrun.cli.options import Directory, Imported, Uri

NAME = "series"
HELP = "Print what a run forecast at each row of its series."
USAGE = {
    "htmrun series RUN": "every arm and seed, as CSV",
    "htmrun series RUN --arm online --seed 0": "one of them",
    "htmrun series RUN --out series.csv": "into a file",
}


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, as for compare.", hidden=True)],
    arm: Annotated[
        list[str] | None,
        typer.Option("--arm", "-a", metavar="NAME", help="Only this arm; repeatable."),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option("--seed", "-s", metavar="N", help="Only this seed; repeatable."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it there.")
    ] = None,
    imported: Imported = None,
    uri: Uri = None,
    directory: Directory = "runs",
) -> None:
    from htmrun.cli.terminal import tables
    from htmrun.tracking.forecasts import find_tables

    kept = find_tables(run, tuple(arm or ()), tuple(seed or ()), uri, directory)
    for note in kept.notes:
        print(note, file=sys.stderr)
    if out is None:
        tables.show(kept.tables, sys.stdout)
    else:
        print(f"{tables.write(kept.tables, out):,} rows in {out}", file=sys.stderr)
