"""The launches of a chunk, captured once and repeated for later chunks of the same form.

Thousands of launches that differ in nothing but the data are one launch of a CUDA graph: then
neither Python nor the latency of launches sets the pace. What is captured reads and writes arrays
of its own, into which each chunk is copied on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

from htmrun.backends.cuda.chunk_schedule import Schedule
from htmrun.backends.cuda.device import Device
from htmrun.backends.cuda.rows import Rows

Run = Callable[[Rows, Any, Schedule], None]

FORMS = 2
"""Forms of chunks that a group remembers; further ones push out the oldest."""

ROOM = 1.5
"""Room for on-bits, as a multiple of those of the chunk that is captured."""


@dataclass
class _Captured:
    rows: Rows
    won: Any
    schedule: Schedule
    go: Callable[[], None]
    kept: tuple[Any, ...]


class Replays:
    """Captured chunks of one group by their form."""

    def __init__(self) -> None:
        self._by_form: dict[Hashable, _Captured | None] = {}

    def run(
        self, device: Device, way: Hashable, run: Run, scratch: Callable[[], tuple[Any, ...]],
        rows: Rows, won: Any, schedule: Schedule,
    ) -> Any:  # fmt: skip
        """Do what `run(rows, won, schedule)` does; return the array that holds the winners.

        `way` is what the launches depend on besides the chunk's form; `scratch` returns arrays
        that they use, kept alive with what is captured. A form is captured when it comes for the
        second time: by then kernels are loaded and scratch memory has its size.
        """
        form = (
            rows.rows, schedule.lead, way, schedule.commits.tobytes(), schedule.boosts.tobytes(),
            schedule.most_window.tobytes(),
        )  # fmt: skip
        if device.capture is None or form not in self._by_form:
            self._remember(form, None)
            run(rows, won, schedule)
            return won
        captured = self._by_form[form]
        if captured is None or len(captured.rows.on_j) < len(rows.on_j):
            captured = _capture(device, run, scratch, rows, won, schedule)
            self._remember(form, captured)
        _copy(captured, rows, won, schedule)
        captured.go()
        return captured.won

    def _remember(self, form: Hashable, captured: _Captured | None) -> None:
        self._by_form.pop(form, None)
        self._by_form[form] = captured
        while len(self._by_form) > FORMS:
            del self._by_form[next(iter(self._by_form))]


def _capture(
    device: Device, run: Run, scratch: Callable[[], tuple[Any, ...]], rows: Rows, won: Any,
    schedule: Schedule,
) -> _Captured:  # fmt: skip
    xp = device.xp
    own_rows = replace(
        rows,
        x_mrw=xp.empty_like(rows.x_mrw),
        on_j=xp.zeros(int(len(rows.on_j) * ROOM), rows.on_j.dtype),
        offset_mr=xp.empty_like(rows.offset_mr),
    )
    own_schedule = replace(
        schedule,
        window=xp.empty_like(schedule.window),
        boost=xp.empty_like(schedule.boost),
        learner_count=xp.empty_like(schedule.learner_count),
        most=xp.empty_like(schedule.most),
    )
    own_won = xp.empty_like(won)
    assert device.capture is not None
    go = device.capture(lambda: run(own_rows, own_won, own_schedule))
    return _Captured(own_rows, own_won, own_schedule, go, scratch())


def _copy(captured: _Captured, rows: Rows, won: Any, schedule: Schedule) -> None:
    captured.rows.on_j[: len(rows.on_j)] = rows.on_j
    captured.won[...] = won
    for name in ("x_mrw", "offset_mr"):
        getattr(captured.rows, name)[...] = getattr(rows, name)
    for name in ("window", "boost", "learner_count", "most"):
        getattr(captured.schedule, name)[...] = getattr(schedule, name)
