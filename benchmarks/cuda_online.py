"""Ways of learning online side by side on a card: rows of benchmarks/on_card.py."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import get_args

import cuda_models
from card import Row
from cuda_models import Case
from measuring import number

from htmrun.backends.cuda.device import Device
from htmrun.backends.cuda.pooler.online import OnlineWay

WAYS: tuple[OnlineWay, ...] = get_args(OnlineWay)
COMPACT = "ahead, compact"
HEADS = ["size", "on", "boost", "models", *WAYS, COMPACT, "best"]
ABOUT = """
Microseconds a step of all models, online, the first 64 samples of new poolers as in the table
before, by each way (`kernels/README.md`): winners selected by one block *alone*, or *listed* by
many from a histogram of the keys; *deferred*: also flips of bits by input applied one launch later;
*ahead*: also permanences fetched into the cache before the launch that changes them. All of whole
rows of permanences, and the last of compact pools.
"""


def ways(device: Device, quick: bool) -> list[Row]:
    """Return the rows that compare ways of learning online."""
    rows = [Case(1024, 2048, 0.05, 1, n) for n in (1, 128)]
    if not quick:
        rows += [cuda_models.LARGE, replace(cuda_models.LARGE, settings=cuda_models.BOOST)]
        rows += [replace(cuda_models.LARGE, models=4), Case(16384, 65536, 0.02)]
    return [Row(c.name, partial(ways_of, device, c)) for c in rows]


def ways_of(device: Device, case: Case) -> list[str]:
    """Time all ways of learning online; return the cells of a row."""
    asked = {way: (way, "dense") for way in WAYS} | {COMPACT: ("ahead", "compact")}
    took = {
        name: 1e6 * case.models / cuda_models.rate_at_first(device, case, *how)[0]
        for name, how in asked.items()
    }
    return [
        f"{case.inputs} -> {case.columns}", f"{100 * case.density:.0f} %",
        "yes" if case.settings else "no", f"{case.models}",
        *(number(t, 1) for t in took.values()), min(took, key=took.__getitem__),
    ]  # fmt: skip
