"""Whether this machine's memory holds what jobs side by side take: told before any is taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from htmrun.components.memory import MARGIN, available, size
from htmrun.components.registry import component_of
from htmrun.config.schema import Arm
from htmrun.errors import UserError
from htmrun.execution.jobs import Builder
from htmrun.execution.opening import OpenRun
from htmrun.execution.processes import workers_for
from htmrun.execution.ray_connection import LOCAL


def must_have_room(run: OpenRun) -> tuple[str, ...]:
    """Raise UserError where the jobs that run at once cannot begin on this machine's processor.

    Returns a line, if any, where they can, and could outgrow it.
    """
    if run.on != LOCAL or run.where.card is not None:
        return ()
    jobs = [job.arm for job in run.jobs]
    parts = {name: [*_parts(run.builder, name)] for name in dict.fromkeys(jobs)}
    count, free = workers_for(len(jobs), run.experiment.workers), int(available() * MARGIN)
    for place, words in enumerate(("need", "can come to need")):
        needs = {name: sum(part[1][place] for part in found) for name, found in parts.items()}
        largest = sorted((needs[name] for name in jobs), reverse=True)[:count]
        if sum(largest) <= free:
            continue
        every = (part for found in parts.values() for part in found)
        field, _ = max(every, key=lambda part: part[1][place])
        fitting = next(n for n in range(count, -1, -1) if sum(largest[:n]) <= free)
        fewer = f"workers={fitting}, or " if fitting else ""
        line = (
            f"{field}: {count} {'jobs at once' if count > 1 else 'job'} {words} "
            f"{size(sum(largest))} of memory and {size(free)} are free, expected {fewer}"
            f"{'a smaller one' if '.' in field else 'smaller stages before it'}"
        )
        if place == 0:
            raise UserError(line)
        return (line,)
    return ()


def _parts(builder: Builder, name: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield each stage's field that makes it large, and the bytes that it begins and ends with."""
    regime = builder.experiment.regime(name)
    if not isinstance(regime, Arm):
        return
    own = builder.of(regime)
    front, end = own.layout(regime), own.ending
    for stage in front.stages:
        p, kind = stage.parameters, component_of(stage.parameters)
        before = stage.before
        sizes = kind.first_bytes(p, before), kind.state_bytes(p, before)
        yield _field(stage.name, kind), sizes
    if not end.reads:
        return
    most = end.kind.state_bytes(end.parameters, front, own.targets)
    yield _field(end.name, end.kind), (most, most)


def _field(name: str, kind: Any) -> str:
    return f"{name}.{kind.size_field}" if kind.size_field else name
