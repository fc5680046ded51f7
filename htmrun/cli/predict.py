"""`htmrun predict`: a trained model answers the rows of a file or a pipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from htmrun.cli.options import Directory, Imported, Uri

NAME = "predict"
HELP = "Let a run's model forecast the rows of a file or a pipe."
USAGE = {
    "htmrun predict RUN --data new.csv": "forecasts and anomaly scores, as CSV",
    "tail -f log.csv | htmrun predict RUN": "each row is answered before the next",
    "htmrun predict RUN --save live": "goes on tomorrow where it stops today",
    "htmrun predict RUN --new-only": "of a file that grows, what is new",
    "htmrun predict RUN --frozen": "learns nothing",
}


def command(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run, as for compare, or a model's folder.",
                            hidden=True)
    ],
    data: Annotated[
        str, typer.Option("--data", "-d", metavar="FILE", help="CSV or lines of JSON; -: a pipe.")
    ] = "-",
    arm: Annotated[
        str | None, typer.Option("--arm", "-a", metavar="NAME", help="Whose model, of several.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", "-s", metavar="N", help="Of which seed; the first.")
    ] = None,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="Learn nothing from the rows.")
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FOLDER", help="Keep what is learned there, and go on."),
    ] = None,
    bad_rows: Annotated[
        str, typer.Option("--bad-rows", metavar="WHAT", help="stop or skip, when one is wrong.")
    ] = "stop",
    new_sequence: Annotated[
        bool, typer.Option("--new-sequence", help="The first row follows nothing learned before.")
    ] = False,
    new_only: Annotated[
        bool, typer.Option("--new-only", help="Leave out rows up to the last time learned.")
    ] = False,
    output_format: Annotated[
        str | None, typer.Option("--format", "-f", metavar="NAME", help="csv or json; as --data.")
    ] = None,
    encoding: Annotated[
        str, typer.Option("--encoding", metavar="NAME", help="Of the text.")
    ] = "utf-8",
    imported: Imported = None,
    uri: Uri = None,
    directory: Directory = "runs",
) -> int:  # fmt: skip
    from htmrun.cli.terminal import answers
    from htmrun.tracking.models import find_model

    settings = answers.Settings(
        data, not frozen, save, bad_rows, new_sequence, new_only, output_format, encoding
    )
    saved = find_model(run, arm, seed, uri, directory)
    return answers.answer(saved, settings, sys.stdout)
