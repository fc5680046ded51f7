"""The table of metrics: what each is called, its unit, which way is better, and what it means.

Sentences, verdicts, tables, plots, directions of a sweep, the report's glossary and the table in
docs/guides/results.md follow from it. A metric without a row has no better way: it is called
higher or lower, never better.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from htmrun.components.sources import Task

RATE = "samples_per_s"
RECENT = "recent/"
"""Names of metrics since the last curve point begin with this; final metrics are over more."""

STRETCHES = ("prequential/", "tail/", RECENT, "validation/")
"""Stretches of the samples whose metrics have the row of the name behind, unless their own."""

Better = Literal["up", "down", "none"]
Section = Literal["task", "representation", "learning", "cost"]

_PLACES = {"stage": r"[^/]+", "pooler": r"[^/]+", "memory": r"[^/]+", "layer": r"[^/]+",
           "h": r"\d+", "last": r"\d+"}  # fmt: skip


@dataclass(frozen=True)
class Metric:
    """One row. `pattern` has {stage}, {pooler}, {memory} or {layer} for the name of one.

    {h} is how far ahead is forecast, which may follow every name of the section "task"; {a,b} one
    of several words. `main`: tasks of which it is one of the few that people look at first; {last}
    then stands for the longest forecast alone.
    `curve`: worth a point each time, which costs the tracking store more than it costs to measure.
    `timed`: differs from run to run.
    """

    pattern: str
    section: Section
    better: Better
    meaning: str
    unit: str = ""
    source: str = ""
    curve: bool = False
    main: tuple[Task, ...] = ()
    timed: bool = False

    def matches(self, name: str) -> bool:
        """Return whether this is the row of the metric `name`, stretches apart."""
        return _compiled(self.pattern, self.section == "task").fullmatch(name) is not None

    @property
    def compared(self) -> bool:
        """Whether it tells of what was learned, or how fast; the rest is bookkeeping."""
        return self.section != "cost" or self.pattern == RATE


@cache
def _compiled(pattern: str, horizons: bool) -> re.Pattern[str]:
    found = ""
    for part in re.split(r"(\{[^}]*\})", pattern):
        inside = part[1:-1] if part.startswith("{") else ""
        words = "|".join(map(re.escape, inside.split(",")))
        found += _PLACES.get(inside, f"({words})") if inside else re.escape(part)
    return re.compile(found + (r"(_\d+)?" if horizons else ""))


TABLE = (
    Metric("accuracy", "task", "up", "share of right answers: on held-out samples, or, where a "
           "sequence is learned without such, over the last fifth of it", "share correct",
           curve=True, main=("classification", "sequence")),
    Metric("prequential/accuracy", "task", "up", "share of right answers while learning, each "
           "given before the sample is learned, over all training samples", "share correct",
           main=("classification", "sequence")),
    Metric("rmse_{h}", "task", "down", "root mean squared error of the forecast so many samples "
           "ahead", "the value's unit", curve=True, main=("forecast",)),
    Metric("mape", "task", "down", "sum of absolute errors over sum of absolute values; without "
           "a horizon: at the longest one", "share", "Cui et al. 2016", curve=True,
           main=("forecast",)),
    Metric("nll_{last}", "task", "down", "negative log-likelihood of what came so many samples "
           "ahead, of a value: of its bucket", "nats", curve=True, main=("forecast",)),
    Metric("nll", "task", "down", "negative log-likelihood of what came", "nats", curve=True),
    Metric("macro_f1", "task", "up", "F1, mean over classes", "share"),
    Metric("calibration_error", "task", "down", "gap between confidence and accuracy over 15 bins",
           "share", "Guo et al. 2017"),
    Metric("mae_{h}", "task", "down", "mean absolute error of the forecast so many samples ahead",
           "the value's unit"),
    Metric("nrmse_{h}", "task", "down", "RMSE over the standard deviation of the values; 1 is no "
           "better than their mean", source="Cui et al. 2016"),

    Metric("noise_score", "representation", "up", "images classified right, summed over 11 levels "
           "of pixel noise from 0 to 50 %", "images", "Ahmad, Scheinkman 2019",
           main=("classification",)),
    Metric("noise_score_area", "representation", "up", "share of right answers over the same "
           "levels", "share"),
    Metric("noise_accuracy_area", "representation", "up", "accuracy on samples of which on-bits "
           "were moved, mean over 0 to 100 % of them", "share", "Cui et al. 2017",
           main=("classification",)),
    Metric("noise_overlap_area", "representation", "up", "winners kept, mean over the same noise",
           "share", "Cui et al. 2017"),
    Metric("fault_accuracy_area", "representation", "up", "accuracy, mean over 0 to 60 % of the "
           "columns killed", "share", "Cui et al. 2017"),
    Metric("stability", "representation", "up", "winners of a fixed sample that are those of the "
           "look before", "share", "Cui et al. 2017"),
    Metric("{stage}/sparsity", "representation", "none", "mean share of columns that win, or of "
           "units that are active", "share"),
    Metric("{stage}/entropy", "representation", "up", "mean binary entropy of how often a column "
           "wins", "bits", "Cui et al. 2017", curve=True),
    Metric("{stage}/dead_{columns,units}", "representation", "down", "columns or units that were "
           "never active", "share", curve=True),
    Metric("{stage}/activity_{p05,p50,p95}", "representation", "none", "quantiles of how often "
           "columns win", "share", "Cui et al. 2017"),
    Metric("{stage}/selectivity", "representation", "none", "how much more often a column wins "
           "for its best class than for the others, held-out samples; 0 to 1",
           source="Morcos et al. 2018"),
    Metric("{layer}/probe_accuracy", "representation", "up", "accuracy of a linear classifier of "
           "a network's block", "share correct"),
    Metric("{layer}/update_cosine", "representation", "none", "cosine between what a layer would "
           "learn and the exact gradient, one window"),
    Metric("{memory}/predicted", "representation", "up", "share of the active columns that the "
           "temporal memory had predicted; 1 minus the anomaly score", "share",
           "Hawkins, Ahmad 2016", curve=True, main=("sequence",)),
    Metric("{memory}/bursting", "representation", "down", "active columns that had not been "
           "predicted", "share", curve=True),
    Metric("{memory}/specificity", "representation", "up", "predicted columns that came", "share"),

    Metric("churn", "learning", "down", "share of the predictions for 256 fixed samples that one "
           "commit flips", "share", main=("classification",)),
    Metric("churn_to_wrong", "learning", "down", "those that were right before", "share"),
    Metric("drift/{before,after}", "learning", "none", "accuracy or RMSE over the last 100 scored "
           "samples before `data.drift_at`, the first 100 after it"),
    Metric("drift/recovered", "learning", "up", "1 if it came back to 95 % of what it was, else "
           "0; the mean is the share of seeds that did"),
    Metric("recovery_samples", "learning", "down", "samples from the change in the data until 100 "
           "scored ones in a row are back at 95 % of the level before; only seeds that got there",
           "samples", main=("sequence", "forecast")),
    Metric("samples_to_target", "learning", "down", "samples until the main curve first reached "
           "`target`; left out if never", "samples"),
    Metric("{pooler}/boost_{p05,p50,p95}", "learning", "none", "quantiles of the boost factors at "
           "the end; 1 is neutral"),
    Metric("{memory}/{segments,synapses}", "learning", "none", "how many there are at the end"),
    Metric("{memory}/events_dropped", "learning", "none", "learning events whose segment was gone "
           "at the commit"),

    Metric(RATE, "cost", "up", "training samples per second of this job", "1/s", timed=True),
    Metric("train_seconds", "cost", "down", "time in which it learned", "s", timed=True),
    Metric("{samples,commits}", "cost", "none", "how many there were in this job"),
    Metric("reported_sample", "cost", "none", "the sample after which the reported state was "
           "taken, chosen by validation samples"),
    Metric("{memory}/{segments,synapses}_{created,destroyed,evicted}", "cost", "none", "how many "
           "came and went"),
    Metric("state_bytes", "cost", "down", "size of all that was learned", "bytes"),
    Metric("peak_memory_bytes", "cost", "down", "most memory of its process, data and libraries "
           "included", "bytes", timed=True),
    Metric("peak_device_memory_bytes", "cost", "down", "most memory that arrays of its process "
           "took on a card; jobs that share the card share it", "bytes", timed=True),
    Metric("latency/{infer,learn,commit}_{p50,p99}_us", "cost", "down", "time of one sample handed "
           "over alone: prediction, a sample without and one with a commit; not where models "
           "share launches on a card", "µs", timed=True),
    Metric("energy/{processor,card}_joules", "cost", "down", "from the job's beginning to its "
           "end, evaluations included; only where jobs run one after the other (`workers=1`)",
           "J", timed=True),
)  # fmt: skip


def row(name: str) -> Metric | None:
    """Return the row of the metric `name`; None for one that is not in the table."""
    found = next((m for m in TABLE if m.matches(name)), None)
    if found is None and name.startswith(STRETCHES):
        return row(name.partition("/")[2])
    return found


def better(name: str) -> Better:
    """Return whether a higher (up) or a lower value (down) of `name` is the better one."""
    found = row(name)
    return "none" if found is None else found.better


def has_curve(name: str) -> bool:
    """Return whether a metric has a learning curve."""
    found = row(name)
    return found is not None and found.curve


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


def place(name: str) -> float:
    """Return where a metric stands among those that are compared; infinity for the others.

    What people ask first stands first: how well the task is done, what the representation is like,
    how learning went, and what it costs. Others are the same over other stretches, and bookkeeping.
    """
    found = (i for i, m in enumerate(TABLE) if m.compared and m.matches(name))
    return next(found, math.inf)


def main_metrics(
    task: Task | str, horizons: Sequence[int], memories: Sequence[str]
) -> tuple[str, ...]:
    """Return the main metrics of a task, the first of which stands for it; () for another task.

    `horizons`: how far ahead is forecast; `memories`: names of the temporal memories, in order.
    """
    found: list[str] = []
    for pattern in (m.pattern for m in TABLE if task in m.main):
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
    return tuple(name for name in main_metrics(task, sorted(horizons), memories) if name in known)


def main_curve(task: Task, horizons: Sequence[int]) -> str:
    """Return the curve that stands for a task: of its first main metric, at the nearest horizon."""
    return f"{RECENT}{main_metrics(task, sorted(horizons), ())[0]}"
