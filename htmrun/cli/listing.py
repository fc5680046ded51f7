"""Tables of `show`, of `train` without an experiment and of `--dry-run`; they fit 80 columns."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from htmrun.config.catalogue import choices, experiments, groups

if TYPE_CHECKING:
    from htmrun.config.schema import Experiment
    from htmrun.execution.dry_run import DryRun

# Wide enough to read in a log, where nobody can widen the window.
WIDTH_OF_FILES = 100
LIST_TAG = "tag:yaml.org,2002:seq"


def console() -> Console:
    """Return the console on stdout, as wide as the terminal or `WIDTH_OF_FILES`."""
    terminal = Console(highlight=False)
    return terminal if terminal.is_terminal else Console(highlight=False, width=WIDTH_OF_FILES)


FIRST = "digits"
"""The experiment to start with: no file, half a minute."""


def print_experiments(config_dir: Path | None) -> None:
    """Print every experiment with the first comment lines of its file."""
    table = _table("experiment", "what it shows")
    for entry in experiments(config_dir):
        table.add_row(Text(entry.name, style="bold"), Text(entry.summary))
    console().print(table)


def print_groups(config_dir: Path | None) -> None:
    """Print every group with its choices."""
    table = _table("group", "choices, e.g. sp=local")
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


def print_fields(experiment: Experiment) -> None:
    """Print every field of `experiment`; values that are not the default are bold."""
    from htmrun.config.explain import sections

    out = console()
    for section in sections(experiment):
        out.print(Text.assemble((section.title, "bold"), "  ", section.text))
        table = _table("field", "value", "meaning, and what is allowed")
        # Paths are there to be copied: they stay on one line, and the rest gets what they leave.
        table.columns[0].no_wrap = True
        table.columns[1].max_width = 18
        table.columns[1].overflow = "fold"
        for row in section.rows:
            value = Text(row.value, style="bold" if row.changed else "")
            meaning = Text.assemble(row.description, " ", (f"({row.allowed})", "dim"))
            table.add_row(Text(row.path), value, meaning)
        out.print(Padding(table, (0, 0, 1, 1)))
    print("Any of them can be set: htmrun train experiment=NAME FIELD=VALUE")


def print_yaml(resolved: Mapping[str, Any]) -> None:
    """Print the resolved configuration as YAML, coloured on a terminal."""
    text = _yaml(resolved)
    if sys.stdout.isatty():
        from rich.syntax import Syntax

        console().print(Syntax(text, "yaml", background_color="default", word_wrap=True))
    else:
        print(text, end="")


def _yaml(resolved: Mapping[str, Any]) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Lists stay on one line, as in the files under conf/."""

    Dumper.add_representer(
        list, lambda dumper, items: dumper.represent_sequence(LIST_TAG, items, flow_style=True)
    )
    return yaml.dump(dict(resolved), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=96)


def print_plan(plan: DryRun) -> None:
    """Print arms x seeds with samples and commits, and the memory that all at once would take."""
    from htmrun.execution.placement import size

    table = _table("arm", "regime", "seeds", "samples", "commits", "state")
    for column in table.columns[2:]:
        column.justify = "right"
    for row in plan.rows:
        table.add_row(
            Text(str(row["arm"]), style="dim" if row.get("control") else "bold"),
            Text(str(row.get("regime", ""))),
            str(row["seeds"]),
            _count(row["samples"]),
            _count(row["commits"]),
            size(int(str(row["bytes"]))),
        )
    print()
    console().print(table)
    run = plan.run
    arms, seeds = _plural(len(plan.rows), "arm"), _plural(len(run.experiment.seeds), "seed")
    runs = f" {_plural(len(run.jobs), 'run')} ({arms} x {seeds})"
    if plan.note:
        print(f" {plan.note}")
    if plan.at_once is None:
        print(f"{runs}. Nothing was run.")
        return
    takes = f"about {size(plan.bytes)} of state before segments grow"
    if plan.on_card:
        takes = f"about {size(plan.bytes)} of its memory"
    threads = run.builder.threads
    each = f" with {threads} threads each" if threads > 1 else ""
    at = f" on {run.where.device}" if plan.on_card else each
    print(f"{runs}, {plan.at_once} at a time{at}: {takes}. Nothing was run.")


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _count(number: Any) -> str:
    return f"{number:,}"


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="italic dim")
    for name in names:
        table.add_column(name)
    return table
