"""One experiment on a terminal: its fields, its YAML, its plan; tables fit 80 columns."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from htmrun.cli.listing import console, plain_table
from htmrun.components.memory import available, size
from htmrun.config.explain import sections
from htmrun.config.schema import Experiment

if TYPE_CHECKING:
    from htmrun.execution.dry_run import DryRun

_LIST_TAG = "tag:yaml.org,2002:seq"


def print_fields(experiment: Experiment) -> None:
    """Print every field of `experiment`; values that are not the default are bold."""
    out = console()
    for section in sections(experiment):
        out.print(Text.assemble((section.title, "bold"), "  ", section.text))
        table = plain_table("field", "value", "meaning, and what is allowed")
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
        console().print(Syntax(text, "yaml", background_color="default", word_wrap=True))
    else:
        print(text, end="")


def _yaml(resolved: Mapping[str, Any]) -> str:
    class Dumper(yaml.SafeDumper):
        """Lists stay on one line, as in the files under conf/."""

    Dumper.add_representer(
        list, lambda dumper, items: dumper.represent_sequence(_LIST_TAG, items, flow_style=True)
    )
    return yaml.dump(dict(resolved), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=96)


def print_plan(plan: DryRun) -> None:
    """Print arms x seeds with samples and commits, and the memory that all at once would take."""
    table = plain_table("arm", "regime", "seeds", "samples", "commits", "state")
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
    for note in plan.notes:
        print(f" note: {note}")
    if plan.at_once is None:
        print(f"{runs}. Nothing was run.")
        return
    takes = f"at most {size(plan.bytes)} of state, {size(available())} are free"
    if plan.on_card:
        takes = f"about {size(plan.bytes)} of its memory"
    threads = run.builder.threads
    each = f" with {threads} threads each" if threads > 1 else ""
    at = f" on {run.where.device}" if plan.on_card else each
    print(f"{runs}, {plan.at_once} at a time{at}: {takes}. Nothing was run.")


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _count(number: Any) -> str:
    return "each episode" if number is None else f"{number:,}"
