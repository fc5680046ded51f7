"""What learning and inference cost, measured: alternating windows in one process, as ratios.

Every function here takes a size and a seed, takes some seconds on one core, and returns figures by
name: `*_us` are microseconds of processor time of this thread for one sample, medians over rounds;
the others are ratios of two of these, which other work on the machine moves less. `htmrun claim`
calls them by name; those of a card are in `card_costs`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from htmrun._imports import torch
from htmrun.backends import load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import (
    SDRModelParameters,
    SpatialPoolerParameters,
    TemporalMemoryParameters,
)
from htmrun.backends.plan import Plan
from htmrun.claims import card_costs
from htmrun.claims.composed import ComposedPooler
from htmrun.claims.measures import measure
from htmrun.claims.schema import Size
from htmrun.claims.timing import in_turn, one_torch_thread
from htmrun.errors import UserError

__all__ = [
    "card_costs", "kernels_against_library", "learning_and_inference", "online_in_torch",
    "window_pace",
]  # fmt: skip
WINDOWS = (1, 2, 5, 10, 20, 50, 100, 200)
WIDTHS = (512, 2048, 8192)


def patterns(seed: int, samples: int, size: int, share: float) -> Bits:
    """Return samples with exactly so many bits on, half-up(share * size), drawn at random."""
    random = np.random.default_rng(seed)
    on = int(share * size + 0.5)
    rows = [np.sort(random.choice(size, on, replace=False)) for _ in range(samples)]
    return Bits.from_rows(size, rows)


@measure
def learning_and_inference(size: Size, seed: int) -> dict[str, float]:
    """Time single samples with learning on and off: a spatial pooler, and a memory behind it.

    1024 inputs, 5 % on, 2048 columns, 2 % win, 16 cells a column, windows of 1; 100 patterns that
    come again in the same order. Figures: `{sp,tm,both}_{learn,infer}_us`, and
    `{sp,tm,both}_learn_over_infer`.
    """
    backend, rounds = load_backend("cpu"), 6 if size == "small" else 20
    bits = patterns(seed, 100, 1024, 0.05)
    plan = Plan.every(1, len(bits))
    pooler = backend.SpatialPooler(_pooler(boost_strength=2.0), (1024,), seed)
    memory = backend.TemporalMemory(
        TemporalMemoryParameters.model_validate({"cells_per_column": 16}), 2048, seed
    )
    for _ in range(10):
        pooler.run(bits, plan)
    frozen = pooler.compute(bits)
    for _ in range(10):
        memory.run(frozen, plan)
    us = in_turn(
        {
            "sp_learn": lambda: len(pooler.run(bits, plan)),
            "sp_infer": lambda: len(pooler.compute(bits)),
            "tm_learn": lambda: len(memory.run(frozen, plan).active),
            "tm_infer": lambda: len(memory.compute(frozen, plan.reset).active),
        },
        rounds,
    )
    us |= {f"both_{what}": us[f"sp_{what}"] + us[f"tm_{what}"] for what in ("learn", "infer")}
    found = {f"{name}_us": value for name, value in us.items()}
    for part in ("sp", "tm", "both"):
        found[f"{part}_learn_over_infer"] = us[f"{part}_learn"] / us[f"{part}_infer"]
    return found


@measure
def window_pace(size: Size, seed: int) -> dict[str, float]:
    """Time a spatial pooler that learns every N samples, at several widths, the windows in turn.

    784 inputs, 19 % on, as images have, 2 % of the columns win, with boosting. Figures:
    `us_N_WIDTH`, and `gain_N_WIDTH`, how many times as long a sample takes with N = 1.
    """
    widths = WIDTHS[:2] if size == "small" else WIDTHS
    windows = (1, 10, 100) if size == "small" else WINDOWS
    bits = patterns(seed, 200, 784, 0.19)
    found: dict[str, float] = {}
    for width in widths:
        p = _pooler(columns=width, boost_strength=2.0)
        calls: dict[str, Callable[[], int]] = {}
        for window in windows:
            pooler = load_backend("cpu").SpatialPooler(p, (784,), seed)
            calls[str(window)] = partial(_learned, pooler.run, bits, Plan.every(window, len(bits)))
        us = in_turn(calls, 3 if size == "small" else 7)
        for window in windows:
            found[f"us_{window}_{width}"] = us[str(window)]
            found[f"gain_{window}_{width}"] = us["1"] / us[str(window)]
    return found


@measure
def kernels_against_library(size: Size, seed: int) -> dict[str, float]:
    """Time our compiled spatial pooler against the same rule made of torch's operations.

    1024 inputs, 5 % on, 2048 columns (full: 4096 too), windows of 1 and of 100, one thread each.
    Both must have the same winners and permanences, or it is an error. Figures:
    `{ours,library}_us_N_WIDTH`, and `library_over_ours_N_WIDTH`; above 1 ours is the faster one.
    """
    rounds = 3 if size == "small" else 5
    found: dict[str, float] = {}
    for width in (2048,) if size == "small" else (2048, 4096):
        bits = patterns(seed, 100, 1024, 0.05)
        for window in (1, 100):
            with one_torch_thread():
                us = _against_library(bits, width, window, seed, rounds)
            for name in ("ours", "library"):
                found[f"{name}_us_{window}_{width}"] = us[name]
            found[f"library_over_ours_{window}_{width}"] = us["library"] / us["ours"]
    return found


def _against_library(
    bits: Bits, width: int, window: int, seed: int, rounds: int
) -> dict[str, float]:
    p = _pooler(columns=width)
    ours = load_backend("cpu").SpatialPooler(p, (bits.size,), seed)
    library = ComposedPooler(p, ours.state()["permanences"])
    plan = Plan.every(window, len(bits))
    us = in_turn(
        {
            "ours": lambda: len(ours.run(bits, plan)),
            "library": lambda: len(library.run(bits, window)),
        },
        rounds,
    )
    winners = ours.run(bits, plan).indices.reshape(len(bits), -1)
    same = np.array_equal(winners, library.run(bits, window))
    if not same or not np.array_equal(ours.state()["permanences"], library.permanences.numpy()):
        raise UserError("kernels_against_library: torch's pooler differs from ours")
    return us


@measure
def online_in_torch(size: Size, seed: int) -> dict[str, float]:
    """Time a small convolutional network in torch, learning from single samples and from windows.

    8 x 8 images, convolutions of 16 and 32 channels, a layer of 128, plain SGD, one thread; and
    beside it our pooler with a classifier on 192 bits, as in `experiment=digits`, online. Figures:
    `torch_{online,window}_us` (windows of 64), `ours_{online,window}_us`,
    `{torch,ours}_online_over_window`, and `torch_over_ours`, both online.
    """
    rounds = 5 if size == "small" else 15
    with one_torch_thread():
        us = in_turn(
            {
                "torch_online": _network(seed, 1),
                "torch_window": _network(seed, 64),
                "ours_online": _digits(seed, 1),
                "ours_window": _digits(seed, 64),
            },
            rounds,
        )
    found = {f"{name}_us": value for name, value in us.items()}
    for name in ("torch", "ours"):
        found[f"{name}_online_over_window"] = us[f"{name}_online"] / us[f"{name}_window"]
    return found | {"torch_over_ours": us["torch_online"] / us["ours_online"]}


def _network(seed: int, batch: int) -> Callable[[], int]:
    """Return what trains a network on 128 images, one step for each `batch`."""
    nn = torch.nn
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(128, 1, 8, 8, generator=generator)
    labels = torch.randint(10, (128,), generator=generator)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def train() -> int:
        for start in range(0, len(images), batch):
            optimizer.zero_grad()
            logits = model(images[start : start + batch])
            nn.functional.cross_entropy(logits, labels[start : start + batch]).backward()
            optimizer.step()
        return len(images)

    return train


def _digits(seed: int, window: int) -> Callable[[], int]:
    """Return what trains a pooler and a classifier on 640 samples."""
    backend, bits = load_backend("cpu"), patterns(seed, 640, 192, 0.3)
    targets = np.arange(len(bits), dtype=np.int64) % 10
    plan = Plan.every(window, len(bits))
    p = _pooler(density=0.1, boost_strength=2.0)
    pooler = backend.SpatialPooler(p, (192,), seed)
    classifier = backend.SDRClassifier(SDRModelParameters.model_validate({}), p.columns, 10)

    def train() -> int:
        classifier.run(pooler.run(bits, plan), targets, plan)
        return len(bits)

    return train


def _pooler(**settings: float) -> SpatialPoolerParameters:
    return SpatialPoolerParameters.model_validate(settings)


def _learned(run: Callable[[Bits, Plan], Bits], bits: Bits, plan: Plan) -> int:
    return len(run(bits, plan))
