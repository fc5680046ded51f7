"""Memory of this machine: how much there is, and a line before more than that is taken."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

from htmrun.errors import UserError

MARGIN = 0.9
"""Share of the free memory that is planned with: others want some, too."""
_GROUP = Path("/sys/fs/cgroup")


def available() -> int:
    """Return the bytes that can be taken: what is free, or left to a container."""
    free = min(int(psutil.virtual_memory().available), _left_of_the_limit())
    try:
        most = int((_GROUP / "memory.max").read_text())
        used = int((_GROUP / "memory.current").read_text())
    except (OSError, ValueError):  # No container, or no limit ("max").
        return free
    return max(0, min(free, most - used))


def _left_of_the_limit() -> int:
    """Return what `ulimit -v` leaves to this process."""
    try:
        most, _ = psutil.Process().rlimit(psutil.RLIMIT_AS)
    except AttributeError:  # Not on this system.
        return sys.maxsize
    own = psutil.Process().memory_info().vms
    return sys.maxsize if most == psutil.RLIM_INFINITY else max(0, most - own)


def must_fit(needed: int, what: str, instead: str) -> None:
    """Raise UserError unless so many bytes can be taken.

    what: who needs them, with a field before it; instead: what makes it smaller.
    """
    free = int(available() * MARGIN)
    if needed > free:
        raise UserError(
            f"{what} {size(needed)} of memory and {size(free)} are free, expected {instead}"
        )


def size(number: int) -> str:
    """Return bytes in words, e.g. `1.5 GiB`."""
    value = float(number)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
