"""What measurements on a card share: waiting for it, best rates, rows under a budget of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from measuring import Table

from htmrun.backends.cuda.device import Device


class OutOfTimeError(Exception):
    """There is no time left for what was being measured."""


@dataclass(frozen=True)
class Row:
    """A row of a table that is still to be measured, under a name."""

    name: str
    measure: Callable[[], list[str]]


@dataclass(frozen=True)
class Part:
    """A table, the rows to measure for it, and its share of the time (any number)."""

    title: str
    about: str
    heads: list[str]
    rows: list[Row]
    share: float


@dataclass
class Report:
    """What was measured so far, and what was left out and why."""

    results: list[tuple[Table, list[list[str]]]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    failed: bool = False


def wait(device: Device) -> None:
    """Wait until the card has done what it was told."""
    if hasattr(device.xp, "cuda"):
        device.xp.cuda.get_current_stream().synchronize()


def rate(device: Device, call: Any, steps: int, seconds: float) -> float:
    """Return the best steps per second of a call that makes `steps`, over about `seconds`."""
    call()  # compiles, and fills caches
    best, end = 0.0, time.perf_counter() + seconds
    while best == 0.0 or time.perf_counter() < end:
        wait(device)
        begin = time.perf_counter()
        call()
        wait(device)
        best = max(best, steps / (time.perf_counter() - begin))
    return best


def bandwidth(device: Device) -> float:
    """Return bytes read plus written per second when 1 GiB is copied on the card."""
    xp = device.xp
    source = xp.zeros(1 << 28, np.float32)
    target = xp.empty_like(source)
    return rate(device, lambda: xp.copyto(target, source), 2 * source.nbytes, 0.2)


def rows_until(part: Part, end: float, report: Report) -> Iterator[list[str]]:
    """Yield the rows measured before `end` (`time.monotonic`); what fails is left out, not all."""
    for row in part.rows:
        name = f"{part.title}, {row.name}"
        if time.monotonic() > end:
            report.left_out.append(f"{name}: out of time")
            continue
        try:
            yield row.measure()
        except OutOfTimeError:
            report.left_out.append(f"{name}: out of time")
        except MemoryError:
            report.left_out.append(f"{name}: no room on the card")
        except Exception as error:
            # One kernel that fails on a card must not cost the figures of all others.
            report.failed = True
            cause = (str(error).splitlines() or [""])[0]
            report.left_out.append(f"{name}: {type(error).__name__}: {cause}")
