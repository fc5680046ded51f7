"""Tables written out: Markdown, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from htmrun.compare.comparison import Comparison
from htmrun.compare.interval import Interval
from htmrun.compare.overranks import OverRanks
from htmrun.compare.statistics import PairedDifference
from htmrun.compare.tables import Words
from htmrun.compare.verdict import turned_round

_CSV_HEADINGS = (
    *("run", "metric", "arm", "control", "seeds", "mean", "low", "high"),
    *("reference", "difference", "difference_low", "difference_high", "d_z", "p", "p_holm"),
    *("low_holm", "high_holm"),
    "values",
)


def markdown(title: str, tables: Sequence[Words], notes: Sequence[str]) -> str:
    """Return Markdown tables below a heading, then the notes as a list."""
    lines = [f"### {title}"]
    for place, table in enumerate(tables):
        rules = ["---" if i < table.texts else "---:" for i in range(len(table.headings))]
        lines += ["", *([f"**{table.title}**", ""] if place else [])]
        cells = [table.headings, rules, *table.rows]
        lines += ["| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in cells]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)]) + "\n"


def to_json(found: Comparison | OverRanks) -> str:
    """Return a comparison or a ranking as one JSON object; what is not a finite number is null."""
    plain = asdict(found)
    if isinstance(found, Comparison):
        plain["metrics"] = {
            metric.metric: {
                "arms": {arm: asdict(interval) for arm, interval in metric.arms.items()},
                "differences": [asdict(d) for d in metric.differences],
                "friedman": None if metric.friedman is None else asdict(metric.friedman),
            }
            for metric in found.metrics
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


def to_csv(found: Comparison | OverRanks) -> str:
    """Return one line for each metric (or data set) and arm: its mean, and how it compares."""
    return _csv(_of_arms(found) if isinstance(found, Comparison) else _of_ranks(found))


def _of_arms(comparison: Comparison) -> list[Sequence[Any]]:
    rows: list[Sequence[Any]] = [_CSV_HEADINGS]
    for metric in comparison.metrics:
        found = {d.arm: d for d in metric.differences}
        if comparison.verdict is not None and comparison.verdict.metric == metric.metric:
            found |= {d.reference: turned_round(d) for d in comparison.verdict.controls}
        for arm, interval in metric.arms.items():
            control = str(arm in comparison.controls).lower()
            rows.append(
                [
                    *(comparison.run, metric.metric, arm, control),
                    *_csv_mean(interval),
                    *_csv_difference(found.get(arm)),
                    " ".join(map(repr, interval.values)),
                ]
            )
    return rows


def _of_ranks(found: OverRanks) -> list[Sequence[Any]]:
    rows: list[Sequence[Any]] = [("run", "experiment", "metric", "arm", "mean", "mean_rank")]
    for one in found.sets:
        for arm, rank in zip(found.ranking.arms, found.ranking.ranks, strict=True):
            rows.append((one.run, one.experiment, one.metric, arm, one.means[arm], rank))
    return rows


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _csv_mean(interval: Interval) -> list[Any]:
    return [len(interval.values), interval.mean, interval.low, interval.high]


def _csv_difference(d: PairedDifference | None) -> list[Any]:
    return [""] * 9 if d is None else [
        d.reference, d.mean, d.low, d.high, d.effect, d.p, d.p_holm, d.low_holm, d.high_holm
    ]  # fmt: skip
