"""A few kills of the crash test; all of them: python benchmarks/crash.py."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_killed_runs_end_as_if_they_had_not_been(tmp_path: Path) -> None:
    """Images, a stream and sequences, killed at the start, while writing, and in the resume."""
    script = str(ROOT / "benchmarks" / "crash.py")
    done = subprocess.run(
        [sys.executable, script, "--seed", "23", "--first", "10", "--kills", "3"],
        capture_output=True, text=True, cwd=tmp_path, timeout=400,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("| all |  | 3 | ")
    assert last.endswith(" | 3 |")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("part", "wrong", "said"),
    [
        ("points", [("accuracy", 1, 0.5, 0)], "1 lost"),
        ("points", [("accuracy", 1, 0.5, 0), ("accuracy", 2, 0.7, 0)] * 2, "2 too many"),
        ("tags", [("htmrun.state_hash", "other")], "1 too many"),
        ("artifacts", [], "1 lost"),
        ("status", "RUNNING", "is 'RUNNING', expected 'FINISHED'"),
    ],
)
def test_the_comparison_sees_what_is_lost_doubled_or_other(
    part: str, wrong: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import crash_compare

    job = {
        "status": "FINISHED", "tags": [("htmrun.state_hash", "a")], "parameters": [],
        "points": [("accuracy", 1, 0.5, 0), ("accuracy", 2, 0.7, 0)],
        "artifacts": ["curves.png"],
    }  # fmt: skip
    whole: dict[str, Any] = {"runs": {"online-s000": [job]}, "sweeps": []}
    assert crash_compare.differences(copy.deepcopy(whole), whole) == []
    (line,) = crash_compare.differences(
        {"runs": {"online-s000": [{**job, part: wrong}]}, "sweeps": []}, whole
    )
    assert line.startswith(f"online-s000: {part} ")
    assert said in line
    twice = {"runs": {"online-s000": [job, job]}, "sweeps": []}
    assert "2 times" in crash_compare.differences(twice, whole)[0]
