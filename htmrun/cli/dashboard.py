"""`htmrun dashboard`: MLflow's interface over the runs."""

from __future__ import annotations

from typing import Annotated

import typer

from htmrun.cli.options import Directory, Uri

NAME = "dashboard"
HELP = "Serve MLflow's interface over the runs and print links to the latest."


def command(
    port: Annotated[
        int | None, typer.Option("--port", "-p", min=1, max=65535, help="Without it the next free.")
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = False,
    uri: Uri = None,
    directory: Directory = "runs",
) -> None:
    from htmrun.tracking.dashboard import serve

    serve(uri, directory, port, open_browser)
