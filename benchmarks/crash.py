"""Runs and sweeps killed at random moments, taken up again, compared: python benchmarks/crash.py.

Options: `--kills N` scenarios (200 unless told), `--seed S`, `--first K` the number of the first,
`--only K` that one alone; `--crowd N`: N times eight runs started at once over a fresh folder
instead. Each scenario is a function of (seed, number): a pipeline, a command, one or two workers,
and one or two kills, the second one of the resume. Afterwards it is resumed until it ends, and
compared with a run that was never cut. Prints a table; the exit status is 1 where anything differs.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import crash_commands
import crash_compare
from crash_commands import Command, Moment, Ran

Arguments = tuple[str, ...]

_COMMON = ("threads=1", "curve_points=6", "checkpoint_every=0.0005")
_TM = (
    "tm.cells_per_column=4", "tm.activation_threshold=3", "tm.matching_threshold=2",
    "tm.new_synapses=6", "tm.initial_permanence=0.5",
)  # fmt: skip
PIPELINES: dict[str, Arguments] = {
    "images": (
        "experiment=digits", "sp.columns=128", "data.test_fraction=0.6", "epochs=6",
        "arms=[online,minibatch]", "seeds=[3,5]",
    ),
    "stream": (
        "experiment=stream", "data.rows=400", "sp.columns=128", "sp.density=0.08", *_TM,
        "arms=[online,minibatch,persistence]", "epochs=4",
    ),
    "sequences": (
        "experiment=sequences", "data.sequences=4", "data.noise_symbols=100", "data.steps=1500",
        "encoder.size=128", "encoder.active=8", *_TM, "arms=[online,minibatch_50]", "seeds=[3,5]",
    ),
    "network": (
        "experiment=sparse_digits", "data.test_fraction=0.95", "epochs=4", "noise_images=5",
        "arms=[sparse,dense]", "seeds=[3]",
    ),
}  # fmt: skip
_SEARCH = (
    "experiment=digits", "sp.columns=64", "data.test_fraction=0.9", "epochs=2", "curve_points=3",
    "sp.density=interval(0.05,0.3)", "classifier.learning_rate=log(0.005,0.1)", "sweep.name=mine",
    "sweep.seeds=[0]",
)  # fmt: skip
# Fourteen trials: the first ten are drawn, those after them follow from the ones that ended.
ONE_WORKER = (*_SEARCH, "sweep.workers=1", "sweep.trials=14", "sweep.prune_after=4")
# What several workers choose from what has ended depends on who was faster.
TWO_WORKERS = (*_SEARCH, "sweep.workers=2", "sweep.trials=8", "sweep.sampler=random",
               "sweep.pruner=none")  # fmt: skip
OF_RUNS = ("beginning", "store", "checkpoint", "outbox", "pictures", "closing")
OF_SWEEPS = ("study", "trials", "store")
MOST_COMMANDS = 6


@dataclass(frozen=True)
class Scenario:
    """What is begun and how it is killed; `kills` says how each kill is drawn."""

    number: int
    kind: str
    workers: int
    arguments: Arguments
    kills: tuple[str, ...]
    waits: bool

    @property
    def sweeps(self) -> bool:
        return self.kind == "sweep"

    @property
    def again(self) -> Arguments:
        return self.arguments if self.sweeps else ("resume",)


@dataclass
class Outcome:
    """What became of a scenario: the kills that met something alive, and all that is wrong."""

    scenario: Scenario
    kills: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


def scenario(seed: int, number: int) -> Scenario:
    """Return a scenario of a seed."""
    chance = random.Random(f"scenario {seed} {number}")
    kind = ("images", "stream", "sequences", "network", "sweep")[number % 5]
    workers = 2 if chance.random() < 0.2 else 1
    if kind == "sweep":
        arguments = ("sweep", *(ONE_WORKER if workers == 1 else TWO_WORKERS))
    else:
        arguments = ("train", *PIPELINES[kind], *_COMMON, f"workers={workers}")
    aims = OF_SWEEPS if kind == "sweep" else OF_RUNS
    ways = [chance.choice(("anywhere", *aims))]
    if chance.random() < 0.5:
        ways.append(chance.choice(("anywhere", "first", *aims)))
    return Scenario(number, kind, workers, arguments, tuple(ways), chance.random() < 0.5)


class Crashes:
    """Plays scenarios in folders of their own below `home`."""

    def __init__(self, home: Path, seed: int) -> None:
        """`home` must be empty."""
        self._home, self._seed = home, seed
        self._whole: dict[Arguments, tuple[dict[str, Any], Ran]] = {}
        # Building a database takes seconds, copying it does not.
        self._database = home / "mlflow.db"
        crash_commands.prepare(self._database)

    def whole(self, arguments: Arguments) -> tuple[dict[str, Any], Ran]:
        """Return what a command comes to that is never cut, and how it ran."""
        if arguments not in self._whole:
            folder = self._folder(f"whole-{len(self._whole)}")
            ran = Command(arguments, folder).wait()
            _expect_well(ran)
            found = crash_compare.found_in(folder)
            self._whole[arguments] = (_ordered(found, arguments), ran)
        return self._whole[arguments]

    def play(self, one: Scenario) -> Outcome:
        """Kill, take up again until it ends, compare."""
        begun, outcome = time.monotonic(), Outcome(one)
        expected, whole = self.whole(one.arguments)
        chance = random.Random(f"kills {self._seed} {one.number}")
        folder = self._folder(f"scenario-{one.number}")
        sessions, arguments = [], one.arguments
        for way in one.kills:
            ran, moment = self._killed(one, way, arguments, folder, whole, chance)
            sessions.append(ran.session)
            if not ran.killed:
                break
            outcome.kills.append(str(moment))
            _no_traceback(ran, outcome)
            if one.waits and not crash_commands.all_gone(ran.session, 30):
                outcome.wrong.append("workers outlive their killed command by 30 s")
            arguments = _next(one, folder)
        for _ in range(MOST_COMMANDS):
            ran = Command(_next(one, folder), folder).wait()
            sessions.append(ran.session)
            _no_traceback(ran, outcome)
            if ran.status == 0:
                break
        else:
            outcome.wrong.append(f"status {ran.status}: {ran.said.strip()[-300:]}")
        for session in sessions:
            if not crash_commands.all_gone(session, 30):
                outcome.wrong.append(f"still running: {[*crash_commands.living(session)]}")
        try:
            found = _ordered(crash_compare.found_in(folder), one.arguments)
            outcome.wrong += crash_compare.differences(found, expected)
        except Exception as error:
            outcome.wrong.append(f"cannot be read: {error}")
        outcome.wrong += crash_compare.left_behind(folder)
        outcome.seconds = time.monotonic() - begun
        if not outcome.wrong:
            shutil.rmtree(folder)
        return outcome

    def _killed(
        self, one: Scenario, way: str, arguments: Arguments, folder: Path, whole: Ran,
        chance: random.Random,
    ) -> tuple[Ran, Moment]:  # fmt: skip
        """Run and kill a command; where it was over before, what was begun is begun anew."""
        moment = _moment(way, whole, chance)
        resumed = arguments != one.arguments
        ran = Command(arguments, folder, moment).wait()
        while not ran.killed and not resumed and ran.status == 0:
            shutil.rmtree(folder)
            self._folder(folder.name)
            if moment.aim is None or moment.call == 1:
                moment = replace(moment, aim=None, delay=chance.uniform(0, whole.seconds / 2))
            else:
                moment = replace(moment, call=moment.call // 2)
            ran = Command(arguments, folder, moment).wait()
        return ran, moment

    def _folder(self, name: str) -> Path:
        folder = self._home / name
        (folder / "runs").mkdir(parents=True)
        shutil.copy(self._database, folder / "runs")
        return folder


def _moment(way: str, whole: Ran, chance: random.Random) -> Moment:
    sent = chance.choices((signal.SIGKILL, signal.SIGTERM, signal.SIGINT), (8, 1, 1))[0]
    shared: dict[str, Any] = {"sent": sent, "everybody": chance.random() < 0.5}
    if way == "first":
        return Moment(chance.uniform(0, 0.6), **shared)
    calls = whole.calls.get(way, 0)
    if way == "outbox":
        # Each operation that the store refuses is one line, after the first that says where to.
        shared["outage"] = chance.randint(2, max(2, whole.calls["store"] - 1))
        calls = max(2, whole.calls["store"] - shared["outage"])
    if calls == 0:  # Also what only workers do.
        return Moment(chance.uniform(0, 0.95 * whole.seconds), **shared)
    delay = chance.choice((0.0, chance.uniform(0, 0.003), chance.uniform(0, 0.05)))
    return Moment(delay, way, chance.randint(1, calls), **shared)


def _next(one: Scenario, folder: Path) -> Arguments:
    """Return the command that goes on: the first one, where nothing of it was written down."""
    runs = folder / "runs"
    begun = any(runs.glob("open/*/run.json")) or any(runs.glob("artifacts/*"))
    return one.again if begun else one.arguments


def _ordered(found: dict[str, Any], arguments: Arguments) -> dict[str, Any]:
    return crash_compare.in_any_order(found) if "sweep.workers=2" in arguments else found


def _no_traceback(ran: Ran, outcome: Outcome) -> None:
    if "Traceback" in ran.said:
        outcome.wrong.append(f"a traceback: {ran.said.strip()[-1500:]}")


def _expect_well(ran: Ran) -> None:
    if ran.status != 0:
        raise SystemExit(f"a run that nobody killed ended with {ran.status}:\n{ran.said}")


def crowd(home: Path, times: int, at_once: int = 8) -> list[str]:
    """Start runs at once over a fresh folder, `times` times; return what is wrong."""
    arguments = ("train", *PIPELINES["images"], *_COMMON, "workers=1", "epochs=1")
    alone = home / "alone"
    alone.mkdir()
    _expect_well(Command(arguments, alone).wait())
    expected, wrong = crash_compare.found_in(alone), []
    for time_ in range(times):
        folder = home / f"crowd-{time_}"
        folder.mkdir()
        begun = time.monotonic()
        commands = [Command(arguments, folder) for _ in range(at_once)]
        ended = [command.wait() for command in commands]
        ill = [
            ran for ran in ended if ran.status or "Traceback" in ran.said or "warning" in ran.said
        ]
        wrong += [f"{time_}: status {ran.status}: {ran.said[-1000:]}" for ran in ill]
        found = crash_compare.found_in(folder)
        theirs = {name: jobs * at_once for name, jobs in expected["runs"].items()}
        wrong += crash_compare.differences(found, {**expected, "runs": theirs})
        wrong += crash_compare.left_behind(folder)
        print(f"{time_ + 1}: {at_once} runs in {time.monotonic() - begun:.1f} s", flush=True)
        shutil.rmtree(folder)
    return wrong


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Return rows of a table: what was killed, and what of it came to the end it would have had."""
    rows = ["| what | workers | scenarios | kills | of them resumes | equal in the end |",
            "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    keys = sorted({(o.scenario.kind, o.scenario.workers) for o in outcomes})
    groups = [(*key, [o for o in outcomes if (o.scenario.kind, o.scenario.workers) == key])
              for key in keys]  # fmt: skip
    for kind, workers, some in [*groups, ("all", "", list(outcomes))]:
        kills = sum(len(o.kills) for o in some)
        second = sum(max(0, len(o.kills) - 1) for o in some)
        equal = sum(not o.wrong for o in some)
        rows.append(f"| {kind} | {workers} | {len(some)} | {kills} | {second} | {equal} |")
    return rows


def main() -> int:
    """Play what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", type=int)
    parser.add_argument("--crowd", type=int)
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.kills)
    numbers = numbers if options.only is None else range(options.only, options.only + 1)
    home = Path(tempfile.mkdtemp(prefix="crash-"))
    small = ("arms=[online]", "threads=1")
    crash_commands.warm([(*PIPELINES[name][:-1], *small) for name in ("images", "sequences")])
    if options.crowd is not None:
        wrong = crowd(home, options.crowd)
        print("\n".join(wrong) or "all ended well, equal to one that ran alone")
        return 1 if wrong else 0
    crashes, outcomes = Crashes(home, options.seed), []
    for number in numbers:
        outcome = crashes.play(scenario(options.seed, number))
        outcomes.append(outcome)
        one = outcome.scenario
        print(f"{number} {one.kind}, {one.workers} workers, {outcome.seconds:.1f} s: "
              f"{'; '.join(outcome.kills)}: {'equal' if not outcome.wrong else 'DIFFERS'}",
              flush=True)  # fmt: skip
        for line in outcome.wrong:
            print(f"    {line}", flush=True)
    bad = [o.scenario.number for o in outcomes if o.wrong]
    print("\n".join(["", *table(outcomes)]))
    if bad:
        print(f"\ndiffering: {bad} of seed {options.seed}; their folders are in {home}")
        return 1
    shutil.rmtree(home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
