"""Roofline plot of the processor's spatial pooler: python benchmarks/roofline.py [--quick].

Measures the rows of benchmarks/spatial_pooler.py on one core and writes
docs/results/roofline-cpu.png: how many additions each makes per byte that it has to move, how many
per second, and what the measured bandwidth of memory and of a cache would allow. To be run when
nothing else runs on the machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

RESULT = Path(__file__).parents[1] / "docs" / "results" / "roofline-cpu.png"


class Point(NamedTuple):
    """What was measured: additions per byte, additions per second."""

    name: str
    intensity: float
    rate: float


def of_row(row: Sequence[str], heads: Sequence[str]) -> tuple[float, float]:
    """Return intensity and rate of a row of the card's table."""
    cell = dict(zip(heads, row, strict=True))
    operations = float(cell["kop/step"].replace(",", "")) * 1e3
    moved = float(cell["kB/step"].replace(",", "")) * 1e3
    return operations / moved, operations * float(cell["learn on card/s"].replace(",", ""))


def draw(path: Path, title: str, roofs: Mapping[str, float], points: Sequence[Point]) -> None:
    """Draw additions per second over additions per byte, and roofs: bytes per second by name."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5.5), layout="constrained")
    low = min(p.intensity for p in points) / 2
    high = max(p.intensity for p in points) * 2
    for (name, bandwidth), line in zip(roofs.items(), ("-", "--", ":"), strict=False):
        axes.loglog(
            [low, high], [low * bandwidth, high * bandwidth], line, color="black", linewidth=1,
            label=f"{name}: {bandwidth / 1e9:.0f} GB/s, measured",
        )  # fmt: skip
    colours = pyplot.get_cmap("tab20")
    for k, point in enumerate(points):
        axes.loglog(
            point.intensity, point.rate, "os^D"[k // 20 % 4], color=colours(k % 20),
            markersize=6, label=point.name,
        )  # fmt: skip
    axes.set_xlabel("additions per byte that has to move")
    axes.set_ylabel("additions per second")
    axes.set_title(f"Spatial pooler, learning; {title}", fontsize=10)
    axes.grid(True, which="major", linewidth=0.3)
    axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def main() -> None:
    import measuring
    import numpy as np
    import spatial_pooler

    from htmrun.backends.bits import Bits
    from htmrun.backends.parameters import SpatialPoolerParameters
    from htmrun.backends.plan import Plan

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter, without the largest")
    options = parser.parse_args()
    measuring.stay_on_one_core()
    spatial_pooler.Case(64, 512, 0.1).pooler().run(Bits.from_rows(64, [[1]]), Plan.every(1, 1))
    points = []
    for case in spatial_pooler.cases(options.quick):
        bits, pooler = case.samples(), case.pooler()
        plan = Plan.every(case.window, case.part)
        learn = measuring.windows(lambda part: pooler.run(part, plan), bits, case.part, 0.5)  # noqa: B023
        parameters = SpatialPoolerParameters(columns=case.columns, **case.settings)
        won = parameters.active_columns
        winners = pooler.compute(bits.slice(0, max(16, case.window)))
        ends = range(case.window, len(winners) + 1, case.window)
        different = [len(np.unique(winners.slice(e - case.window, e).indices)) for e in ends]
        changed = 4 * float(np.mean(different)) * case.inputs / case.window
        moved = case.density * case.inputs * case.columns / 8 + changed
        operations = case.density * case.inputs * case.columns + won * case.inputs
        name = (
            f"{case.inputs} -> {case.columns}, {100 * case.density:.0f} % on, {case.label}, window "
            f"{case.window}"
        )
        points.append(Point(name, operations / moved, operations * learn.best))
        print(f"{name}: {operations / moved:.2f} additions/byte, {learn.best:,.0f} steps/s")
    # Most of the sizes fit into a cache, the largest into none.
    roofs = {
        "reading memory": measuring.read_rate(1 << 29),
        "reading a cache (1 MiB)": measuring.read_rate(1 << 20),
    }
    draw(RESULT, f"one core, {time.strftime('%Y-%m-%d')}", roofs, points)
    print(f"wrote {RESULT.name}")


if __name__ == "__main__":
    main()
