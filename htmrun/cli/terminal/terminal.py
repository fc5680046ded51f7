"""The consoles that everything for people is printed on."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console

# Off a terminal a table is as wide as it needs to be: nobody can widen a log file.
_WIDTH_OF_FILES = 200


def console_for(stream: TextIO) -> Console:
    """Return a console on `stream`: as wide as the terminal, or 200 characters for a file."""
    console = Console(file=stream, highlight=False)
    return (
        console
        if console.is_terminal
        else Console(file=stream, highlight=False, width=_WIDTH_OF_FILES)
    )
