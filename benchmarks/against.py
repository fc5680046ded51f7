"""Memory and pooler against another checkout's: python benchmarks/against.py FOLDER [NAME ...].

One process for each, on the same core, and window by window one after the other: what else a
machine does slows both. At the end of each case both must be in the same state.
NAME: only cases with one of these in their names. Images of MNIST are read from the folder
HTMRUN_TEST_DATA; without it their cases are left out.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from statistics import median

import measuring
import temporal_memory
from measuring import Table
from spatial_pooler import BOOST, Case

from htmrun.backends import State
from htmrun.backends.bits import Bits
from htmrun.backends.plan import Plan
from htmrun.components.sources import Chunk, open_source
from htmrun.config.compose import load
from htmrun.execution.jobs import Builder

HERE = Path(__file__).resolve().parent
HEADS = ["case", "after steps", "us before", "us now", "best by best", "median by median"]
ABOUT = "Microseconds of processor time for a sample, fastest windows; the code before by that now."
# Case of `temporal_memory.cases`, steps before, samples of a window, of a call, windows.
CASES = [
    ("first 1,000", 0, 100, 100, 10),
    ("learned", 40_000, 50, 50, 40),
    ("learned", 40_000, 50, 1, 40),
    ("learned, window 100", 40_000, 100, 100, 40),
    ("learned, punished", 40_000, 50, 50, 40),
    ("10 % noise", 20_000, 50, 50, 40),
    ("never repeating", 5_000, 50, 50, 20),
]
SMALL_POOLS = {"potential_fraction": 0.1, "density": 0.1}
# Name, case of `spatial_pooler`, windows; all of a case's samples are one.
POOLERS = [
    ("SP 784 -> 6241, pools of a tenth, window 1", Case(784, 6241, 0.19, 1, SMALL_POOLS), 20),
    ("SP 784 -> 6241, pools of a tenth, window 64", Case(784, 6241, 0.19, 64, SMALL_POOLS), 20),
    ("SP 784 -> 2048, window 1", Case(784, 2048, 0.19, 1, {}, 512), 20),
    ("SP 784 -> 2048, window 64", Case(784, 2048, 0.19, 64, {}, 512), 20),
    ("SP 784 -> 2048, boost, window 1", Case(784, 2048, 0.19, 1, BOOST, 512), 20),
    ("SP 1024 -> 2048, new patterns, window 1", Case(1024, 2048, 0.05, 1, {}, 0), 20),
    ("SP 4096 -> 4096, window 1", Case(4096, 4096, 0.02), 20),
    ("SP 16384 -> 16384, window 1", Case(16384, 16384, 0.02), 8),
]
TURNS = 4  # the first warms up
Wanted = Callable[[str], bool]
IMAGES = os.environ.get("HTMRUN_TEST_DATA", "")
PART, PARTS = 500, 20  # images of a window, windows
PIPELINE = "experiment=mnist, whole pipeline"


@cache
def mnist() -> tuple[Builder, list[Chunk]]:
    """Return the shipped experiment and its first images."""
    experiment = load(["experiment=mnist", f"data.path={IMAGES}/mnist"]).experiment
    builder = Builder(experiment, open_source(experiment.data))
    return builder, list(islice(builder.source.train(0, 0, PART), PARTS))


class Images(Case):
    """Images in the place of random patterns, each seen once in a turn."""

    @property
    def part(self) -> int:
        """Images that are timed at a time."""
        return PART

    def samples(self) -> Bits:
        """Return all images as bits."""
        builder, chunks = mnist()
        encoder = builder.pipeline(builder.experiment.arm["online"], 0).encoder
        return Bits.concatenate([encoder.encode(chunk.fields) for chunk in chunks])


if IMAGES:
    SHIPPED = {"potential_fraction": 0.1, "density": 0.05, "boost_strength": 2.0}
    POOLERS += [
        (f"{name}, window {n}", Images(784, columns, 0.1, n, settings), PARTS)
        for name, columns, settings in (
            ("SP on images, 784 -> 6241, pools of a tenth", 6241, SMALL_POOLS),
            ("SP of experiment=mnist, boost", 8192, SHIPPED),
        )
        for n in (1, 100)
    ]


def digest(state: State) -> str:
    """Return a hash of all arrays."""
    words = hashlib.sha256()
    for name in sorted(state):
        words.update(name.encode() + state[name].tobytes())
    return words.hexdigest()


def serve(wanted: Wanted) -> Iterator[str]:
    """Yield the seconds of one window after the other, and at the end of a turn the state."""
    yield from serve_memories(wanted)
    yield from serve_poolers(wanted)
    if IMAGES and wanted(PIPELINE):
        yield from serve_pipelines()


def serve_pipelines() -> Iterator[str]:
    builder, chunks = mnist()
    for _ in range(TURNS):
        pipeline = builder.pipeline(builder.experiment.arm["online"], 0)
        for chunk in chunks:
            plan = Plan.every(1, len(chunk))
            started = time.process_time()
            pipeline.run(chunk, plan)
            yield str(time.process_time() - started)
        yield digest(pipeline.state())


def serve_poolers(wanted: Wanted) -> Iterator[str]:
    for name, case, count in POOLERS:
        if not wanted(name):
            continue
        bits = case.samples()
        parts = [bits.slice(a, a + case.part) for a in range(0, len(bits), case.part)]
        plan = Plan.every(case.window, case.part)
        for _ in range(TURNS):
            pooler = case.pooler()
            for window in range(count):
                started = time.process_time()
                pooler.run(parts[window % len(parts)], plan)
                yield str(time.process_time() - started)
            yield digest(pooler.state())


def serve_memories(wanted: Wanted) -> Iterator[str]:
    for name, steps, window, call, count in CASES:
        if not wanted(named(name, call)):
            continue
        case = next(c for c in temporal_memory.cases(False) if c.name == name)
        trained, ahead = case.memory(), temporal_memory.stream(case)
        for part in islice(ahead, steps // 500):
            trained.run(part, Plan.every(case.window, len(part)))
        state = trained.state()
        samples = Bits.concatenate(list(islice(ahead, -(-window * count // 500))))
        plan = Plan.every(case.window, window) if call > 1 else Plan.every(1, 1)
        for _ in range(TURNS):
            memory = case.memory()
            if steps:
                memory.load(state)
            for begin in range(0, window * count, window):
                parts = [samples.slice(t, t + call) for t in range(begin, begin + window, call)]
                started = time.process_time()
                for part in parts:
                    memory.run(part, plan)
                yield str(time.process_time() - started)
            yield digest(memory.state())


def named(name: str, call: int) -> str:
    return name if call > 1 else f"{name}, one a call"


def child(folder: Path, names: list[str]) -> subprocess.Popen[str]:
    """Start a process with the code of `folder`, which measures a window for each line."""
    return subprocess.Popen(
        [sys.executable, str(HERE / "against.py"), "--serve", str(folder), *names],
        env=os.environ | {"PYTHONPATH": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> str:
    """Let a process measure its next window; return what it says."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def rows(folder: Path, names: list[str], wanted: Wanted) -> Iterator[list[str]]:
    """Yield a row for each case: the code of `folder` before, that of this checkout now."""
    both = [child(folder, names), child(HERE.parent, names)]
    every = [
        (named(name, call), steps, window, count) for name, steps, window, call, count in CASES
    ]
    every += [(name, 0, case.part, count) for name, case, count in POOLERS]
    every += [(PIPELINE, 0, PART, PARTS)] if IMAGES else []
    for name, steps, window, count in (case for case in every if wanted(case[0])):
        seconds: list[list[list[float]]] = [[[] for _ in range(count)] for _ in both]
        for turn in range(TURNS):
            for w in range(count):
                for which in (0, 1) if (turn + w) % 2 else (1, 0):
                    seconds[which][w].append(float(answer(both[which])))
            if answer(both[0]) != answer(both[1]):
                raise SystemExit(f"{name}: the states differ")
        # By window, for windows differ in what there is to do.
        best = [1e6 * sum(min(w[1:]) for w in s) / window / count for s in seconds]
        middle = [sum(median(w[1:]) for w in s) for s in seconds]
        ratios = (best[0] / best[1], middle[0] / middle[1])
        yield [name, f"{steps:,}", *(f"{b:.1f}" for b in best), *(f"{r:.2f}" for r in ratios)]
    for process in both:
        process.kill()


def main() -> None:
    """Measure, or serve another process that measures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="the other checkout")
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of names of cases")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder, names = options.folder.resolve(), options.names
    measuring.stay_on_one_core()

    def wanted(name: str) -> bool:
        return not names or any(part in name for part in names)

    if options.serve:
        for line, said in zip(sys.stdin, serve(wanted), strict=False):
            print(said, end="\n" if line else "", flush=True)
        return
    table = Table("Before and now", ABOUT, HEADS, 2, lambda _: rows(folder, names, wanted))
    print(measuring.markdown(table, measuring.measure(table, False)))


if __name__ == "__main__":
    main()
