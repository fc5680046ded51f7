"""Few samples are handed over alone, and what is reported does not depend on the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from htmrun.config.compose import load
from htmrun.execution.opening import open_run
from htmrun.execution.playing import schedule_of
from htmrun.training.measures import latency


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, float], tuple[set[str], int]]:
    """Return what is measured, and how many samples are handed over, within a budget."""

    def of(every: int, budget: float) -> tuple[set[str], int]:
        given = ["experiment=digits", f"arm.minibatch.learn_every={every}", "sp.columns=64"]
        builder = open_run(load(given).experiment, threads=1).builder
        arm = builder.experiment.arm["minibatch"]
        pipeline, handed = builder.pipeline(arm, 0), 0
        compute = pipeline.compute

        def counting(*given: Any) -> Any:
            nonlocal handed
            handed += 1
            return compute(*given)

        monkeypatch.setattr(pipeline, "compute", counting)
        monkeypatch.setattr(latency, "BUDGET_S", budget)
        found = latency.measure(pipeline, builder.source, schedule_of(arm), 0)
        return {name.split("/")[1].split("_")[0] for name in found}, handed

    return of


@pytest.mark.parametrize(
    ("every", "budget", "kinds", "samples"),
    [
        (10, 0.0, {"infer", "learn", "commit"}, 32),
        (10, 1e9, {"infer", "learn", "commit"}, 128),
        (100, 0.0, {"infer", "learn", "commit"}, 100),  # The first commit is waited for.
        (1, 0.0, {"infer", "commit"}, 32),
        (500, 0.0, {"infer", "learn"}, 32),
    ],
)
def test_a_budget_leaves_out_samples_and_no_figure(
    every: int, budget: float, kinds: set[str], samples: int,
    measured: Callable[[int, float], tuple[set[str], int]],
) -> None:  # fmt: skip
    assert measured(every, budget) == (kinds, samples)
