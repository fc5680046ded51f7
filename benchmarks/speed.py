"""All speed figures: python benchmarks/speed.py [--quick] [--write [FILE]].

With --write the tables become docs/results/speed.md, or FILE: another machine's.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import encoders
import measuring
import one_sample
import other_systems
import pipelines
import sdr_classifier
import spatial_pooler
import temporal_memory
from measuring import Table

RESULT = Path(__file__).parents[1] / "docs" / "results" / "speed.md"
MODULES = (
    spatial_pooler, temporal_memory, sdr_classifier, encoders, pipelines, one_sample, other_systems,
)  # fmt: skip
SHORT = 0.25
"""A share of the floor below which a row is named among what falls short."""

INTRO = """# Speed

Samples per second of the CPU backend on one core: the process is bound to it, so that nothing has
a second thread, except in rows that say how many threads they had. Made by
`python benchmarks/speed.py --write{file}` (`make bench` prints the same).

Every figure comes from many windows of a few to a few hundred milliseconds of processor time:
*best* is the fastest, *median* the middle one. Other work on a machine only ever slows a window
down (it takes caches and memory bandwidth away), so the best shows what the code can do. *ratio*
compares the median with the NumPy reference backend, which gives the same results byte for byte,
measured in the same run. *floor* is what memory alone would allow for the bytes that have to move,
at rates measured in the same run on arrays of the same sizes; *share of floor* is the best window's
part of that. A share near 1 cannot be improved without another layout; a small one is arithmetic,
or overhead. A share above 1 means that rows came from a nearer cache than the array that the rate
was measured on, or that the rate was measured in a busier moment.

Machine: {machine}; commit {commit}.

The pooler's rows as a picture (`python benchmarks/roofline.py`): [roofline](roofline-cpu.png).
Memory and cache are those of the same machine; points above the line of memory live in caches.
The temporal memory on input that never repeats: [endless](endless.md). How much faster all this is
than the code before, measured by turns with it: [faster](faster.md).
"""


def falls_short(results: Sequence[tuple[Table, list[list[str]]]]) -> str:
    """Return what is far from its floor, as a section."""
    far = []
    for table, rows in results:
        for row in rows:
            name = f"{table.title}: " + ", ".join(c for c in row[: table.named] if c)
            for head, cell in zip(table.heads, row, strict=True):
                if head.startswith("share of") and cell and float(cell) < SHORT:
                    far.append(f"{name}, {cell} of the {head.removeprefix('share of ')}")
    return "\n".join(
        [
            "## What falls short\n",
            f"Below {SHORT} of what memory allows:\n",
            *(f"- {line}" for line in far or ["nothing"]),
            "\nWithin the spatial pooler:\n",
            *(f"- {line}" for line in spatial_pooler.findings(results[0][1])),
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter, without the largest")
    parser.add_argument(
        "--write", nargs="?", type=Path, const=RESULT, metavar="FILE",
        help="write the tables to docs/results/speed.md, or to FILE",
    )  # fmt: skip
    options = parser.parse_args()
    measuring.stay_on_one_core()
    tables = [table for module in MODULES for table in module.TABLES]
    results = [(table, measuring.measure(table, options.quick)) for table in tables]
    short = falls_short(results)
    print("\n" + short)
    if options.write:
        sections = [measuring.markdown(table, rows) for table, rows in results]
        file = "" if options.write == RESULT else f" {options.write}"
        intro = INTRO.format(machine=measuring.machine(), commit=measuring.commit(), file=file)
        options.write.parent.mkdir(parents=True, exist_ok=True)
        options.write.write_text("\n".join([intro, *sections, short]))


if __name__ == "__main__":
    main()
