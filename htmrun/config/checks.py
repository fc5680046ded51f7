"""Checks across the parts of an experiment, before any data is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from htmrun.config.schema import Experiment


def problems(experiment: Experiment) -> list[str]:
    """Return one line for each combination that cannot run, dotted path first."""
    return []
