"""Tasks one after the other, whole: workers, repeated and resumed runs, poolers beside networks."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from htmrun.cli import main
from tests.helpers.experiments import train

Capsys = pytest.CaptureFixture[str]
SMALL = (
    "experiment=rotated_digits", "sp.columns=64", "seeds=[3,5]",
    "curve_points=4", "data.tasks.count=3", "data.test_fraction=0.9",
    "arms=[epoch_boost,no_sp]",
)  # fmt: skip


def test_workers_and_repeats_change_nothing(here: Path, capsys: Capsys) -> None:
    alone, _ = train(capsys, *SMALL, "workers=1")
    beside, said = train(capsys, *SMALL, "workers=2", "tracking=none")
    assert "data.tasks: 3 tasks (rotated) of 179 samples each, one after the other" in said
    for arm, figures in alone["arms"].items():
        for name in ("state_hash", "forgetting", "average_accuracy", "change/recovery_samples"):
            assert figures[name]["values"] == beside["arms"][arm][name]["values"], (arm, name)
    assert main(["rerun", "seeds=[5]"]) == 0
    assert "2 of 2 jobs are the same" in capsys.readouterr().out
    tables = sorted((here / "runs").rglob("tasks.csv"))
    assert len(tables) == 4
    last = list(csv.reader(tables[0].read_text().splitlines()))[-1]
    means = {v for f in alone["arms"].values() for v in f["average_accuracy"]["values"]}
    assert any(abs(sum(map(float, last[1:])) / 3 - mean) < 1e-12 for mean in means)
    pictures = list((here / "runs").rglob("plots/tasks.png"))
    assert len(pictures) == 4, "one picture of all arms, with each job"
