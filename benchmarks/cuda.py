"""Speed on a card: python benchmarks/cuda.py [--quick] [--write] [--minutes 4].

With --write the tables, with the card's name and the date, become the last section of
docs/results/gpu.md, and the roofline plot docs/results/roofline-gpu.png. Ends with status 2 where
there is no card.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import measuring
import numpy as np
import roofline
from measuring import Table, number, share, times

from htmrun.backends import load_backend
from htmrun.backends.cuda import cards
from htmrun.backends.cuda.device import Device, cuda_device
from htmrun.backends.cuda.sp_group import SpatialPoolerGroup
from htmrun.backends.cuda.tm_group import TemporalMemoryGroup
from htmrun.bits import Bits
from htmrun.errors import UserError
from htmrun.parameters import SpatialPoolerParameters, TemporalMemoryParameters
from htmrun.plan import Plan

RESULTS = Path(__file__).parents[1] / "docs" / "results"
MARK = "## Measured\n"
BOOST = {"boost_strength": 3.0}
HEADS = ["size", "on", "boost", "window", "models", "learn/s", "infer/s", "kB/step", "bandwidth"]
HEADS += ["kop/step", "reference/s", "ratio"]
INPUTS, COLUMNS, ON, ELEMENTS, WARM = 1024, 2048, 40, 100, 8192
HEADS_BOTH = ["models", "SP + TM learn/s", "TM learn/s", "TM infer/s", "TM reference/s", "ratio"]
HEADS_BOTH += ["segments"]
ABOUT_BOTH = """
1024 inputs, 2048 columns, 32 cells a column, 100 sequences of 10 elements in random order without
resets, windows of 1, after 8192 steps of learning. Steps per second of all models of a row
together, by the clock. *reference* is the NumPy backend on the first model's memory; *segments*
are those of the first model.
"""
ABOUT = """
Steps per second of all models of a row together, by the clock, uploads and downloads included.
*kB/step*: bytes that learning a step cannot avoid: the rows of connected bits of the on-inputs
(or, in a large window, the whole bit matrix once for 64 samples) and the int16 permanences of the
winners, read and written. *bandwidth*: those bytes by the second, as a share of what a copy of
1 GiB on the same card reached in the same run ({bandwidth:.0f} GB/s). *kop/step*: additions of
bits and permanences. *ratio*: against the NumPy reference, which gives the same bytes.
"""


@dataclass(frozen=True)
class Case:
    """One row: sizes, share of inputs on, window, models at once, further parameters."""

    inputs: int
    columns: int
    density: float
    window: int = 1
    models: int = 1
    settings: dict[str, float] = field(default_factory=dict)

    @property
    def parameters(self) -> SpatialPoolerParameters:
        return SpatialPoolerParameters(columns=self.columns, **self.settings)

    @property
    def samples(self) -> int:
        """Samples of each model that are timed at a time."""
        return 256 if self.inputs * self.columns > 1 << 24 else 1024

    def bytes(self) -> float:
        """Return the bytes that one step of one model must move, learning."""
        rows = self.density * self.inputs * self.columns / 8
        matrix = self.inputs * self.columns / 8 / min(self.window, 64)
        won = self.parameters.active_columns
        # A window's winners are not all different; as if they were is the most it can be.
        changed = 4 * min(won, self.columns / self.window) * self.inputs
        return min(rows, matrix) + changed

    def operations(self) -> float:
        """Return the additions of one step of one model, learning."""
        won = self.parameters.active_columns
        return self.density * self.inputs * self.columns + won * self.inputs


def cases(quick: bool) -> list[Case]:
    """Return the rows; `quick` leaves out the largest."""
    rows = [Case(1024, 2048, 0.05, models=m) for m in (1, 8, 32, 128)]
    rows += [Case(1024, 2048, 0.05, models=m, settings=BOOST) for m in (1, 128)]
    for settings in ({}, BOOST):
        rows += [Case(784, 2048, 0.19, n, 1, settings) for n in (1, 10, 64, 256)]
    rows += [Case(784, 2048, 0.19, 256, 16)]
    if not quick:
        rows += [Case(16384, 16384, 0.02, n) for n in (1, 10, 64, 256)]
        rows += [Case(16384, 16384, 0.02, 1, 1, BOOST)]
        rows += [Case(16384, 65536, 0.02, n) for n in (1, 256)]
    return rows


def bandwidth(device: Device) -> float:
    """Return bytes read plus written per second when 1 GiB is copied on the card."""
    xp = device.xp
    source = xp.zeros(1 << 28, np.float32)
    target = xp.empty_like(source)
    rates = []
    for _ in range(12):
        wait(device)
        begin = time.perf_counter()
        xp.copyto(target, source)
        wait(device)
        rates.append(2 * source.nbytes / (time.perf_counter() - begin))
    return max(rates)


def wait(device: Device) -> None:
    """Wait until the card has done what it was told."""
    if hasattr(device.xp, "cuda"):
        device.xp.cuda.get_current_stream().synchronize()


def rate(device: Device, call: Any, steps: int, seconds: float) -> float:
    """Return the best steps per second of a call that makes `steps`, over about `seconds`."""
    call()  # compiles, and fills caches
    best, end = 0.0, time.perf_counter() + seconds
    while best == 0.0 or time.perf_counter() < end:
        wait(device)
        begin = time.perf_counter()
        call()
        wait(device)
        best = max(best, steps / (time.perf_counter() - begin))
    return best


def reference_rate(case: Case, bits: Bits) -> float:
    """Return learning steps per second of the NumPy backend; 0 where it would take minutes."""
    if case.inputs * case.columns > 1 << 22:
        return 0.0
    pooler = load_backend("reference").SpatialPooler(case.parameters, (case.inputs,), 1)
    few = bits.slice(0, max(case.window, 16))
    plan = Plan.every(case.window, len(few))
    return measuring.plain_rate(lambda: pooler.run(few, plan), len(few), 0.5)


def measure(device: Device, case: Case, peak: float, seconds: float) -> list[str]:
    """Run one case; return the cells of its row."""
    random = np.random.default_rng(0)
    bits = Bits.from_dense(random.random((case.samples, case.inputs)) < case.density)
    group = SpatialPoolerGroup(case.parameters, (case.inputs,), range(case.models), device)
    samples, plans = [bits] * case.models, [Plan.every(case.window, len(bits))] * case.models
    steps = len(bits) * case.models
    learn = rate(device, lambda: group.run(samples, plans), steps, seconds)
    infer = rate(device, lambda: group.compute(samples), steps, seconds / 2)
    plain = reference_rate(case, bits)
    return [
        f"{case.inputs} -> {case.columns}",
        f"{100 * case.density:.0f} %",
        "yes" if case.settings else "no",
        f"{case.window}",
        f"{case.models}",
        number(learn),
        number(infer),
        number(case.bytes() / 1e3, 2),
        share(learn * case.bytes(), peak),
        number(case.operations() / 1e3, 1),
        number(plain),
        times(learn, plain),
    ]


def measure_both(device: Device, models: int, seconds: float) -> list[str]:
    """Time poolers and memories that share launches, at steady state; return a row's cells."""
    random = np.random.default_rng(0)
    elements = [np.sort(random.choice(INPUTS, ON, replace=False)) for _ in range(ELEMENTS * 10)]
    order = random.integers(0, ELEMENTS, WARM // 10 + 1)
    rows = [elements[10 * s + k] for s in order for k in range(10)][:WARM]
    stream = Bits.from_rows(INPUTS, rows)
    sp = SpatialPoolerParameters(columns=COLUMNS, winners=ON)
    tm = TemporalMemoryParameters(
        activation_threshold=15, matching_threshold=12, new_synapses=20, segment_size=32,
        initial_permanence=0.21, connected=0.5, increment=0.1, decrement=0.1,
    )  # fmt: skip
    poolers = SpatialPoolerGroup(sp, (INPUTS,), range(models), device)
    memories = TemporalMemoryGroup(tm, COLUMNS, range(models), device)
    part = min(WARM, 1024)

    def learn(a: int) -> None:
        bits, plan = stream.slice(a, a + part), Plan.every(1, part)
        won = poolers.run([bits] * models, [plan] * models)
        memories.run(won, [plan] * models)

    for a in range(0, WARM - part + 1, part):
        learn(a)
    both = rate(device, lambda: learn(0), part * models, seconds)
    won = poolers.compute([stream.slice(0, part)] * models)
    plans = [Plan.every(1, part)] * models
    memory = rate(device, lambda: memories.run(won, plans), part * models, seconds)
    none = np.zeros(part, np.uint8)
    infer = rate(device, lambda: memories.compute(won, [none] * models), part * models, seconds)
    plain = load_backend("reference").TemporalMemory(tm, COLUMNS, 0)
    plain.load(memories.state(0))
    few = won[0].slice(0, 4)
    slow = measuring.plain_rate(lambda: plain.run(few, Plan.every(1, 4)), 4, 0.3)
    segments = memories.counters(0)["segments"]
    cells = (number(x) for x in (both, memory, infer, slow))
    return [f"{models}", *cells, times(memory, slow), f"{segments}"]


def tables(device: Device, peak: float, quick: bool, minutes: float) -> list[Table]:
    """Return the tables to measure, within about so many minutes."""
    end = time.monotonic() + 60 * minutes

    def rows(quick: bool) -> Iterator[list[str]]:
        for case in cases(quick):
            if time.monotonic() > end:
                print(f"out of time: left out {case}")
                return
            try:
                yield measure(device, case, peak, 0.3 if quick else 0.6)
            except MemoryError:
                print(f"no room on the card: left out {case}")

    def together(quick: bool) -> Iterator[list[str]]:
        for models in (1, 32, 128) if quick else (1, 8, 32, 100, 128, 256):
            if time.monotonic() > end:
                print(f"out of time: left out {models} models")
                return
            yield measure_both(device, models, 0.3 if quick else 1.0)

    about = ABOUT.format(bandwidth=peak / 1e9)
    return [
        Table("Both together", ABOUT_BOTH, HEADS_BOTH, 1, together),
        Table("Spatial pooler", about, HEADS, 5, rows),
    ]


def write(card: cards.Card, results: list[tuple[Table, list[list[str]]]], peak: float) -> None:
    """Put the tables at the end of docs/results/gpu.md, and the plot beside it."""
    page = RESULTS / "gpu.md"
    head = page.read_text().partition(MARK)[0]
    sections = [measuring.markdown(t, rows).replace("## ", "### ", 1) for t, rows in results]
    plot = RESULTS / "roofline-gpu.png"
    points = [
        roofline.Point(f"{row[0]}, window {row[3]}, {row[4]} models", *roofline.of_row(row, HEADS))
        for table, rows in results
        for row in rows
        if table.heads is HEADS
    ]
    title = f"{card.name}, {time.strftime('%Y-%m-%d')}"
    roofline.draw(plot, title, {"copying 1 GiB": peak}, points)
    intro = (
        f"{MARK}\n{card.name}, {card.total / 2**30:.0f} GiB, {time.strftime('%Y-%m-%d')}, by "
        "`benchmarks/gpu.sh`.\n\n![Roofline](roofline-gpu.png)\n"
    )
    page.write_text("\n".join([head + intro, *sections]))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter, without the largest")
    parser.add_argument("--write", action="store_true", help="write docs/results/gpu.md")
    parser.add_argument("--minutes", type=float, default=4.0, help="stop after about so many")
    options = parser.parse_args()
    try:
        card, device = cards.card(0), cuda_device(0)
    except UserError as error:
        print(f"no benchmark of a card: {error}", file=sys.stderr)
        return 2
    peak = bandwidth(device)
    print(f"{card.name}: {peak / 1e9:.0f} GB/s when copying")
    found = tables(device, peak, options.quick, options.minutes)
    results = [(table, measuring.measure(table, options.quick)) for table in found]
    if options.write:
        write(card, results, peak)
    return 0


if __name__ == "__main__":
    sys.exit(main())
