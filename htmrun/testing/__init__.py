"""Contracts of components and backends as test classes to subclass, for one's own kinds as well.

    class TestCoordinate(htmrun.testing.EncoderChecks):
        parameters = CoordinateParameters()
        samples = {"position": np.random.default_rng(0).normal(size=(50, 2))}

pytest runs the checks that such a class inherits; each class says what it needs. The tests of
htmrun's own kinds and backends are these. They need pytest, which htmrun itself does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from htmrun.testing.backends import BackendChecks, ClassifierChecks, MemoryChecks, PoolerChecks
    from htmrun.testing.encoders import EncoderChecks
    from htmrun.testing.layers import LayerChecks
    from htmrun.testing.learners import LearnerChecks, ReadoutChecks, StageChecks
    from htmrun.testing.measures import MeasureChecks
    from htmrun.testing.sources import SourceChecks

__all__ = [
    "BackendChecks",
    "ClassifierChecks",
    "EncoderChecks",
    "LayerChecks",
    "LearnerChecks",
    "MeasureChecks",
    "MemoryChecks",
    "PoolerChecks",
    "ReadoutChecks",
    "SourceChecks",
    "StageChecks",
]
_MODULES = ("streams", "backends", "encoders", "learners", "sources", "layers", "measures")
# Before any of them is imported: pytest then says what an assert compared.
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in _MODULES))

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import a suite when it is asked for: layers need torch, measures the whole runner."""
        if name in __all__:
            for module in _MODULES:
                found = getattr(import_module(f"{__name__}.{module}"), name, None)
                if found is not None and found.__module__ == f"{__name__}.{module}":
                    return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
