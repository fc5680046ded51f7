"""Contracts of components and backends as test classes to subclass, for one's own kinds as well.

    class TestCoordinate(htmrun.testing.EncoderChecks):
        parameters = CoordinateParameters()
        samples = {"position": np.random.default_rng(0).normal(size=(50, 2))}

pytest runs the checks that such a class inherits; each class says what it needs. The tests of
htmrun's own kinds and backends are these. They need pytest, which htmrun itself does not.
"""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{name}" for name in ("backends", "encoders", "learners", "sources", "streams"))
)

from htmrun.testing.backends import BackendChecks, ClassifierChecks, MemoryChecks, PoolerChecks  # noqa: E402
from htmrun.testing.encoders import EncoderChecks  # noqa: E402
from htmrun.testing.learners import LearnerChecks, ReadoutChecks, StageChecks  # noqa: E402
from htmrun.testing.sources import SourceChecks  # noqa: E402

__all__ = [
    "BackendChecks",
    "ClassifierChecks",
    "EncoderChecks",
    "LearnerChecks",
    "MemoryChecks",
    "PoolerChecks",
    "ReadoutChecks",
    "SourceChecks",
    "StageChecks",
]
