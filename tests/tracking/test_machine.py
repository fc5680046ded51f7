"""What the machine does is recorded cheaply, beside every job, under MLflow's names."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from htmrun.tracking import machine
from htmrun.tracking.machine import MachineMonitor
from htmrun.tracking.store import all_runs, open_existing
from htmrun.training.records import Job
from tests.helpers.synthetic import records, tracker

A, B = Job("a", 0), Job("b", 0)


def test_readings_are_those_of_psutil() -> None:
    found = MachineMonitor().read()
    memory = psutil.virtual_memory()
    assert found["system/system_memory_usage_percentage"] == pytest.approx(
        100 * memory.used / memory.total, abs=5
    )
    assert 0 <= found["system/cpu_utilization_percentage"] <= 100


def test_one_reading_serves_every_job_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(machine.time, "monotonic", lambda: clock[0])
    monitor = MachineMonitor()
    first, other = monitor.points(A, 1), monitor.points(B, 1)
    assert first
    assert [p.value for p in first] == [p.value for p in other]
    assert monitor.points(A, 2) == []
    assert monitor.points(A, 3, last=True) == []
    late = Job("late", 0)
    assert len(monitor.points(late, 4, last=True)) == len(first)
    clock[0] += 3
    assert {p.step for p in monitor.points(A, 5)} == {1}


def test_reading_costs_little() -> None:
    monitor = MachineMonitor()
    monitor.read()
    before = monitor.seconds
    for _ in range(20):
        monitor._next = 0.0
        monitor.read()
    # Every two seconds: 5 ms would be a quarter of a per cent.
    assert (monitor.seconds - before) / 20 < 0.005


def test_every_job_has_readings(runs: Path) -> None:
    with tracker(runs) as made:
        for record in records():
            made.handle(record)
    for run in all_runs(open_existing(None, runs)[1], ["1"], ""):
        assert "system/cpu_utilization_percentage" in run.data.metrics, run.info.run_name
        assert "system" not in run.data.tags["htmrun.metrics"]
