"""Which figures `htmrun compare` shows, on the names that the trainer really reports."""

from __future__ import annotations

import pytest

from htmrun.compare.selection import select
from htmrun.training.measures.registry import main_among, main_metrics

FORECAST = [
    "prequential/rmse_1",
    "prequential/mape_5",
    "rmse_1",
    "mae_1",
    "nll_1",
    "mape_5",
    "rmse_5",
    "nll_5",
    "tail/rmse_1",
    "sp/sparsity",
    "tm/predicted",
    "tm/bursting",
    "sp/boost_p05",
    "tm/segments",
    "tm/segments_created",
    "samples_per_s",
    "train_seconds",
    "samples",
    "commits",
    "state_bytes",
    "latency/commit_p99_us",
]
SEQUENCE = [
    "prequential/accuracy",
    "prequential/nll",
    "accuracy",
    "nll",
    "tm2/predicted",
    "tm/predicted",
    "samples",
]


def test_the_main_figures_and_the_rate_are_shown() -> None:
    assert select(FORECAST, "forecast") == ["rmse_1", "rmse_5", "mape_5", "nll_5", "samples_per_s"]
    assert select(SEQUENCE, "sequence") == [
        *("accuracy", "prequential/accuracy", "tm2/predicted", "tm/predicted"),
    ]


def test_everything_goes_on_with_task_representation_learning_and_cost() -> None:
    assert select(FORECAST, "forecast", everything=True)[:13] == [
        *("rmse_1", "rmse_5", "mape_5", "nll_5", "nll_1", "mae_1"),
        *("sp/sparsity", "tm/predicted", "tm/bursting", "sp/boost_p05", "tm/segments"),
        *("samples_per_s", "prequential/rmse_1"),
    ]


@pytest.mark.parametrize("metrics", [FORECAST, SEQUENCE])
def test_everything_loses_nothing_and_begins_alike(metrics: list[str]) -> None:
    task = "forecast" if metrics is FORECAST else "sequence"
    everything, usual = select(metrics, task, everything=True), select(metrics, task)
    assert sorted(everything) == sorted(metrics)
    main = [name for name in usual if name != "samples_per_s"]
    assert everything[: len(main)] == main


def test_figures_of_an_unknown_kind_are_shown_if_there_are_no_others() -> None:
    assert select(["reward", "samples"], "") == ["reward", "samples"]
    assert select(["reward", "accuracy"], "") == ["accuracy"]


def test_the_final_table_shows_what_compare_shows_first() -> None:
    """The final table's metrics are the first that `compare` shows, task by task."""
    from htmrun.components.sources import open_source
    from htmrun.config.compose import load
    from htmrun.execution.jobs import Builder
    from htmrun.execution.session import main_metrics as main_of_run

    for name in ("digits", "sequences", "stream"):
        experiment = load([f"experiment={name}"]).experiment
        source = open_source(experiment.data)
        main = main_of_run(Builder(experiment, source))
        names = ["samples", "nll", "mae_1", "sp/entropy", *main]
        assert tuple(select(names, source.task)) == main, name


def test_main_figures_of_several_horizons_and_memories() -> None:
    assert main_metrics("forecast", (1, 5), ()) == (
        *("rmse_1", "rmse_5", "mape_5", "nll_5", "anomaly/nab_standard", "anomaly/f1"),
        "recovery_samples",
    )
    assert main_metrics("sequence", (), ("a", "b"))[-3:-1] == ("a/predicted", "b/predicted")
    assert main_metrics("anomaly", (), ("a", "b"))[-2:] == ("a/predicted", "b/predicted")
    assert main_metrics("other", (1,), ("tm",)) == ()
    assert main_among("forecast", ["rmse_10", "rmse_2", "nll_10"]) == (
        *("rmse_2", "rmse_10", "nll_10"),
    )
