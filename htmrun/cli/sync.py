"""`htmrun sync`: deliver what waits for its store."""

from __future__ import annotations

import typer

from htmrun.cli.options import Directory, Uri

NAME = "sync"
HELP = "Send what could not be recorded when its store was away."
USAGE = {
    "htmrun sync": "all that waits in runs/outbox, each to its own store",
    "htmrun sync --uri http://HOST:5000": "to another store",
}


def command(uri: Uri = None, directory: Directory = "runs") -> int:
    from htmrun.tracking.outbox import send, waiting

    found = waiting(directory)
    if not found:
        print(f"nothing waits in {directory}/outbox")
    sent = [send(one, typer.echo, uri) for one in found]
    return 0 if all(sent) else 1
