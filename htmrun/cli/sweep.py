"""`htmrun sweep`: search an experiment's settings."""

from __future__ import annotations

from typing import Annotated

import typer

from htmrun.cli.options import ConfigDir, Imported, Json, On, Quiet

NAME = "sweep"
HELP = "Search an experiment's settings; choose on validation, never on test."
USAGE = {
    "experiment=NAME sweep=NAME": "a prepared search: pooler, cost",
    "FIELD=interval(0,3)": "numbers between; also log, integer, log_integer",
    "FIELD=choice(a,b)": "one of these",
    "FIELD=VALUE": "the same for all trials",
    "sweep.FIELD=VALUE": "how: sweep.sampler=random 'sweep.seeds=[0,1]'",
}


def complete(incomplete: str) -> list[str]:
    """Return the choices that a half-typed override can become, e.g. `sweep=pooler`."""
    from htmrun.cli.train import complete as groups

    return groups(incomplete)


def command(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Choices, settings and what is searched.",
            hidden=True,
            autocompletion=complete,
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", "-n", metavar="N", help="sweep.trials: trials in all.")
    ] = None,
    on: On = "local",
    config_dir: ConfigDir = None,
    imported: Imported = None,
    quiet: Quiet = False,
    json_output: Json = False,
) -> int:
    from htmrun.config.sweep import load_sweep
    from htmrun.execution.ray_connection import checked

    on = checked(on)
    arguments = list(overrides or [])
    if trials is not None:
        arguments.append(f"sweep.trials={trials}")
    sweep = load_sweep(arguments, config_dir)
    from htmrun.sweep.session import run_sweep

    return run_sweep(sweep, on=on, quiet=quiet, json_output=json_output)
