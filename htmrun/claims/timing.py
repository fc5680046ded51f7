"""Times things against each other: in turn, in one process, by processor time of this thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median

from htmrun._imports import torch

Clock = Callable[[], int]
"""Returns nanoseconds since some moment."""


def in_turn(
    calls: Mapping[str, Callable[[], int]], rounds: int, clock: Clock = time.thread_time_ns
) -> dict[str, float]:
    """Return the median microseconds of one sample by each call, over `rounds` rounds.

    calls: each handles some samples and returns how many. In each round all are called once, every
    other round backwards, so that what else the machine does falls on all alike; one round more,
    the first, is not counted.
    """
    found: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(rounds + 1):
        names = list(calls) if round_ % 2 else list(calls)[::-1]
        for name in names:
            begin = clock()
            samples = calls[name]()
            spent = clock() - begin
            if round_ > 0:
                found[name].append(spent / 1000 / samples)
    return {name: median(values) for name, values in found.items()}


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch compute on this thread alone, as our kernels do: only then is its time all seen."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
