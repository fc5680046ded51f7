"""Whole rows of permanences and compact pools side by side on a card: rows of on_card.py."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import cuda_models
from card import Row
from cuda_models import Case
from measuring import number, share

from htmrun.backends.cuda.device import Device
from htmrun.backends.cuda.pooler.pools import PoolsAsked

WAYS: tuple[PoolsAsked, ...] = ("dense", "compact")
HEADS = ["size", "synapses", "window", "models", *WAYS]
HEADS += [f"{way}, of a copy" for way in WAYS] + ["chosen", "best"]
ABOUT = """
Microseconds a step of all models, learning, the first windows of new poolers as two tables before:
with whole rows of permanences (*dense*), or the *synapses* of a column's pool alone (*compact*;
`kernels/README.md`). *of a copy*: bytes that each way cannot avoid, by the second, as a share of a
copy's bandwidth: those of compact pools are fewer. *chosen* is what
`htmrun/backends/cuda/pooler/pools.py` takes, *best* what was the fastest here.
"""
TENTH = {"potential_fraction": 0.1}
LOCAL = {"column_shape": (16384,), "potential_radius": 512}


def cases(quick: bool) -> list[Case]:
    """Return what is compared; `quick` leaves out the largest."""
    rows = [Case(1024, 2048, 0.05, 1, n) for n in (1, 128)]
    if quick:
        return rows
    rows += [Case(16384, 16384, 0.02, window) for window in (1, 10, 64, 256)]
    rows += [Case(16384, 16384, 0.02, 64, 1, s) for s in (TENTH, LOCAL)]
    return [*rows, Case(16384, 16384, 0.02, 1, 4), Case(4096, 8192, 0.02, 64)]


def pools(device: Device, peak: float, quick: bool) -> list[Row]:
    """Return the rows that compare layouts of permanences."""
    return [Row(_name(c), partial(layouts_of, device, c, peak)) for c in cases(quick)]


def _name(case: Case) -> str:
    """Sizes, and what says how large pools are."""
    pool = ", ".join(f"{name} {value}" for name, value in case.settings.items())
    return f"{case.inputs} -> {case.columns}, window {case.window}, models {case.models}" + (
        f", {pool}" if pool else ""
    )


def layouts_of(device: Device, case: Case, peak: float) -> list[str]:
    """Time both layouts; return the cells of a row."""
    took, shares, synapses = {}, [], 0
    for way in WAYS:
        steps, group, samples, begin = cuda_models.rate_at_first(device, case, pools=way)
        took[way] = 1e6 * case.models / steps
        moved = cuda_models.moved_at_first(case, group, samples, begin)
        shares.append(share(steps * moved, peak))
        begin()
        synapses = int((group.state(0)["permanences"][0] >= 0).sum())
    auto = cuda_models.layout(case, "auto")
    return [
        f"{case.inputs} -> {case.columns}", f"{synapses}", f"{case.window}", f"{case.models}",
        *(number(t, 1) for t in took.values()), *shares, "compact" if auto.entry else "dense",
        min(took, key=took.__getitem__),
    ]  # fmt: skip


def goal(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return what the rows measured so far say of layouts, a line or none."""
    found = [dict(zip(HEADS, row, strict=True)) for row in rows]
    wrong = [
        f"{c['size']}, {c['synapses']} synapses, windows of {c['window']}"
        for c in found
        if c["best"] != c["chosen"]
    ]
    if not found:
        return []
    if not wrong:
        return ["Of whole rows and compact pools the faster one was chosen in every row."]
    return [f"Of whole rows and compact pools the slower one was chosen: {'; '.join(wrong)}."]
