"""`htmrun show`: what exists, and every field of one experiment."""

from __future__ import annotations

from typing import Annotated

import typer

from htmrun.cli.options import ConfigDir, Imported

NAME = "show"
HELP = "List what exists, or explain every field of one experiment."
USAGE = {
    "htmrun show": "experiments, and the choices in every group",
    "htmrun show digits": "every field of one: value, limits, meaning",
}


def complete(incomplete: str) -> list[str]:
    """Return the experiments whose names begin with `incomplete`."""
    from htmrun.config.catalogue import choices

    return [name for name in choices("experiment", None) if name.startswith(incomplete)]


def command(
    experiment: Annotated[
        str | None,
        typer.Argument(
            metavar="EXPERIMENT", help="An experiment's name.", hidden=True, autocompletion=complete
        ),
    ] = None,
    config_dir: ConfigDir = None,
    imported: Imported = None,
) -> None:
    from htmrun.cli import listing

    if experiment is None:
        listing.print_experiments(config_dir)
        listing.print_groups(config_dir)
        return
    from htmrun.cli.terminal.experiment import print_fields
    from htmrun.config.compose import load

    name = experiment.removeprefix("experiment=")
    print_fields(load([f"experiment={name}"], config_dir, look=False).experiment)
