"""`htmrun nab`: the Numenta Anomaly Benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from htmrun.cli.options import ConfigDir, Imported, Json, Quiet
from htmrun.errors import UserError

NAME = "nab"
HELP = "Score anomaly detection on the Numenta Anomaly Benchmark."
USAGE = {
    "htmrun nab DIR": "the benchmark's folder: data/ and labels/",
    "htmrun nab DIR 'seeds=[0,1,2]'": "several seeds, and all of them as one",
    "htmrun nab DIR 'arms=[online]'": "one regime; other fields as in train",
    "htmrun nab DIR --results OUT": "scores of all rows, as its files have them",
    "htmrun nab DIR --score-only OUT": "score such files of any detector",
}


def command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The benchmark's folder.", hidden=True)
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Choices and settings.", hidden=True),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option("--results", metavar="OUT", help="Write files as the benchmark's results/."),
    ] = None,
    score_only: Annotated[
        Path | None,
        typer.Option("--score-only", metavar="OUT", help="Learn nothing; score what OUT has."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="X", help="With --score-only: the fixed threshold; 0.5."),
    ] = None,
    config_dir: ConfigDir = None,
    imported: Imported = None,
    quiet: Quiet = False,
    json_output: Json = False,
) -> int:
    from htmrun.cli.terminal import nab

    given = list(overrides or [])
    if "=" in folder.name and not folder.exists():
        raise UserError(f"DIR: found '{folder}', expected the benchmark's folder before settings")
    if score_only is not None:
        if given or results is not None:
            raise UserError("--score-only: found with settings or --results, expected it alone")
        return nab.score_only(folder, score_only, threshold, json_output)
    if threshold is not None:
        raise UserError("--threshold: found without --score-only, expected anomaly.alarm=X instead")
    if results is not None and results.exists() and not results.is_dir():
        raise UserError(f"--results: {results} is a file, expected a folder")
    from htmrun.config.compose import is_file, load

    chosen = any(text.startswith("experiment=") or is_file(text) for text in given)
    loaded = load([*([] if chosen else ["experiment=nab"]), *given], config_dir)
    return nab.run(folder, loaded, results, quiet=quiet, json_output=json_output)
