"""Tables for docs/guides/results.md: `python -m tests.helpers.metrics_page` writes them."""

from __future__ import annotations

import re
from pathlib import Path

from htmrun.training.measures.measure import Metric
from htmrun.training.measures.registry import table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "results.md"
BEGIN = "<!-- metrics: written by `python -m tests.helpers.metrics_page` -->\n"
END = "<!-- metrics: end -->\n"
TITLES = {
    "task": "The task",
    "representation": "The representation",
    "learning": "Learning",
    "cost": "Cost and bookkeeping (with `--all` only, but for `samples_per_s`)",
}
SHOWN = {"stage": "NAME", "pooler": "sp", "memory": "tm", "layer": "network.LAYER",
         "column": "COLUMN", "copy": "COPY", "h": "H", "last": "H"}  # fmt: skip
WAYS = {"up": "high", "down": "low", "none": ""}


def page(text: str) -> str:
    """Return the page `text` with the tables as they should be."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{tables()}\n{END}{rest.split(END)[1]}"


def tables() -> str:
    """Return one table for each section."""
    return "\n".join(
        f"**{title}**\n\n| metric | meaning | unit, better | source |\n| --- | --- | --- | --- |\n"
        + "".join(_line(metric) for metric in table() if metric.section == section)
        for section, title in TITLES.items()
    )


def _line(metric: Metric) -> str:
    name = re.sub(r"\{(\w+)\}", lambda m: SHOWN[m[1]], metric.pattern)
    way = ", ".join(filter(None, (metric.unit, WAYS[metric.better])))
    return f"| `{name}` | {metric.meaning} | {way} | {metric.source} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
