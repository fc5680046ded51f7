"""What a finished run comes to: the table with arms side by side, and the same as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.text import Text

from htmrun.cli.terminal.packed import Column, PackedTable
from htmrun.compare.interval import INTERVAL_NOTE, Interval, mean_interval, seeds_note
from htmrun.compare.numbers import mean_and_half
from htmrun.compare.outcome import answer_of
from htmrun.training.measures.measure import RATE
from htmrun.training.measures.registry import better
from htmrun.training.records import Finished

Results = Mapping[str, Sequence[Finished]]


def intervals(results: Results, metric: str) -> dict[str, Interval]:
    """Return each arm's mean and interval of `metric`; arms that do not report it are left out."""
    found = {}
    for arm, finished in results.items():
        ordered = sorted(finished, key=lambda record: record.job.seed)
        values = [r.metrics[metric] for r in ordered if metric in r.metrics]
        if values:
            found[arm] = mean_interval(values)
    return found


def final_table(results: Results, main_metrics: Sequence[str]) -> Group:
    """Return the final table: one row per arm, controls below a rule, then what it means.

    `main_metrics` are the columns, samples per second follows. The best arm's mean is marked
    as the highest (or lowest) and nothing more.
    """
    metrics = [m for m in main_metrics if m != RATE]
    columns = {metric: intervals(results, metric) for metric in [*metrics, RATE]}
    arms = [arm for arm, finished in results.items() if finished and not finished[0].job.control]
    controls = [arm for arm, finished in results.items() if finished and finished[0].job.control]
    best = {metric: _best(columns[metric], arms, metric) for metric in metrics}
    rows = [*arms, *controls]
    table = PackedTable(
        Column("arm", rows),
        [
            Column(
                "samples/s" if metric == RATE else metric,
                [_cell(found.get(arm), metric, arm in best.get(metric, ())) for arm in rows],
            )
            for metric, found in columns.items()
        ],
        rules=[len(arms) - 1] if arms and controls else [],
        styles=["dim" if arm in controls else "" for arm in rows],
        bold=frozenset(
            (row, place)
            for place, metric in enumerate(metrics)
            for row, arm in enumerate(rows)
            if arm in best[metric]
        ),
    )
    notes = [Text(line, style="dim") for line in _notes(results, metrics, best, bool(controls))]
    said = [Text(line, style="bold") for line in answer_of(results, main_metrics)]
    return Group(*said, table, *notes)


def _best(column: Mapping[str, Interval], arms: Sequence[str], metric: str) -> frozenset[str]:
    """Return the arms with the best mean, none where all are equal or no way is better."""
    means = {arm: column[arm].mean for arm in arms if arm in column}
    means = {arm: mean for arm, mean in means.items() if not math.isnan(mean)}
    if len(set(means.values())) < 2 or better(metric) == "none":
        return frozenset()
    best = (min if better(metric) == "down" else max)(means.values())
    return frozenset(arm for arm, mean in means.items() if mean == best)


def _cell(interval: Interval | None, metric: str, best: bool) -> str:
    if interval is None:
        return "-  "
    return f"{mean_and_half(interval, metric)} {'*' if best else ' '}"


def _notes(
    results: Results, metrics: Sequence[str], best: Mapping[str, frozenset[str]], controls: bool
) -> list[str]:
    counts = {len(finished) for finished in results.values() if finished}
    if not counts:
        return ["no arm finished"]
    seeds, most = min(counts), max(counts)
    notes = []
    marked = [m for m in metrics if best[m]]
    if marked:
        kinds = dict.fromkeys("lowest" if better(m) == "down" else "highest" for m in marked)
        notes.append(f"* {' or '.join(kinds)} mean of the arms, no more than that")
    if most > 1:
        each = f"{most}" if seeds == most else f"{seeds} to {most}"
        notes.append(f"{INTERVAL_NOTE} ({each} seeds)")
    if note := seeds_note(seeds):
        notes.append(note)
    if controls:
        notes.append("below the rule: controls, which show what the figures would be without it")
    return notes


def json_summary(
    run_id: str, status: str, results: Results, joules: Mapping[str, float | None],
    notes: Sequence[str] = (), main_metrics: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """Return the run as a dict of JSON types, beginning with "run", "status" and "answer".

    "energy" is ``{"processor_joules", "card_joules"}`` of the whole run, None where `joules` has
    none; "notes" is what was said beside the figures; "arms" is
    ``{arm: {metric: {mean, low, high, values}}}``. Values are in the order of the
    seeds; low and high are None for a single seed, and what is not a finite number is None.
    `state_hash` has values only.
    """
    arms: dict[str, Any] = {}
    for arm, finished in results.items():
        ordered = sorted(finished, key=lambda record: record.job.seed)
        names = dict.fromkeys(name for record in ordered for name in record.metrics)
        arms[arm] = {name: _plain(intervals({arm: ordered}, name)[arm]) for name in names}
        arms[arm]["state_hash"] = {"values": [record.state_hash for record in ordered]}
    used = {f"{name}_joules": joules.get(name) for name in ("processor", "card")}
    said = list(answer_of(results, main_metrics))
    head = {"run": run_id, "status": status, "answer": said}
    return head | {"energy": used, "notes": [*notes], "arms": arms}


def _plain(interval: Interval) -> dict[str, Any]:
    return {
        "mean": _finite(interval.mean),
        "low": _finite(interval.low),
        "high": _finite(interval.high),
        "values": [_finite(value) for value in interval.values],
    }


def _finite(value: float | None) -> float | None:
    """Return None for nan and infinity: JSON has no such numbers."""
    return value if value is not None and math.isfinite(value) else None
