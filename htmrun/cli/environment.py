"""Variables of the environment that stop a package from working, checked before it is imported."""

from __future__ import annotations

import os
from collections.abc import Mapping

from htmrun.errors import UserError, nearest

_LEVELS = ("CRITICAL", "FATAL", "ERROR", "WARNING", "WARN", "INFO", "DEBUG", "NOTSET")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "NUMBA_THREADING_LAYER": (
        "default", "safe", "threadsafe", "forksafe", "workqueue", "omp", "tbb",
    ),
    "MLFLOW_LOGGING_LEVEL": (*_LEVELS, *map(str.lower, _LEVELS)),
}  # fmt: skip
_COUNTS: Mapping[str, int] = {"NUMBA_NUM_THREADS": 4096}
"""Variables that hold a number from 1 on, and the largest."""


def check() -> None:
    """Raise UserError for the first variable whose value a package of ours stumbles over."""
    for name, most in _COUNTS.items():
        found = os.environ.get(name, "1")
        if not found.isascii() or not found.isdecimal() or not 1 <= int(found[:9]) <= most:
            raise UserError(
                f"{name}: found '{found}' in the environment, expected 1 to {most}, or unset"
            )
    for name, choices in _CHOICES.items():
        found = os.environ.get(name, choices[0])
        if found not in choices:
            raise UserError(
                f"{name}: found '{found}' in the environment, expected one of "
                f"{', '.join(choices)}{nearest(found, choices)}"
            )
