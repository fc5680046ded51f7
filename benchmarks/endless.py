"""Pace and memory of a temporal memory that learns without end: python benchmarks/endless.py.

Default settings, 2048 columns of 32 cells, 40 active. Options: `--steps N` (a million unless told),
`--every N` steps between rows, `--noise SHARE` (sequences of which that share of columns is
replaced; without it no step is like another), `--limit N` (`tm.segments_per_column`; 0: null).
Prints steps per second of processor time, and the memory of the process, now and at most until
now.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from pathlib import Path

from measuring import machine, stay_on_one_core
from temporal_memory import Case, stream

from htmrun.backends.bits import Bits
from htmrun.backends.plan import Plan

HEADS = ["steps", "steps/s", "segments", "synapses", "evicted", "arrays, MB", "process, MB", "peak"]


def process_bytes() -> tuple[int, int]:
    """Return the bytes of memory that this process has now, and had at most."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE"), most


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--every", type=int, default=100_000)
    parser.add_argument("--noise", type=float)
    parser.add_argument("--limit", type=int, default=128)
    options = parser.parse_args()
    stay_on_one_core()
    noise = options.noise or 0.0
    repeats, limit = options.noise is not None, options.limit or None
    case = Case("", (), noise, repeats=repeats, segments_per_column=limit)
    memory, ahead, steps = case.memory(), stream(case), 0
    memory.run(Bits.from_rows(2048, [[1]]), Plan.every(1, 1))
    memory = case.memory()
    print(machine(), "\n", flush=True)
    print("|", " | ".join(HEADS), "|")
    print("|", " | ".join("---" for _ in HEADS), "|", flush=True)
    while steps < options.steps:
        mark, spent, before = min(steps + options.every, options.steps), 0.0, steps
        while steps < mark:
            part = next(ahead)
            begin = time.process_time()
            memory.run(part, Plan.every(1, len(part)))
            spent += time.process_time() - begin
            steps += len(part)
        counters = memory.counters()
        numbers = [steps, round((steps - before) / spent)]
        numbers += [counters[name] for name in ("segments", "synapses", "segments_evicted")]
        numbers += [round(size / 1e6) for size in (memory.nbytes, *process_bytes())]
        print("|", " | ".join(f"{n:,}" for n in numbers), "|", flush=True)


if __name__ == "__main__":
    main()
