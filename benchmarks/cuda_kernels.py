"""Kernels that do the same, side by side on a card: rows of benchmarks/on_card.py.

What is timed is the kernel alone: launches are captured once and repeated as one graph.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import get_args

import numpy as np
from card import Row, rate
from measuring import number

from htmrun.backends.bits import Bits
from htmrun.backends.cuda.chunk_schedule import Schedule
from htmrun.backends.cuda.device import Device
from htmrun.backends.cuda.pooler.group import SpatialPoolerGroup
from htmrun.backends.cuda.pooler.overlap_kernels import OverlapWay, chosen, possible
from htmrun.backends.cuda.rows import Rows
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan

REPEATED = 20
"""Launches of one captured graph."""

WAYS: tuple[OverlapWay, ...] = get_args(OverlapWay)
HEADS_WAYS = ["size", "on", "samples", "models", *WAYS, "chosen", "best"]
ABOUT_WAYS = """
Microseconds a launch that counts the overlaps of all samples with all columns and makes keys of
them, by each kernel that the card has instructions for (`kernels/README.md`). *chosen* is what
`htmrun/backends/cuda/pooler/overlap_kernels.py` takes, *best* what was the fastest here.
"""
NEIGHBOURS = ("any", "global", "shared")
HEADS_3X3 = ["grid", "wrap", *(f"inhibit {n}" for n in NEIGHBOURS)]
HEADS_3X3 += [f"boost {n}" for n in NEIGHBOURS]
ABOUT_3X3 = """
Microseconds a launch of local inhibition of 64 samples and of local boosting among 3 x 3
neighbours: the kernel for *any* radius, and the two for 3 x 3 that read neighbours from *global*
memory or share them through *shared* memory. All three write the same bytes.
"""


def microseconds(device: Device, launch: Callable[[], None], seconds: float) -> float:
    """Return the best time of one launch, captured and repeated, over about `seconds`."""
    assert device.capture is not None
    launch()  # loads the kernel, which a capture must not
    again = device.capture(lambda: [launch() for _ in range(REPEATED)] and None)
    return 1e6 / rate(device, again, REPEATED, seconds)


def ways_of(
    device: Device, inputs: int, columns: int, density: float, samples: int, models: int,
    seconds: float,
) -> list[str]:  # fmt: skip
    """Time all ways of counting overlaps; return the cells of a row."""
    random = np.random.default_rng(0)
    bits = Bits.from_dense(random.random((samples, inputs)) < density)
    p = SpatialPoolerParameters(columns=columns, boost_strength=3.0)
    kernels = SpatialPoolerGroup(p, (inputs,), range(models), device)._kernels
    rows = Rows.upload(device, [bits] * models)
    took: dict[str, float] = {}
    for way in possible(device.capability):
        launch = partial(kernels.overlap, rows, 0, samples, True, way)
        took[way] = microseconds(device, launch, seconds)
    auto = chosen(device.capability, int(rows.most_on.max()), samples, columns, rows.words, models)
    return [
        f"{inputs} -> {columns}", f"{100 * density:.0f} %", f"{samples}", f"{models}",
        *(number(took.get(way, 0.0), 1) for way in WAYS), auto, min(took, key=took.__getitem__),
    ]  # fmt: skip


def ways(device: Device, quick: bool) -> list[Row]:
    """Return the rows that compare ways of counting overlaps."""
    sizes = [(784, 2048, 0.19, n, 1) for n in (8, 16, 64, 256)]
    sizes += [(784, 2048, 0.19, 256, 16), (1024, 2048, 0.02, 64, 1)]
    if not quick:
        sizes += [(16384, 16384, 0.02, n, 1) for n in (8, 16, 64, 256)]
        sizes += [(16384, 16384, 0.2, 64, 1)]
    seconds = 0.05 if quick else 0.2
    return [
        Row(f"{i} -> {c}, {100 * on:.0f} % on, {n} samples, models {m}",
            partial(ways_of, device, i, c, on, n, m, seconds))
        for i, c, on, n, m in sizes
    ]  # fmt: skip


def neighbours_of(device: Device, height: int, width: int, wrap: bool, seconds: float) -> list[str]:
    """Time inhibition and boosting among 3 x 3 neighbours; return the cells of a row."""
    random = np.random.default_rng(0)
    p = SpatialPoolerParameters(
        columns=height * width, column_shape=(height, width), inhibition="local", wrap=wrap,
        inhibition_radius=1, density=0.25, boost_strength=3.0,
    )  # fmt: skip
    samples = Bits.from_dense(random.random((64, 64)) < 0.2)
    select, boost = [], []
    for kind in NEIGHBOURS:
        kernels = SpatialPoolerGroup(p, (64,), [0], device, local_kernels=kind)._kernels
        rows = Rows.upload(device, [samples])
        kernels.overlap(rows, 0, 64, True, "dense")
        won = kernels.no_winners(64)
        schedule = Schedule.upload(device, [Plan.every(1, 1)], [0], 0)
        select.append(microseconds(device, partial(kernels.select, won, 0, 64), seconds))
        boost.append(microseconds(device, partial(kernels.boost, schedule, 0), seconds))
    return [
        f"{height} x {width}", "yes" if wrap else "no",
        *(number(t, 1) for t in (*select, *boost)),
    ]  # fmt: skip


def neighbours(device: Device, quick: bool) -> list[Row]:
    """Return the rows that compare kernels for 3 x 3 neighbours."""
    sizes = [(64, 64, True), (128, 128, True), (128, 128, False)]
    sizes += [] if quick else [(512, 512, True)]
    seconds = 0.05 if quick else 0.2
    return [
        Row(f"{h} x {w}, {'wrapping' if wrap else 'cut'}",
            partial(neighbours_of, device, h, w, wrap, seconds))
        for h, w, wrap in sizes
    ]  # fmt: skip
