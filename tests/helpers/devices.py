"""The backends that tests run over: those that run everywhere, and the card's where one is."""

from __future__ import annotations

from typing import Any

import pytest

from htmrun.backends import NAMES, load_backend

CUDA = pytest.param("cuda", marks=pytest.mark.gpu)
BACKENDS = (*NAMES, CUDA)
OTHERS = ("cpu", CUDA)
"""Those that are held to the reference."""


class Lazy:
    """A backend by name, imported when a test asks it for a model."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, model: str) -> Any:
        # pytest looks for other attributes, also where there is no card.
        if model not in ("SpatialPooler", "TemporalMemory", "SDRClassifier"):
            raise AttributeError(model)
        return getattr(load_backend(self.name), model)

    def __repr__(self) -> str:
        return self.name


LAZY = (*(Lazy(name) for name in NAMES), pytest.param(Lazy("cuda"), marks=pytest.mark.gpu))
"""Every backend as a package, for tests that take one."""
