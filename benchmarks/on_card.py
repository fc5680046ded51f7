"""Speed on a card: python benchmarks/on_card.py [--quick] [--write] [--seconds 240] [--plan].

With --write the tables, with the card's name and the date, become the last section of
docs/results/gpu.md, and the roofline plot docs/results/roofline-gpu.png; both after each table, so
that a measurement that is cut short leaves what there was. Each part has a share of the seconds;
what fails or finds no time is named and the rest goes on. --plan says what would be measured,
without a card. Ends with status 2 where there is no card, 1 if something failed.

A file `cuda.py` here would hide the package `cuda` from CuPy, which then cannot be imported.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cuda_both
import cuda_kernels
import cuda_models
import cuda_online
import cuda_pools
import measuring
import roofline
from card import Part, Report, bandwidth, rows_until
from measuring import Table

from htmrun.backends.cuda import cards
from htmrun.backends.cuda.device import Device, cuda_device
from htmrun.errors import UserError

RESULTS = Path(__file__).parents[1] / "docs" / "results"
MARK = "## Measured\n"


class Clock:
    """Shares what is left of the time out among the parts that are left."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self.part_end = self._end

    def begin(self, part: Part, left: list[Part]) -> float:
        """Return when `part`, one of those `left`, should be over."""
        now = time.monotonic()
        fraction = part.share / sum(p.share for p in left)
        self.part_end = now + max(0.0, self._end - now) * fraction
        return self.part_end


def parts(device: Device, peak: float, quick: bool, clock: Clock) -> list[Part]:
    """Return what is to be measured, in this order."""
    about = cuda_models.ABOUT.format(bandwidth=peak / 1e9)
    both = cuda_both.both(device, quick, lambda: clock.part_end)
    return [
        Part("Spatial pooler", about, cuda_models.HEADS,
             cuda_models.pooler(device, peak, quick), 3.6),
        Part("Spatial pooler, at first", cuda_models.ABOUT_FIRST, cuda_models.HEADS_FIRST,
             cuda_models.at_first(device, peak, quick), 0.6),
        Part("Ways of learning online", cuda_online.ABOUT, cuda_online.HEADS,
             cuda_online.ways(device, quick), 0.6),
        Part("Whole rows and compact pools", cuda_pools.ABOUT, cuda_pools.HEADS,
             cuda_pools.pools(device, peak, quick), 1.0),
        Part("Both together", cuda_both.ABOUT, cuda_both.HEADS, both, 5),
        Part("Ways of counting overlaps", cuda_kernels.ABOUT_WAYS, cuda_kernels.HEADS_WAYS,
             cuda_kernels.ways(device, quick), 1.5),
        Part("3 x 3 neighbours", cuda_kernels.ABOUT_3X3, cuda_kernels.HEADS_3X3,
             cuda_kernels.neighbours(device, quick), 0.7),
    ]  # fmt: skip


def measure(chosen: list[Part], clock: Clock, report: Report, save: bool, card: cards.Card,
            peak: float) -> None:  # fmt: skip
    """Measure all parts into `report`; after each, `save` writes the page."""
    for k, part in enumerate(chosen):
        end = clock.begin(part, chosen[k:])
        table = Table(
            part.title, part.about, part.heads, 1, lambda _, p=part, e=end: rows_until(p, e, report)
        )
        report.results.append((table, measuring.measure(table, False)))
        for line in report.left_out:
            print(f"left out so far: {line}", file=sys.stderr)
        if save:
            write(card, report, peak)


def short(report: Report) -> list[str]:
    """Return what the tables so far say of the goals."""
    rows = {table.title: rows for table, rows in report.results}
    parts = ("Spatial pooler", "Spatial pooler, at first", "Both together")
    found = cuda_models.goals(*(rows.get(part, []) for part in parts))
    return found + cuda_pools.goal(rows.get("Whole rows and compact pools", []))


def label(row: Sequence[str]) -> str:
    """Return the name of a pooler's row in the plot."""
    models = f"{row[4]} model{'' if row[4] == '1' else 's'}"
    return f"{row[0]}, window {row[3]}, {models}{', boost' if row[2] == 'yes' else ''}"


def write(card: cards.Card, report: Report, peak: float) -> None:
    """Put the tables at the end of docs/results/gpu.md, and the plot beside it."""
    page = RESULTS / "gpu.md"
    head = page.read_text().partition(MARK)[0]
    date = time.strftime("%Y-%m-%d")
    lines = [
        MARK,
        f"{card.name}, {card.total / 2**30:.0f} GiB, {date}, by `benchmarks/on_card.py`.\n",
        *(f"- {line}" for line in short(report)),
        "",
    ]
    points = [
        roofline.Point(label(row), *roofline.of_row(row, heads))
        for heads, rows in ((table.heads, rows) for table, rows in report.results)
        if heads is cuda_models.HEADS
        for row in rows
    ]
    if points:
        plot = RESULTS / "roofline-gpu.png"
        roofline.draw(plot, f"{card.name}, {date}", {"copying 1 GiB": peak}, points)
        lines.append("![Roofline](roofline-gpu.png)\n")
    for table, rows in report.results:
        lines.append(measuring.markdown(table, rows).replace("## ", "### ", 1))
    if report.left_out:
        lines += ["### Left out\n", *(f"- {line}" for line in report.left_out), ""]
    page.write_text(head + "\n".join(lines))


def plan(quick: bool, seconds: float) -> None:
    """Print what would be measured, without a card."""
    clock = Clock(seconds)
    chosen = parts(Device(None, lambda *_: None, lambda a: a), 1e9, quick, clock)  # type: ignore[arg-type]
    whole = sum(part.share for part in chosen)
    for part in chosen:
        print(f"{part.title}: about {seconds * part.share / whole:.0f} s")
        for row in part.rows:
            print(f"  {row.name}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter, without the largest")
    parser.add_argument("--write", action="store_true", help="write docs/results/gpu.md")
    parser.add_argument("--seconds", type=float, default=240, help="stop after about so many")
    parser.add_argument("--plan", action="store_true", help="say what would be measured")
    options = parser.parse_args()
    if options.plan:
        plan(options.quick, options.seconds)
        return 0
    clock, report = Clock(options.seconds), Report()
    try:
        card, device = cards.card(0), cuda_device(0)
    except UserError as error:
        print(f"no benchmark of a card: {error}", file=sys.stderr)
        return 2
    peak = bandwidth(device)
    print(f"{card.name}: {peak / 1e9:.0f} GB/s when copying")
    chosen = parts(device, peak, options.quick, clock)
    measure(chosen, clock, report, options.write, card, peak)
    print("\n" + "\n".join(short(report)))
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(main())
