"""What a card makes of it: pace beside the processor, equal bytes, and the bandwidth reached.

These need a card and raise `UserError` without one. Samples come from host memory and winners go
back there, so the clock is that of the wall.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from htmrun.backends import load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.cuda import cards
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.backends.state import state_hash
from htmrun.claims.measures import measure
from htmrun.claims.schema import Size
from htmrun.claims.timing import in_turn
from htmrun.errors import UserError

Shape = tuple[int, int]
"""Inputs and columns."""


@measure
def card_and_processor(size: Size, seed: int) -> dict[str, float]:
    """Time spatial poolers on the card and on one core of the processor, online, in turn.

    Figures, for poolers of 1024 -> 2048 (`small`) and of 4096 -> 4096, full 8192 -> 8192 (`large`):
    `{small,large}_{learn,infer}_speedup`, how many times as fast the card is;
    `{small,large}_speedup_ratio`, that of learning over that of inference; and
    `{small,large}_same`, 1 where winners and state are the same bytes.
    """
    side = 4096 if size == "small" else 8192
    return compared({"small": (1024, 2048), "large": (side, side)}, seed, samples=256)


def compared(
    shapes: dict[str, Shape], seed: int, samples: int, rounds: int = 5
) -> dict[str, float]:
    """Return the figures of `card_and_processor` for poolers of other `shapes`."""
    _need()
    found: dict[str, float] = {}
    for name, (inputs, columns) in shapes.items():
        p = SpatialPoolerParameters.model_validate({"columns": columns, "boost_strength": 2.0})
        bits = _patterns(seed, samples, inputs)
        plan = Plan.every(1, samples)
        models = {n: load_backend(n).SpatialPooler(p, (inputs,), seed) for n in ("cuda", "cpu")}
        calls: dict[str, Callable[[], int]] = {}
        for kind, model in models.items():
            calls[f"{kind}_learn"] = partial(_samples, model.run, bits, plan)
            calls[f"{kind}_infer"] = partial(_samples, model.compute, bits)
        us = in_turn(calls, rounds, time.perf_counter_ns)
        for what in ("learn", "infer"):
            found[f"{name}_{what}_speedup"] = us[f"cpu_{what}"] / us[f"cuda_{what}"]
        found[f"{name}_speedup_ratio"] = (
            found[f"{name}_learn_speedup"] / found[f"{name}_infer_speedup"]
        )
        states = {state_hash(model.state()) for model in models.values()}
        winners = [model.compute(bits).indices.tobytes() for model in models.values()]
        found[f"{name}_same"] = float(len(states) == 1 and winners[0] == winners[1])
    return found


@measure
def card_bandwidth(size: Size, seed: int) -> dict[str, float]:
    """Time a spatial pooler that is large for a card, and say how much of a copy's pace it reaches.

    16384 -> 16384 (small: 4096 -> 4096), 2 % on, windows of 1 and 64. What is counted are bytes
    that learning must read: rows of connected bits of the on-inputs, and permanences of the
    columns that won, once a window. Figures: `share_N`, of what a copy reads by the second, with
    samples uploaded and winners fetched meanwhile.
    """
    side = 4096 if size == "small" else 16384
    return bandwidth((side, side), seed, (1, 64), samples=1024, copied=1 << 30)


def bandwidth(
    shape: Shape, seed: int, windows: Sequence[int], samples: int, copied: int
) -> dict[str, float]:
    """Return the figures of `card_bandwidth` for another shape; a copy has `copied` bytes."""
    _need()
    inputs, columns = shape
    p = SpatialPoolerParameters.model_validate({"columns": columns})
    bits = _patterns(seed, samples, inputs)
    found: dict[str, float] = {}
    for window in windows:
        model: Any = load_backend("cuda").SpatialPooler(p, (inputs,), seed)
        pace = _copy_pace(model._group._kernels.device.xp, copied)
        plan = Plan.every(window, samples)
        spent, read = [], 0.0
        for round_ in range(4):
            begin = time.perf_counter()
            winners = model.run(bits, plan)
            if round_ > 0:
                spent.append(time.perf_counter() - begin)
                read = _bytes_read(bits, winners.dense(), inputs, window)
        found[f"share_{window}"] = read / median(spent) / pace
    return found


def _bytes_read(bits: Bits, winners: np.ndarray, inputs: int, window: int) -> float:
    """Return bytes of connected rows for each on-bit, and of permanences once a window."""
    learners = sum(
        int(winners[a : a + window].any(0).sum()) for a in range(0, len(winners), window)
    )
    return len(bits.indices) * winners.shape[1] / 8 + learners * inputs * 2


def _copy_pace(xp: Any, size: int) -> float:
    """Return the bytes that a copy on the card reads by the second."""
    source = xp.ones(size // 8, np.uint64)
    target = xp.empty_like(source)
    spent = []
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(4):
            target[...] = source
        float(target[-1])  # waits for the card
        spent.append((time.perf_counter() - begin) / 4)
    return size / median(spent)


def _patterns(seed: int, samples: int, inputs: int) -> Bits:
    random = np.random.default_rng(seed)
    on = max(1, inputs // 50)
    rows = [np.sort(random.choice(inputs, on, replace=False)) for _ in range(samples)]
    return Bits.from_rows(inputs, rows)


def _samples(call: Callable[..., Bits], *given: Any) -> int:
    return len(call(*given))


def _need() -> None:
    lacking = cards.lacking()
    if lacking is not None:
        raise UserError(f"needs a card; found none: {lacking}")
