"""`htmrun dashboard`: MLflow's interface over the runs."""

from __future__ import annotations

from typing import Annotated

import typer

from htmrun.cli.options import Directory, Uri

NAME = "dashboard"
HELP = "Show the runs in MLflow's interface, in a browser."
USAGE = {
    "htmrun dashboard": "print the links; Ctrl-C ends it",
    "htmrun dashboard --open": "open the charts of the latest run at once",
    "htmrun dashboard --host 0.0.0.0": "for other machines; asks for a password",
}


def command(
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            "-p",
            metavar="PORT",
            min=1,
            max=65535,
            help="Port to serve on; without it the first free one from 5000.",
        ),
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the charts of the latest run in a browser.")
    ] = False,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="HOST",
            help="Address to serve on, e.g. 0.0.0.0: other machines may look, with a password.",
        ),
    ] = "127.0.0.1",
    uri: Uri = None,
    directory: Directory = "runs",
) -> None:
    from htmrun.tracking.dashboard import serve

    serve(uri, directory, port, open_browser, host)
