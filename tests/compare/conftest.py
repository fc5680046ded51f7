"""The prepared database, which the tests of tracking use as well."""

from __future__ import annotations

from tests.tracking.conftest import prepared, runs

__all__ = ["prepared", "runs"]
