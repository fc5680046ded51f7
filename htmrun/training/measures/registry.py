"""The table of metrics: what each is called, its unit, which way is better, and what it means.

Sentences, verdicts, tables, plots, directions of a sweep, the report's glossary and the table in
docs/guides/results.md follow from it. A row stands beside the measure that reports the metric. A
metric without a row has no better way: it is called higher or lower, never better.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import get_args

from htmrun.components.registry import kinds
from htmrun.components.sources import Task
from htmrun.training.measures.measure import RATE, Better, Measure, Metric, Section, find


def measures() -> tuple[type[Measure], ...]:
    """Return the kinds of measures, other people's too, in the order in which they are asked."""
    found = [kind.component for kind in kinds("measure").values()]
    return tuple(sorted(found, key=lambda kind: (kind.order, kind.__name__)))


def table() -> tuple[Metric, ...]:
    """Return the rows of all measures, section by section."""
    return _rows(measures())


@cache
def _rows(measures: tuple[type[Measure], ...]) -> tuple[Metric, ...]:
    every = [metric for kind in measures for metric in kind.metrics]
    return tuple(sorted(every, key=lambda metric: get_args(Section).index(metric.section)))


def row(name: str) -> Metric | None:
    """Return the row of the metric `name`; None for one that is not in the table."""
    return find(table(), name)


def better(name: str) -> Better:
    """Return whether a higher (up) or a lower value (down) of `name` is the better one."""
    found = row(name)
    return "none" if found is None else found.better


def timed(name: str) -> bool:
    """Return whether a metric differs from run to run."""
    found = row(name)
    return found is not None and found.timed


def label(name: str) -> str:
    """Return the name with its unit where it has one, for the axis of a plot."""
    if name == RATE:
        return "training samples per second"
    found = row(name)
    return f"{name} ({found.unit})" if found is not None and found.unit else name


def meanings(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return (metric, meaning) for those that are in the table."""
    return [(name, found.meaning) for name in names if (found := row(name)) is not None]


def remarks(figures: Mapping[str, Mapping[str, Sequence[float]]]) -> list[str]:
    """Return a line for each metric whose mean over the seeds alarms, of all arms that share it.

    figures: values of each seed by arm and metric.
    """
    found: dict[str, dict[str, float]] = {}
    for arm, metrics in figures.items():
        for name, values in metrics.items():
            known = row(name)
            if values and known is not None and known.alarm is not None:
                mean = sum(values) / len(values)
                if mean > known.alarm.limit:
                    found.setdefault(name, {})[arm] = mean
    return [*(_remark(name, arms) for name, arms in found.items()), *_scored(figures)]


def _scored(figures: Mapping[str, Mapping[str, Sequence[float]]]) -> Iterator[str]:
    """Yield, by horizon, who was scored over fewer samples than others."""
    names = dict.fromkeys(name for metrics in figures.values() for name in metrics)
    for name in names:
        if re.fullmatch(r"scored_\d+", name) is None:
            continue
        counts = {arm: round(m[name][0]) for arm, m in figures.items() if m.get(name)}
        most = max(counts.values(), default=0)
        fewer = [f"{arm} {count:,}" for arm, count in counts.items() if count < most]
        if fewer:
            said = ", ".join(fewer)
            yield f"{name} is {most:,}, but of {said}: the figures of the others are over more"


def _remark(name: str, arms: Mapping[str, float]) -> str:
    known = row(name)
    assert known is not None
    assert known.alarm is not None
    said = ", ".join(f"{mean:,.{0 if mean >= 100 else 2}f} in {arm}" for arm, mean in arms.items())
    return f"{name} is {said}: {known.alarm.text}"


def place(name: str) -> float:
    """Return where a metric stands among those that are compared; infinity for the others.

    What people ask first stands first: how well the task is done, what the representation is like,
    how learning went, and what it costs. Others are the same over other stretches, and bookkeeping.
    """
    found = (i for i, m in enumerate(table()) if m.compared and m.matches(name))
    return next(found, math.inf)


def main_metrics(
    task: Task | str, horizons: Sequence[int], memories: Sequence[str]
) -> tuple[str, ...]:
    """Return the main metrics of a task, the first of which stands for it; () for another task.

    `horizons`: how far ahead is forecast; `memories`: names of the temporal memories, in order.
    """
    found: list[str] = []
    for pattern in (m.pattern for m in table() if task in m.main):
        found += (
            [pattern.format(h=h) for h in horizons]
            if "{h}" in pattern
            else [pattern.format(last=h) for h in horizons[-1:]]
            if "{last}" in pattern
            else [pattern.format(memory=memory) for memory in memories]
            if "{memory}" in pattern
            else [pattern]
        )
    return tuple(found)


def main_among(task: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the main metrics of a task among the `names` that a run reports."""
    known = list(names)
    horizons = [int(m[1]) for name in known if (m := re.fullmatch(r"rmse_(\d+)", name))]
    memories = [m[1] for name in known if (m := re.fullmatch(r"([^/]+)/predicted", name))]
    # Of further columns the first figure is enough.
    further = sorted(n for n in known if task == "forecast" and re.fullmatch(r"rmse_\d+/.+", n))
    main = main_metrics(task, sorted(horizons), memories)
    return (*(name for name in main if name in known), *further)
