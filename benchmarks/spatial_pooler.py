"""Speed of the spatial pooler: python benchmarks/spatial_pooler.py [--quick] [--markdown].

Steps per second of the CPU backend on one thread, over random patterns: the best and the
median of several short windows, because other work on the machine only ever slows one
down. `reference` is the plain NumPy backend on the same samples in the same run. `floor`
is what memory alone would allow a learning step with a window of 1, at rates measured here
on arrays of the same sizes:
    overlap   every on-input's row of connected bits is read: on * columns / 8 bytes
    learning  every winner's int16 permanences are read and written: 4 * winners * inputs
The floor leaves out all arithmetic, selection, duty cycles and boosting.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from htmrun.backends import SpatialPoolerBackend, load_backend
from htmrun.bits import Bits
from htmrun.parameters import SpatialPoolerParameters
from htmrun.plan import Plan

BOOST = {"boost_strength": 3.0}
GRID = {"column_shape": (64, 32)}
LOCAL = {**GRID, "inhibition": "local", "inhibition_radius": 8}


@dataclass(frozen=True)
class Case:
    """One row: sizes, share of inputs on, window, further parameters."""

    inputs: int
    columns: int
    density: float
    window: int = 1
    settings: dict = field(default_factory=dict)
    patterns: int = 64

    @property
    def label(self) -> str:
        what = "local" if "inhibition" in self.settings else "global"
        return what + (" + boost" if "boost_strength" in self.settings else "")


def cases(quick: bool) -> list[Case]:
    """Return the rows of the table; `quick` leaves out the largest."""
    rows = [Case(1024, 2048, d) for d in (0.02, 0.05, 0.2)]
    rows += [Case(1024, 2048, d, settings=BOOST) for d in (0.02, 0.05, 0.2)]
    rows += [Case(1024, 2048, 0.05, settings=LOCAL)]
    rows += [Case(1024, 2048, 0.05, settings={**LOCAL, **BOOST})]
    for settings in ({}, BOOST):
        rows += [Case(784, 2048, 0.19, n, settings, 1024) for n in (1, 10, 64, 256)]
    if not quick:
        rows += [Case(4096, 4096, 0.02, settings=s) for s in ({}, BOOST)]
        rows += [Case(16384, 16384, 0.02, settings=s) for s in ({}, BOOST)]
    return rows


def windows(call: Callable[[], object], samples: int, seconds: float) -> tuple[float, float]:
    """Return (best, median) samples per second over short repetitions of `call`."""
    call()
    rates: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(rates) < 5:
        start = time.perf_counter()
        call()
        rates.append(samples / (time.perf_counter() - start))
    return max(rates), median(rates)


def update_rate(size: int) -> float:
    """Return bytes read plus written per second when `size` bytes are changed in place."""
    values = np.zeros(size // 2, np.int16)
    return 4 * windows(lambda: np.add(values, 1, out=values), len(values), 0.2)[0]


def read_rate(size: int) -> float:
    """Return bytes read per second when `size` bytes are summed up bit by bit."""
    words = np.ones(max(size // 8, 1 << 12), np.uint64)
    return 8 * windows(lambda: np.bitwise_xor.reduce(words), len(words), 0.2)[0]


def floor(case: Case, winners: float) -> float:
    """Return the learning steps per second that memory allows with a window of 1."""
    synapses = case.inputs * case.columns
    overlap = case.density * synapses / 8 / read_rate(synapses // 8)
    learning = 4 * winners * case.inputs / update_rate(2 * synapses)
    return 1 / (overlap + learning)


def reference_rate(case: Case, bits: Bits, budget: float) -> float:
    """Return learning steps per second of the NumPy backend; 0 if too large to be worth it."""
    if case.inputs * case.columns > 1 << 24:
        return 0.0
    pooler = make("reference", case)
    n = max(case.window, 1)
    samples = bits.slice(0, min(len(bits), max(n, 16)))
    plan = Plan.every(n, len(samples))
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < budget:
        pooler.run(samples, plan)
        done += len(samples)
    return done / (time.perf_counter() - start)


def make(backend: str, case: Case) -> SpatialPoolerBackend:
    parameters = SpatialPoolerParameters(columns=case.columns, **case.settings)
    return load_backend(backend).SpatialPooler(parameters, (case.inputs,), 1)


def measure(case: Case, seconds: float) -> list[str]:
    """Run one case; return the cells of its row."""
    random = np.random.default_rng(0)
    patterns = [Bits.from_dense(random.random((case.patterns, case.inputs)) < case.density)]
    small = case.inputs * case.columns <= 1 << 22
    bits = Bits.concatenate(patterns * (max(1, 512 // case.patterns) if small else 1))
    start = time.perf_counter()
    pooler = make("cpu", case)
    built = time.perf_counter() - start
    plan = Plan.every(case.window, len(bits))
    best, middle = windows(lambda: pooler.run(bits, plan), len(bits), seconds)
    infer, _ = windows(lambda: pooler.compute(bits), len(bits), seconds / 2)
    winners = float(pooler.compute(bits.slice(0, 16)).counts().mean())
    plain = reference_rate(case, bits, seconds)
    least = floor(case, winners) if case.window == 1 else 0.0
    return [
        f"{case.inputs} -> {case.columns}",
        f"{100 * case.density:.0f} %",
        case.label,
        str(case.window),
        f"{best:,.0f}",
        f"{middle:,.0f}",
        f"{infer:,.0f}",
        f"{plain:,.0f}" if plain else "",
        f"{best / plain:,.0f}x" if plain else "",
        f"{least:,.0f}" if least else "",
        f"{best / least:.2f}" if least else "",
        f"{built:.2f}",
    ]


HEADS = ["size", "on", "inhibition", "window", "learn/s", "median", "infer/s", "reference/s"]
HEADS += ["ratio", "floor/s", "of floor", "build s"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter, without the largest")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    options = parser.parse_args()
    make("cpu", Case(64, 512, 0.1)).run(Bits.from_rows(64, [[1]]), Plan.every(1, 1))
    if options.markdown:
        print("| " + " | ".join(HEADS) + " |\n|" + " --- |" * len(HEADS))
    else:
        print("  ".join(f"{h:>14}" for h in HEADS))
    for case in cases(options.quick):
        cells = measure(case, 0.3 if options.quick else 1.0)
        row = "| " + " | ".join(cells) + " |" if options.markdown else ""
        print(row or "  ".join(f"{c:>14}" for c in cells), flush=True)


if __name__ == "__main__":
    main()
