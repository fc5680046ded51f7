"""Tables of `show` and of `train` without an experiment; they fit 80 columns."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from htmrun.config.catalogue import choices, experiments, groups

# Wide enough to read in a log, where nobody can widen the window.
WIDTH_OF_FILES = 100


def console() -> Console:
    """Return the console on stdout, as wide as the terminal or `WIDTH_OF_FILES`."""
    terminal = Console(highlight=False)
    return terminal if terminal.is_terminal else Console(highlight=False, width=WIDTH_OF_FILES)


FIRST = "digits"
"""The experiment to start with: no file, half a minute."""


def print_experiments(config_dir: Path | None) -> None:
    """Print every experiment with the first comment lines of its file."""
    table = plain_table("experiment", "what it shows")
    for entry in experiments(config_dir):
        table.add_row(Text(entry.name, style="bold"), Text(entry.summary))
    console().print(table)


def print_groups(config_dir: Path | None) -> None:
    """Print every group with its choices."""
    table = plain_table("group", "choices, e.g. sp=local")
    for group in groups(config_dir):
        if group != "experiment":
            table.add_row(Text(group, style="bold"), Text(", ".join(choices(group, config_dir))))
    print()
    console().print(table)
    print("\nhtmrun show EXPERIMENT explains every field of one.")


def how_to_start(config_dir: Path | None) -> None:
    """Print the experiments and the commands that start, try out and explain one."""
    print_experiments(config_dir)
    out = console()
    names = [e.name for e in experiments(config_dir)]
    name = FIRST if FIRST in names else next(iter(names), "NAME")
    commands = {
        f"htmrun train experiment={name}": "run it",
        f"htmrun train experiment={name} sp.columns=1024 epochs=1": "with other settings",
        f"htmrun train experiment={name} --dry-run": "show the plan, run nothing",
        f"htmrun show {name}": "explain every field",
    }
    table = Table.grid(padding=(0, 2))
    for command, what in commands.items():
        table.add_row(Text(command, style="bold"), Text(what))
    out.print(Padding(table, (1, 1)))


def plain_table(*names: str) -> Table:
    """Return a table without lines, its columns called `names`."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="italic dim")
    for name in names:
        table.add_column(name)
    return table
