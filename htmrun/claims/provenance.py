"""When, where and with which code a claim was run."""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import htmrun
from htmrun.claims.outcome import Origin
from htmrun.tracking.provenance import code_tags


def here(seconds: float) -> Origin:
    """Return the origin of what has just been run in so many seconds."""
    return Origin(
        time.strftime("%Y-%m-%d"), htmrun.__version__, _commit(), _processor(), round(seconds, 1)
    )


@cache
def _commit() -> str:
    return code_tags().get("mlflow.source.git.commit", "")[:7]


@cache
def _processor() -> str:
    """Return the processor's name and how many cores there are."""
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = next(iter(names), name)
    return f"{name}, {os.cpu_count()} cores"
