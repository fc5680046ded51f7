"""What a folder of runs came to, as plain data that can be compared; and what was left behind."""

from __future__ import annotations

import csv
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from htmrun.training.measures.registry import timed

TRIAL = "htmrun.trial"
TIMED = ("seconds", "curve/seconds")
OWN = (
    "run", "attempt", "host", "machine", "pid", "process_start", "command", "threads",
    "code_changed", "error", "energy", "trial", "worker", "record",
)  # fmt: skip
"""Tags of htmrun that every attempt has of its own, by what they begin with."""
FOREIGN = ("pymp-", "torchinductor_")
"""What Python and torch keep among temporary files."""
EXPECTED = {"mlflow.db", "mlflow.db-wal", "mlflow.db-shm", "artifacts", "sweeps"}
"""What may lie in a folder of runs when nothing runs any more."""


def found_in(folder: Path) -> dict[str, Any]:
    """Return everything of the runs in `folder`/runs that must not depend on being cut short.

    Of each job that is not in the trash: status, tags (its state hash among them), parameters,
    points (metric, step, value; those that measure time left out), names of artifacts. Of each
    sweep: its table, its best configuration, and the trials that count.
    """
    with closing(sqlite3.connect(folder / "runs" / "mlflow.db")) as database:
        jobs: dict[str, list[Any]] = {}
        rows = database.execute(
            "SELECT run_uuid, name, status, artifact_uri, start_time FROM runs "
            "WHERE lifecycle_stage = 'active'"
        ).fetchall()
        for run, name, status, artifacts, _ in sorted(rows, key=lambda row: row[4]):
            tags = dict(database.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (run,)))
            if TRIAL in tags:
                # A trial whose worker died is there once more under another number.
                if status == "KILLED":
                    continue
                name = "trial"
            one = _of_run(database, run, tags)
            names = _names(Path(artifacts.removeprefix("file://")))
            jobs.setdefault(name, []).append({"status": status, **one, "artifacts": names})
    for same in jobs.values():
        same.sort(key=lambda one: repr((one["parameters"], one["points"])))
    return {"runs": jobs, "sweeps": _sweeps(folder / "runs" / "sweeps")}


def _of_run(database: sqlite3.Connection, run: str, tags: Mapping[str, str]) -> dict[str, Any]:
    points = database.execute(
        "SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ?", (run,)
    )
    kept = [p for p in points if not (timed(p[0]) or p[0] in TIMED or p[0].startswith("system/"))]
    parameters = database.execute("SELECT key, value FROM params WHERE run_uuid = ?", (run,))
    return {
        "tags": sorted(
            (key, value) for key, value in tags.items() if key == "mlflow.runColor" or _kept(key)
        ),
        "parameters": sorted(p for p in parameters if p[0] not in ("name", "workers")),
        "points": sorted(kept),
    }


def _kept(tag: str) -> bool:
    return tag.startswith("htmrun.") and not tag.removeprefix("htmrun.").startswith(OWN)


def _names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def _sweeps(folder: Path) -> list[Any]:
    """Return the tables without numbers of trials, times and attempts, and the best settings."""
    found = []
    for one in sorted(folder.iterdir()) if folder.is_dir() else []:
        with (one / "trials.csv").open() as file:
            rows = list(csv.DictReader(file))
        table = [{k: v for k, v in row.items() if k not in ("trial", "seconds", "attempt")}
                 for row in rows]  # fmt: skip
        best = (one / "best.yaml").read_text().splitlines()
        # Its first lines name the trial.
        found.append((one.name, table, [line for line in best if not line.startswith("#")]))
    return found


def in_any_order(found: dict[str, Any]) -> dict[str, Any]:
    """Return the same for a sweep with several workers, which end in an order of their own."""
    sweeps = [(name, sorted(map(repr, table)), best) for name, table, best in found["sweeps"]]
    return {**found, "sweeps": sweeps}


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Return a line for everything in which two folders differ."""
    lines = []
    for name in sorted({*found["runs"], *expected["runs"]}):
        ours, theirs = found["runs"].get(name, []), expected["runs"].get(name, [])
        if len(ours) != len(theirs):
            states = [one["status"] for one in ours]
            lines.append(f"{name}: {len(ours)} times ({states}), expected {len(theirs)}")
            continue
        for one, other in zip(ours, theirs, strict=True):
            lines += [
                f"{name}: {part} {_difference(one[part], other[part])}"
                for part in other
                if one[part] != other[part]
            ]
    if found["sweeps"] != expected["sweeps"]:
        lines.append(f"sweep: {_difference(found['sweeps'], expected['sweeps'])}")
    return lines


def _difference(found: Any, expected: Any) -> str:
    if not isinstance(found, list):
        return f"is {found!r}, expected {expected!r}"
    ours, theirs = Counter(map(repr, found)), Counter(map(repr, expected))
    more, less = [*(ours - theirs).elements()], [*(theirs - ours).elements()]
    return f"{len(more)} too many {more[:3]}, {len(less)} lost {less[:3]}"


def left_behind(folder: Path) -> list[str]:
    """Return what nobody needs any more and still lies there."""
    runs = folder / "runs"
    names = [p for p in runs.iterdir() if p.name not in EXPECTED]
    # What is empty takes no room and holds nothing up. An empty file is left where Python was
    # stopped while it tried whether it can write there.
    names = [p for p in names if p.is_file() or any(p.rglob("*"))]
    names += [
        p
        for p in (folder / "temporary").iterdir()
        if not p.name.startswith(FOREIGN) and (p.is_dir() or p.stat().st_size)
    ]
    if (runs / "sweeps").is_dir():
        names += (runs / "sweeps").rglob("*.lock")
    return sorted(f"left behind: {p.relative_to(folder)}" for p in names)
