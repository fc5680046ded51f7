"""A store that is away and a disk that is full, on purpose: python benchmarks/faults.py [--write].

Options: `--only WORD`, the faults with this in their names; `--write`, the table becomes
docs/results/faults.md. Takes about four minutes, most of it waiting. Each fault happens at a call
that is counted, in a command of its own; then the store comes back, or there is room again, and the
commands that a user has are tried. Points (job, metric, step) are counted after the fault and at
the end: those of a run that nothing happened to are expected, each once. Exit status 1 where a
promise is broken. Needs root for its small disks.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import crash_compare
import fault_places as places
from crash_commands import Command, Ran, warm
from fault_page import HEAD, RESULT, Row, as_line, write_page
from fault_places import CUT, ERROR, GONE, LOST, SLOW, WELL, Front, fill, make_room, when

from htmrun.tracking import moved

SMALL = (
    "experiment=digits", "sp.columns=64", "data.test_fraction=0.9", "epochs=3", "curve_points=6",
    "arms=[online,minibatch]", "seeds=[3,5]", "workers=1", "threads=1",
)  # fmt: skip
SEARCH = (
    "experiment=digits", "sp.columns=64", "data.test_fraction=0.9", "epochs=1", "curve_points=3",
    "sp.density=interval(0.05,0.3)", "sweep.name=mine", "sweep.seeds=[0]", "sweep.workers=1",
    "sweep.sampler=grid", "sweep.grid_points=6", "sweep.trials=6", "sweep.pruner=none",
)  # fmt: skip
APPLY = "htmrun.tracking.store:Store.apply"
BEGIN = "htmrun.tracking.store:Store._begin"
DELIVER = "htmrun.tracking.tracker:Tracker._deliver_outbox"
CHECKPOINT = "htmrun.training.checkpoints:Keeper.write"
PICTURES = "htmrun.tracking.tracker:Tracker._attach_plots"
KEPT = "htmrun.tracking.outbox:Outbox.append"
TOLD = "htmrun.sweep.study:SharedStudy.tell"
PAGE = "htmrun.compare.runs:write_report"
RESULTS = "htmrun.tracking.export:write_results"
DISK_MB = 8
Points = Counter[tuple[str, str, int]]


@dataclass
class Case:
    """A folder of runs in which a fault happens; `stores` has the database that is recorded in."""

    folder: Path
    stores: Path
    row: Row
    expected: Points
    where: tuple[str, ...] = ()

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def does(self, *arguments: str, status: int | None = None, says: str = "") -> Ran:
        """Run a command; its status and what it says must be that."""
        option = self.where if arguments[0] not in ("train", "sweep") else ()
        ran = Command((*arguments, *option), self.folder).wait()
        what = f"{arguments[0]}: status {ran.status}, said {ran.said.strip()[-300:]!r}"
        if "Traceback" in ran.said:
            self.row.wrong.append(f"a traceback of {what}")
        if status is not None and ran.status != status:
            self.row.wrong.append(f"expected status {status}, {what}")
        if not re.search(says, ran.said):
            self.row.wrong.append(f"expected '{says}', {what}")
        return ran

    def trains(self, *more: str, status: int, says: str = "") -> Ran:
        """Run the experiment, into which the fault comes; count its points afterwards."""
        uri = [f"tracking.uri={self.where[1]}"] if self.where else []
        ran = self.does("train", *SMALL, *uri, *more, status=status, says=says)
        self.row.status, self.row.after = ran.status, self.counts()
        lost = self.row.after[2]
        last = ran.said.strip().splitlines()[-1:]
        if lost and (ran.status == 0 or "recorded in" in "".join(last)):
            self.row.wrong.append(f"{lost} points are lost and it says {last}")
        return ran

    def counts(self) -> tuple[int, int, int]:
        """Return how many points stand in the store, wait in the outbox, are in neither."""
        stored, waits = stored_in(self.stores), waiting_in(self.runs / "outbox")
        lost = self.expected - stored - waits
        self.row.end = (stored.total(), (stored - self.expected).total(), lost.total())
        return stored.total(), waits.total(), lost.total()

    def ends(self, remedy: str) -> None:
        """Say what was done; all points must stand in the store once."""
        self.row.remedy = remedy
        _, waits, _ = self.counts()
        if self.row.end != (self.expected.total(), 0, 0) or waits:
            self.row.wrong.append(f"at the end stored, doubled, lost: {self.row.end}, {waits} wait")
        found = [run for runs in crash_compare.found_in(self.stores)["runs"].values()
                 for run in runs]  # fmt: skip
        if any(run["status"] != "FINISHED" for run in found):
            self.row.wrong.append(f"states: {[run['status'] for run in found]}")


def stored_in(folder: Path) -> Points:
    """Return the points of the runs in `folder`/runs, timing left out."""
    return Counter(
        (job, name, step)
        for job, runs in crash_compare.found_in(folder)["runs"].items()
        for run in runs
        for name, step, *_ in run["points"]
    )


def waiting_in(outbox: Path) -> Points:
    """Return the points in the files of an outbox."""
    found: Points = Counter()
    for path in outbox.glob("*.jsonl") if outbox.is_dir() else ():
        for line in path.read_text().splitlines()[1:]:
            record = json.loads(line)
            found.update((record["job"], p[0], p[3]) for p in record.get("points", ()))
    for point in list(found):
        name = point[1]
        if crash_compare.timed(name) or name in crash_compare.TIMED or name.startswith("system/"):
            del found[point]
    return found


class Faults:
    """Plays faults in folders of their own below `home`."""

    def __init__(self, home: Path) -> None:
        self.home, self.rows = home, list[Row]()
        empty, whole = home / "empty", home / "whole"
        for folder in (empty, whole):
            folder.mkdir()
        assert Command(("train", *SMALL, "seeds=[3]", "arms=[online]"), empty).wait().status == 0
        with closing(sqlite3.connect(empty / "runs" / "mlflow.db")) as made, made:
            made.execute("UPDATE runs SET lifecycle_stage = 'deleted'")
        self.database = empty / "runs" / "mlflow.db"
        # Copies of the database are to have their artifacts beside them.
        shutil.rmtree(empty / "runs" / "artifacts")
        assert Command(("train", *SMALL), whole).wait().status == 0
        self.expected = stored_in(whole)
        self.whole = whole

    @contextmanager
    def case(self, name: str, stores: Path | None = None, uri: str = "") -> Iterator[Case]:
        """Yield a case in a folder with an empty store, and keep what became of it."""
        folder = self.home / re.sub(r"\W+", "-", name)
        (folder / "runs" / "artifacts").mkdir(parents=True, exist_ok=True)
        if not uri:
            shutil.copy(self.database, folder / "runs")
        row = Row(name, self.expected.total())
        begun = time.monotonic()
        made = Case(folder, stores or folder, row, self.expected, ("--uri", uri) if uri else ())
        try:
            yield made
        except Exception as error:
            row.wrong.append(f"{type(error).__name__}: {error}")
        row.seconds = time.monotonic() - begun
        self.rows.append(row)
        print(as_line(row), *row.wrong, sep="\n    ", flush=True)

    @contextmanager
    def on_a_small_disk(self, name: str) -> Iterator[Case]:
        """Yield a case whose folder of runs is a disk of its own."""
        folder = self.home / re.sub(r"\W+", "-", name)
        with places.small_disk(folder / "runs", DISK_MB), self.case(name) as case:
            yield case


# --- a store that is away -------------------------------------------------------------------------

Played = Callable[[Faults, Front, str, Path], None]


def outage(name: str, moments: dict[tuple[str, int], int], play: Callable[[Case], None]) -> Played:
    """Return a fault of a server: what it does from which call on, and what is done then."""

    def played(faults: Faults, front: Front, uri: str, stores: Path) -> None:
        with closing(sqlite3.connect(stores / "runs" / "mlflow.db", timeout=60)) as made, made:
            made.execute("UPDATE runs SET lifecycle_stage = 'deleted'")
        front.be(moments.get(("", 0), WELL))
        acts = {at: (lambda does=does: front.be(does)) for at, does in moments.items() if at[0]}
        with faults.case(name, stores, uri) as case:
            with when(acts):
                play_first(case, moments)
            play(case)
            front.be(WELL)

    def play_first(case: Case, moments: dict[tuple[str, int], int]) -> None:
        waits = any(at[0] in (APPLY, BEGIN) for at in moments) and (DELIVER, 1) not in moments
        if ("", 0) in moments and moments["", 0] == ERROR:
            case.trains(status=2, says="cannot use")
        else:
            case.trains(status=0, says="htmrun sync" if waits else "recorded in")

    played.__name__ = name
    return played


def stays_away(case: Case) -> None:
    case.does("sync", status=1, says="still kept")
    for command in ("runs", "compare", "resume"):
        case.does(command, status=2, says="no MLflow server answers")
    case.does("doctor", says="wait in")
    _, waits, lost = case.counts()
    if lost or not waits:
        case.row.wrong.append(f"{waits} points wait, {lost} are lost")
    case.row.remedy = "none: they wait"


def comes_back(front: Front, *commands: Sequence[str]) -> Callable[[Case], None]:
    def play(case: Case) -> None:
        front.be(WELL)
        for command in commands:
            case.does(*command, status=0)
        case.ends(", ".join(c[0] for c in commands) or "none")

    return play


def play_outages(faults: Faults, wanted: str) -> None:
    stores = faults.home / "server"
    (stores / "runs" / "artifacts").mkdir(parents=True)
    moved.bring_home(Path(shutil.copy(faults.database, stores / "runs")))
    with places.mlflow_server(stores / "runs" / "mlflow.db") as port:
        front = Front(port)
        uri = f"http://{places.HOST}:{front.port}"
        sync, resume, nothing = ("sync",), ("resume",), comes_back(front)
        again = ("train", *SMALL, f"tracking.uri={uri}")
        back = comes_back(front, sync, resume)
        for name, moments, play in (
            ("nothing happens", {}, nothing),
            ("killed for good", {(APPLY, 9): GONE}, stays_away),
            ("back before the end", {(APPLY, 9): GONE, (DELIVER, 1): WELL}, nothing),
            ("back after the end: sync, resume", {(APPLY, 9): GONE}, back),
            ("back after the end: resume", {(APPLY, 9): GONE}, comes_back(front, resume)),
            ("500 from the start", {("", 0): ERROR}, comes_back(front, again)),
            ("500 from its ninth record on", {(APPLY, 9): ERROR}, back),
            ("2 s an answer", {("", 0): SLOW}, nothing),
            ("answers break off", {(APPLY, 9): CUT}, back),
            ("done, but the answer is lost", {(APPLY, 2): LOST, (APPLY, 3): GONE}, back),
            ("a new job's answer is lost", {(BEGIN, 3): LOST}, back),
        ):
            if wanted in name:
                outage(name, moments, play)(faults, front, uri, stores)
        front.close()
    for name, seconds in (("SQLite locked until after the end", 600), ("SQLite locked, 30 s", 30)):
        locked(faults, name, seconds) if wanted in name else None


def locked(faults: Faults, name: str, seconds: float) -> None:
    """Another writer takes the database at the ninth record and holds it."""
    with faults.case(name) as case:
        holder = places.Holder(case.runs / "mlflow.db", seconds)
        with when({(APPLY, 9): holder.take}):
            case.trains(status=0, says="htmrun sync" if seconds > 100 else "recorded in")
        if seconds > 100:
            holder.let_go()
            case.does("sync", status=0)
        case.does("resume", status=0)
        case.ends("sync, resume" if seconds > 100 else "resume")


# --- a disk that is full --------------------------------------------------------------------------


def room_again(case: Case, remedy: str = "room, resume") -> None:
    """Make room; every command works, and a resume has all points once."""
    make_room(case.runs)
    case.does("doctor", status=0)
    case.does("runs", status=0)
    case.does("resume", status=0)
    case.does("sync", status=0, says="nothing waits")
    case.does("compare", status=0)
    case.does("export", "20", "out", status=0)
    case.ends(remedy)


def at_the_start(case: Case) -> None:
    fill(case.runs)
    case.row.status = case.does("train", *SMALL, status=2, says="(?i)no space left").status
    make_room(case.runs)
    case.does("train", *SMALL, status=0)
    case.does("compare", status=0)
    case.ends("room, train")


def during(moment: str, call: int, status: int, *more: str) -> Callable[[Case], None]:
    def play(case: Case) -> None:
        with when({(moment, call): lambda: fill(case.runs)}):
            case.trains(*more, status=status)
        for command in (("runs",), ("doctor",), ("resume",), ("compare", "--force")):
            case.does(*command)
        room_again(case)

    return play


def in_the_outbox(case: Case) -> None:
    """The store is away, and its records have no room either."""

    def away(*_: Any) -> None:
        raise OSError("the store is away")

    with when({(APPLY, n): away for n in range(9, 1000)} | {(KEPT, 4): lambda: fill(case.runs)}):
        case.trains(status=1, says="NOT ALL IS RECORDED")
    room_again(case)


def in_a_sweep(case: Case) -> None:
    """Its points are trials: of an untouched search, the same number of them and the same best."""
    whole = case.folder / "whole"
    whole.mkdir()
    case.does("sweep", *SEARCH, f"tracking.dir={whole}", status=0)
    with when({(TOLD, 3): lambda: fill(case.runs)}):
        case.row.status = case.does("sweep", *SEARCH).status
    for command in (("runs", "--sweeps"), ("doctor",), ("sweep", *SEARCH)):
        case.does(*command)
    make_room(case.runs)
    case.does("sweep", *SEARCH, status=0)
    case.does("runs", "--sweeps", status=0)
    (_, table, best), (_, other, wanted) = (crash_compare._sweeps(folder / "sweeps")[0]
                                            for folder in (case.runs, whole))  # fmt: skip
    if case.row.status == 0:
        case.row.wrong.append("a sweep on a full disk ends with status 0")
    if sorted(map(str, table)) != sorted(map(str, other)) or best != wanted:
        case.row.wrong.append(f"trials differ: {table} and {other}")
    case.row.expected, case.row.end = len(other), (len(table), 0, len(other) - len(table))
    case.row.remedy = "room, sweep"


def in_what_is_written(moment: str, *command: str) -> Callable[[Case], None]:
    """A report or an export on a full disk: one line, and the next try works."""

    def play(case: Case) -> None:
        case.trains(status=0)
        with when({(moment, 1): lambda: fill(case.runs)}):
            case.row.status = case.does(*command, status=2, says="(?i)no space left").status
        case.does(*command, status=2, says="(?i)no space left")
        make_room(case.runs)
        case.does(*command, status=0)
        case.ends(f"room, {command[0]}")

    return play


DISKS: dict[str, Callable[[Case], None]] = {
    "full at the start": at_the_start,
    "full in the database": during(APPLY, 9, 1),
    "full in a checkpoint": during(CHECKPOINT, 2, 1, "checkpoint_every=0.00001"),
    "full in a picture": during(PICTURES, 1, 1),
    "full in the outbox": in_the_outbox,
    "full in a sweep's records": in_a_sweep,
    "full in the report": in_what_is_written(PAGE, "compare", "--report", "runs/page"),
    "full in an export": in_what_is_written(RESULTS, "export", "20", "runs/export"),
}


def main() -> int:
    """Play, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="faults with this in their names")
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}")
    asked = parser.parse_args()
    print(HEAD)
    # Not a TemporaryDirectory: children would remove it at their end.
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    try:
        warm([SMALL])
        faults = Faults(folder)
        if not asked.only.startswith("full"):
            play_outages(faults, asked.only)
        for name, play in DISKS.items():
            if asked.only in name:
                with faults.on_a_small_disk(name) as case:
                    play(case)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if asked.write:
        write_page(faults.rows, DISK_MB)
    return int(any(row.wrong for row in faults.rows))


if __name__ == "__main__":
    sys.exit(main())
