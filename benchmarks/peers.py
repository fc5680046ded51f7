"""The same work done by other programs, where they are here: python benchmarks/peers.py [--quick].

A row's two programs take turns in one process, on one core and one thread; *ratio* is that of the
medians of processor time, so what else the machine does meets both. With --write the table becomes
docs/results/peers.md. A peer that is not installed is said, and its rows hold ours alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import measuring
import peers_htm_core
import peers_torch
from measuring import Table, number

from htmrun.claims.timing import in_turn, one_torch_thread

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "docs" / "results" / "peers.md"

ABOUT = """
*ours* and *peer* are samples per second of processor time, medians over the turns; *ratio*: how
many times as fast ours is. *call*: how many samples a call of ours handles; a call of htm.core
handles one. Where both do exactly the same arithmetic it is checked first that they end with the
same numbers, bit for bit (*same*); htm.core has rules and random numbers of its own, so only sizes
and densities are alike there.
"""
HEADS = ["work", "call", "peer", "ours", "peer's", "ratio", "same"]

INTRO = """# Beside other programs

`python benchmarks/peers.py --write`

Machine: {machine}. Code: {commit}. Peers: {peers}.

What ran beside these measurements, if anything did, met both sides of a row. Figures of systems
that cannot be installed here, taken elsewhere: [speed](speed.md), "Same protocol as other systems".
"""

Turn = Callable[[], int]
"""Handles some samples and returns how many."""


@dataclass(frozen=True)
class Work:
    """Something that two programs can do; `start` returns a turn of ours, and of the peer.

    The peer's is None where it is not installed. same: both must end with equal numbers, which
    `start` has checked.
    """

    name: str
    call: int
    peer: str
    start: Callable[[], tuple[Turn, Turn | None]]
    same: bool = False


def works(quick: bool) -> Iterator[Work]:
    for module in (peers_torch, peers_htm_core):
        for name, call, start in module.works(quick):
            yield Work(name, call, module.NAME, start, module.SAME)


def measure(work: Work, rounds: int) -> list[str]:
    ours, theirs = work.start()
    calls = {"ours": ours} | ({} if theirs is None else {"theirs": theirs})
    us = in_turn(calls, rounds)
    row = [work.name, f"{work.call:,}", work.peer, number(1e6 / us["ours"])]
    if theirs is None:
        return [*row, "not installed", "", ""]
    ratio = us["theirs"] / us["ours"]
    same = "yes" if work.same else ""
    return [*row, number(1e6 / us["theirs"]), number(ratio, 2 if ratio < 10 else 0), same]


def rows(quick: bool) -> Iterator[list[str]]:
    with one_torch_thread():
        for work in works(quick):
            yield measure(work, 5 if quick else 21)


TABLE = Table("Ratios", ABOUT, HEADS, 3, rows)


def installed(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} not installed"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer turns, without the largest")
    parser.add_argument("--write", action="store_true", help="write docs/results/peers.md")
    options = parser.parse_args()
    measuring.stay_on_one_core()
    found = measuring.measure(TABLE, options.quick)
    if options.write:
        peers = ", ".join(installed(name) for name in (peers_torch.NAME, peers_htm_core.NAME))
        intro = INTRO.format(machine=measuring.machine(), commit=measuring.commit(), peers=peers)
        RESULT.write_text(f"{intro}\n{measuring.markdown(TABLE, found)}")


if __name__ == "__main__":
    main()
