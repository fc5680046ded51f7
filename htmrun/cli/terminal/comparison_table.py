"""The comparison on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from htmrun.cli.terminal.packed import Column, PackedTable
from htmrun.compare import tables
from htmrun.compare.comparison import Comparison
from htmrun.compare.sentences import answers
from htmrun.compare.tables import Words

if TYPE_CHECKING:
    from rich.console import Group


def shown(comparison: Comparison) -> Group:
    """Return the answer, then metrics by arm (controls dim, on the right), differences, streams."""
    from rich.console import Group
    from rich.text import Text

    arms = (*comparison.arms, *comparison.controls)
    rows = [tables.mean_row(metric, arms)[1:] for metric in comparison.metrics]
    means = PackedTable(
        Column("metric", [m.metric for m in comparison.metrics]),
        [
            Column(
                f"{arm}\n(control)" if arm in comparison.controls else arm,
                [row[place] for row in rows],
                "dim" if arm in comparison.controls else "",
            )
            for place, arm in enumerate(arms)
        ],
        title=f"{comparison.run}: means",
    )
    parts: list[Any] = [means]
    if any(metric.differences for metric in comparison.metrics):
        parts.append(_differences(comparison))
    if comparison.streams:
        parts.append(_plain(tables.streams(comparison.streams)))
    said = [Text(line) for line in answers(comparison, 1)]
    return Group(*said, *parts, *_notes(comparison.notes))


def words(title: str, found: Sequence[Words], notes: Sequence[str]) -> Group:
    """Return any tables, and the notes below."""
    from rich.console import Group
    from rich.text import Text

    return Group(Text(title, style="bold"), *map(_plain, found), *_notes(notes))


def _notes(notes: Sequence[str]) -> list[Any]:
    from rich.text import Text

    return [Text(note, style="dim") for note in notes]


def _plain(table: Words) -> PackedTable:
    names = [" ".join(row[: table.texts]) for row in table.rows]
    columns = [
        Column(heading, [row[table.texts + place] for row in table.rows])
        for place, heading in enumerate(table.headings[table.texts :])
    ]
    return PackedTable(Column("", names), columns, title=table.title, ruled=False)


def _differences(comparison: Comparison) -> PackedTable:
    """Return the differences, each metric's name on a line above its arms."""
    names: list[str] = []
    styles: list[str] = []
    rows: list[tuple[str, ...]] = []
    tested = any(d.p is not None for m in comparison.metrics for d in m.differences)
    headings = tables.differences(comparison).headings[2:]
    headings = headings if tested else headings[:-2]
    for metric in comparison.metrics:
        if metric.differences:
            names.append(metric.metric)
            styles.append("bold")
            rows.append(("",) * len(headings))
        for difference in metric.differences:
            names.append(f"  {difference.arm}")
            styles.append("")
            rows.append(tables.difference_row(metric.metric, difference)[2:])
    return PackedTable(
        Column("", names),
        [Column(heading, [row[i] for row in rows]) for i, heading in enumerate(headings)],
        title=f"paired differences: each arm minus {comparison.reference}",
        styles=styles,
        ruled=False,
    )
