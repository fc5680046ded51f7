"""Pace of the temporal memory on input that never repeats: python benchmarks/endless.py.

Options: `--steps N` (a million unless told), `--segments N` of a cell (4). Every cell soon has as
many segments as it may, and each new one takes the place of the one used longest ago. Prints the
steps per second of processor time over the last tenth before each mark.
"""

from __future__ import annotations

import argparse
import time

from measuring import machine, stay_on_one_core
from temporal_memory import Case, stream

from htmrun.backends.bits import Bits
from htmrun.backends.plan import Plan

MARKS = [10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=MARKS[-1])
    parser.add_argument("--segments", type=int, default=4)
    options = parser.parse_args()
    stay_on_one_core()
    case = Case("", (), repeats=False, segments_per_cell=options.segments)
    memory, ahead, steps = case.memory(), stream(case), 0
    memory.run(Bits.from_rows(2048, [[1]]), Plan.every(1, 1))
    memory = case.memory()
    print(machine(), "\n", flush=True)
    print("| steps | steps/s | segments | synapses | bytes of all arrays |")
    print("| --- | --- | --- | --- | --- |")
    for mark in [m for m in MARKS if m <= options.steps]:
        spent, counted = 0.0, 0
        while steps < mark:
            part = next(ahead)
            begin = time.process_time()
            memory.run(part, Plan.every(1, len(part)))
            if steps >= mark - mark // 10:
                spent += time.process_time() - begin
                counted += len(part)
            steps += len(part)
        counters = memory.counters()
        size = f"{counters['segments']:,} | {counters['synapses']:,} | {memory.nbytes:,}"
        print(f"| {steps:,} | {counted / spent:,.0f} | {size} |", flush=True)


if __name__ == "__main__":
    main()
