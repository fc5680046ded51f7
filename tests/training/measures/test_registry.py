"""The table of metrics: every job's are in it, and verdicts, ranks and marks follow from it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from htmrun.backends.plan import Plan
from htmrun.backends.tm_contract import COUNTERS
from htmrun.cli.terminal.summary import _best
from htmrun.compare.interval import mean_interval
from htmrun.compare.sentences import phrase, way
from htmrun.compare.statistics import paired_difference, with_holm
from htmrun.components import registry as components
from htmrun.components.pipeline import Outcome
from htmrun.components.registry import register
from htmrun.components.sources import Chunk, open_source
from htmrun.config.compose import load
from htmrun.execution.energy import Meter
from htmrun.execution.jobs import Builder
from htmrun.training.measures import registry
from htmrun.training.measures.measure import RATE, Due, Found, Measure, Metric, Metrics, Run
from htmrun.training.measures.prequential import has_curve
from htmrun.training.records import Finished, Job, Progress
from tests.helpers.experiments import DIGITS, SEQUENCES, stream, write_series
from tests.helpers.metrics_page import PAGE, page

SMALL = ("seeds=[3]", "epochs=1", "curve_points=3", "evaluate_every=700")
LITTLE = ("sparse.layers.conv1.channels=2", "sparse.layers.conv2.channels=2")
JOBS = {
    "pooler": ("online", (*DIGITS, *SMALL, "noise_images=20", "target=0.1")),
    "no pooler": ("no_sp", (*DIGITS, *SMALL, "control=[no_sp]")),
    "best epoch": ("online", (*DIGITS, *SMALL, "data.held_out=best_epoch")),
    "drift": ("minibatch_50", (*SEQUENCES, "data.steps=2000", "data.drift_at=1000",
                               "experiment=drift", "classifier.horizons=[1,3]")),
    "network": ("sparse", ("experiment=sparse_digits", *SMALL, "noise_images=2", *LITTLE)),
    "pooler in a network": ("heard", ("experiment=reward_digits", "heard.layers.sp.columns=32",
                                      *SMALL, "noise_images=2")),
    "local credit": ("local", ("experiment=credit_digits", *SMALL, "noise_images=2")),
    "forecast": ("online", ()),
    "persistence": ("persistence", ()),
}  # fmt: skip


def reported(kind: str, folder: Path) -> set[str]:
    """Return the names of all metrics that a small job reports, on its way and at its end."""
    arm, overrides = JOBS[kind]
    if not overrides:
        values = [round(float(v), 3) for v in 10 + 5 * np.sin(np.arange(300) / 5)]
        overrides = tuple(stream(write_series(folder / "load.csv", values), "data.drift_at=150"))
    experiment = load([*overrides]).experiment
    builder = Builder(experiment, open_source(experiment.data))
    job = Job(arm, 3, control=arm in experiment.control)
    records = [*builder.work(job)(lambda: False)]
    assert isinstance(records[-1], Finished)
    found = set(records[-1].metrics)
    return found.union(*(r.metrics for r in records if isinstance(r, Progress)))


@pytest.mark.parametrize("kind", JOBS)
def test_every_metric_of_a_job_has_a_row(kind: str, tmp_path: Path) -> None:
    names = reported(kind, tmp_path)
    assert RATE in names
    assert [name for name in sorted(names) if registry.row(name) is None] == []


@pytest.mark.parametrize("kind", ["forecast", "drift"])
def test_no_metric_of_the_task_has_two_names(kind: str, tmp_path: Path) -> None:
    """With horizons 1 and 5, or 1 and 3, a figure once stood under two names."""
    names = reported(kind, tmp_path)
    task = {name for name in names if (row := registry.row(name)) and row.section == "task"}
    ahead = {name for name in task if name[-1].isdigit()}
    assert ahead
    if kind == "forecast":
        assert not [name for name in task - ahead if f"{name}_5" in ahead]
    else:
        assert not [name for name in ahead if name.endswith("_1")]
        assert {"accuracy", "accuracy_3"} <= names


def test_what_this_machine_may_not_report_has_a_row_as_well() -> None:
    others = ["peak_memory_bytes", "peak_device_memory_bytes"]
    others += [f"energy/{name}_joules" for name in Meter(None, True).joules()]
    others += [f"tm/{name}" for name in ("segments", "synapses", *COUNTERS)]
    assert [name for name in others if registry.row(name) is None] == []


WRONG_ONCE = {
    "latency/infer_p50_us": "down",
    "tm/bursting": "down",
    "recent/tm/bursting": "down",
    "sp/dead_columns": "down",
    "peak_memory_bytes": "down",
    "calibration_error_3": "down",
    "sp/sparsity": "none",
    "reward": "none",
    "accuracy": "up",
    "nrmse_5": "down",
    "tail/rmse_5": "down",
    "samples_per_s": "up",
}


@pytest.mark.parametrize(("metric", "up"), WRONG_ONCE.items())
def test_a_verdict_has_the_metrics_direction(metric: str, up: str) -> None:
    higher = {seed: 2.0 + seed / 100 for seed in range(10)}
    lower = {seed: 1.0 + seed / 99 for seed in range(10)}
    for ours, theirs, said in ((higher, lower, "higher"), (lower, higher, "lower")):
        one = paired_difference("batch", "online", ours, theirs)
        (difference,) = with_holm([one])
        good = (said == "higher") == (up == "up")
        verdict = said if up == "none" else "better" if good else "worse"
        assert way(metric, difference) == verdict
        assert f" {said}, p " in phrase(metric, difference)


def test_the_best_mean_is_marked_where_one_way_is_better() -> None:
    column = {arm: mean_interval([value]) for arm, value in (("a", 1.0), ("b", 2.0))}
    marked = {m: _best(column, ["a", "b"], m) for m in ("accuracy", "tm/bursting", "sp/sparsity")}
    assert marked == {"accuracy": {"b"}, "tm/bursting": {"a"}, "sp/sparsity": frozenset()}


class Steps(Measure):
    """A measure of somebody's own, with a state and all hooks."""

    metrics: ClassVar = (Metric("steps/{taken,looks}", "cost", "down", "how often it was asked"),)

    def begin(self, run: Run) -> None:
        self.taken = self.looks = 0

    def chunk(self, run: Run, chunk: Chunk, plan: Plan, outcome: Outcome) -> None:
        self.taken += len(chunk)

    def look(self, run: Run, due: Due) -> Metrics:
        self.looks += 1
        return {"steps/looks": float(self.looks)}

    def finish(self, run: Run) -> Found:
        return Found({"steps/taken": float(self.taken)}, {"steps": np.arange(3)})


def test_a_measure_of_ones_own_is_asked_and_has_its_rows() -> None:
    before = registry.measures()
    register("measure")(Steps)
    try:
        assert registry.better("steps/taken") == "down"
        experiment = load([*DIGITS, *SMALL]).experiment
        *points, last = Builder(experiment, open_source(experiment.data)).work(Job("online", 3))(
            lambda: False
        )
        assert isinstance(last, Finished)
        assert last.metrics["steps/taken"] == last.metrics["samples"]
        assert list(last.series["steps"]) == [0, 1, 2]
        looks = [p.metrics["steps/looks"] for p in points if isinstance(p, Progress)]
        assert looks == [*range(1, len(looks) + 1)]
        assert len(looks) > 3
    finally:
        del components._kinds["measure"]["Steps"]
    assert registry.measures() == before
    assert registry.better("steps/taken") == "none"


def test_each_row_is_matched_by_names_of_its_own() -> None:
    """No row hides another: a name made from a pattern leads back to it."""
    for metric in registry.table():
        name = metric.pattern
        for place in ("stage", "pooler", "memory", "layer"):
            name = name.replace(f"{{{place}}}", "one")
        for number in ("h", "last", "copy"):
            name = name.replace(f"{{{number}}}", "7")
        while "{" in name:
            before, _, rest = name.partition("{")
            name = before + rest.partition("}")[0].split(",")[-1] + rest.partition("}")[2]
        assert registry.row(name) is metric, name


def test_only_stretches_and_horizons_are_looked_through() -> None:
    assert registry.row("prequential/accuracy") is not registry.row("accuracy")
    assert registry.row("tail/accuracy") is registry.row("accuracy_12")
    for unknown in ("mine/accuracy", "accuracy_", "samples_7", "recent/", "x/y/sparsity"):
        assert registry.row(unknown) is None


def test_curves_and_times() -> None:
    curves = ("accuracy", "nll_5", "mape_1", "sp/entropy", "net.conv1/entropy", "tm/predicted")
    assert [name for name in (*curves, "macro_f1", "sp/sparsity", "mine") if
            has_curve(name)] == [*curves]  # fmt: skip
    timed = ("samples_per_s", "train_seconds", "latency/commit_p99_us", "energy/card_joules")
    assert [n for n in (*timed, "samples", "commits", "mine") if registry.timed(n)] == [*timed]


def test_the_page_about_results_shows_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run: python -m tests.helpers.metrics_page"
