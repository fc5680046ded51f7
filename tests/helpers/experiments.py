"""Whole experiments through the command line, small enough for a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from htmrun.cli import main
from htmrun.training.measures.registry import timed

DATA = Path(
    os.environ.get("HTMRUN_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
"""Real data sets that do not ship with a dependency."""

DIGITS = ("experiment=digits", "sp.columns=64", "epochs=1", "seeds=[3,5]", "curve_points=4")
SEQUENCES = (
    "experiment=sequences", "data.steps=400", "seeds=[0,1]", "arms=[online,minibatch_50,no_tm]",
    "data.sequences=4", "data.noise_symbols=100", "encoder.size=128", "encoder.active=8",
    "tm.cells_per_column=8", "tm.activation_threshold=5", "tm.matching_threshold=3",
    "tm.new_synapses=8", "tm.initial_permanence=0.5",
)  # fmt: skip
HERE = ("tracking=none", "workers=1")


def write_series(path: Path, values: Sequence[float], *more: tuple[str, Sequence[object]]) -> Path:
    """Write a CSV file with a column `load` and further columns."""
    names = ["load", *(name for name, _ in more)]
    rows = zip(values, *(column for _, column in more), strict=True)
    lines = [",".join(names), *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def stream(path: Path, *overrides: str) -> list[str]:
    """Return the arguments of a small forecast of the column `load`."""
    return [
        "experiment=stream", f"data.path={path}", "data.value=load", "sp.columns=64",
        "tm.cells_per_column=4", "tm.activation_threshold=1", "tm.matching_threshold=1",
        "encoder.fields.value.size=200", "encoder.fields.value.active=15", "classifier.buckets=8",
        "arms=[online,minibatch,persistence]", *overrides,
    ]  # fmt: skip


def train(
    capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0
) -> tuple[dict[str, Any], str]:
    """Run `htmrun train ... --json` in this process; return the JSON object and stderr."""
    capsys.readouterr()
    assert main(["train", *arguments, "--json"]) == status
    captured = capsys.readouterr()
    return json.loads(captured.out.splitlines()[-1]), captured.err


def started(
    *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start `htmrun` in a process group of its own, away from the checkout."""
    return subprocess.Popen(
        [sys.executable, "-m", "htmrun", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )


def results(summary: dict[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """Return what must be the same whenever and however it is run: all but the timing."""
    return {
        arm: {n: m["values"] for n, m in metrics.items() if not timed(n)}
        for arm, metrics in summary["arms"].items()
    }
