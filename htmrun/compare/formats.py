"""The comparison written out: table, JSON, CSV, Markdown."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from htmrun.compare.comparison import Comparison, MetricComparison
from htmrun.compare.statistics import PairedDifference
from htmrun.console.figures import mean_and_half, number
from htmrun.console.interval import Interval
from htmrun.console.packed import Column, PackedTable

if TYPE_CHECKING:
    from rich.console import Group

_DIFFERENCE_HEADINGS = ("metric", "difference", "mean", "95 % interval", "d_z", "p", "p (Holm)")
_CSV_HEADINGS = (
    *("run", "metric", "arm", "control", "seeds", "mean", "low", "high"),
    *("reference", "difference", "difference_low", "difference_high", "d_z", "p", "p_holm"),
    "values",
)


def _arms(comparison: Comparison) -> list[str]:
    return [*comparison.arms, *comparison.controls]


def _mean_row(comparison: Comparison, metric: MetricComparison) -> list[str]:
    cells = [metric.metric]
    for arm in _arms(comparison):
        found = metric.arms.get(arm)
        cells.append("-" if found is None else mean_and_half(found, metric.metric))
    return cells


def _difference_row(metric: str, d: PairedDifference) -> list[str]:
    sign = "+" if d.mean > 0 else ""
    span = "-"
    if d.low is not None and d.high is not None:
        span = f"{number(d.low, metric)} to {number(d.high, metric)}"
    return [
        metric,
        f"{d.arm} - {d.reference}",
        sign + number(d.mean, metric),
        span,
        "-" if d.effect is None else f"{d.effect:.2f}",
        "-" if d.p is None else f"{d.p:.4f}",
        "-" if d.p_holm is None else f"{d.p_holm:.4f}",
    ]


def table(comparison: Comparison) -> Group:
    """Return rich tables: metrics by arm (controls dim, on the right), then paired differences."""
    from rich.console import Group
    from rich.text import Text

    arms = _arms(comparison)
    rows = [_mean_row(comparison, metric)[1:] for metric in comparison.metrics]
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
        parts.append(_difference_table(comparison))
    parts += [Text(note, style="dim") for note in comparison.notes]
    return Group(*parts)


def _difference_table(comparison: Comparison) -> PackedTable:
    """Return the differences, each metric's name on a line above its arms."""
    names: list[str] = []
    styles: list[str] = []
    rows: list[list[str]] = []
    tested = any(d.p is not None for m in comparison.metrics for d in m.differences)
    headings = _DIFFERENCE_HEADINGS[2:] if tested else _DIFFERENCE_HEADINGS[2:-2]
    for metric in comparison.metrics:
        if metric.differences:
            names.append(metric.metric)
            styles.append("bold")
            rows.append([""] * len(headings))
        for difference in metric.differences:
            names.append(f"  {difference.arm}")
            styles.append("")
            rows.append(_difference_row(metric.metric, difference)[2:])
    return PackedTable(
        Column("", names),
        [Column(heading, [row[i] for row in rows]) for i, heading in enumerate(headings)],
        title=f"paired differences: each arm minus {comparison.reference}",
        styles=styles,
        ruled=False,
    )


def markdown(comparison: Comparison) -> str:
    """Return the same as two Markdown tables and the notes."""
    heads = [f"{a} (control)" if a in comparison.controls else a for a in _arms(comparison)]
    lines = [f"### {comparison.run}", ""]
    lines += _markdown_table(
        ["metric", *heads], [_mean_row(comparison, m) for m in comparison.metrics], 1
    )
    rows = [_difference_row(m.metric, d) for m in comparison.metrics for d in m.differences]
    if rows:
        lines += ["", *_markdown_table(list(_DIFFERENCE_HEADINGS), rows, 2)]
    lines += ["", *(f"- {note}" for note in comparison.notes)]
    return "\n".join(lines) + "\n"


def _markdown_table(headings: list[str], rows: list[list[str]], texts: int) -> list[str]:
    rules = ["---" if place < texts else "---:" for place in range(len(headings))]
    return ["| " + " | ".join(cells) + " |" for cells in [headings, rules, *rows]]


def to_json(comparison: Comparison) -> str:
    """Return the whole comparison as one JSON object; what is not a finite number is null."""
    plain = asdict(comparison)
    plain["metrics"] = {
        metric.metric: {
            "arms": {arm: asdict(interval) for arm, interval in metric.arms.items()},
            "differences": [asdict(d) for d in metric.differences],
        }
        for metric in comparison.metrics
    }
    return json.dumps(_finite(plain), indent=2)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def to_csv(comparison: Comparison) -> str:
    """Return one line for each metric and arm: its mean, and its difference to the reference."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV_HEADINGS)
    for metric in comparison.metrics:
        found = {d.arm: d for d in metric.differences}
        for arm, interval in metric.arms.items():
            control = str(arm in comparison.controls).lower()
            row = [comparison.run, metric.metric, arm, control]
            writer.writerow(
                [
                    *row,
                    *_csv_mean(interval),
                    *_csv_difference(found.get(arm)),
                    " ".join(map(repr, interval.values)),
                ]
            )
    return out.getvalue()


def _csv_mean(interval: Interval) -> list[Any]:
    return [len(interval.values), interval.mean, interval.low, interval.high]


def _csv_difference(d: PairedDifference | None) -> list[Any]:
    return [""] * 7 if d is None else [d.reference, d.mean, d.low, d.high, d.effect, d.p, d.p_holm]
