"""The backends that tests run over: those that run everywhere, and the card's where one is."""

from __future__ import annotations

import pytest

from htmrun.backends import NAMES, cuda

CUDA = pytest.param("cuda", marks=pytest.mark.gpu)
BACKENDS = (*NAMES, CUDA)
OTHERS = ("cpu", CUDA)
"""Those that are held to the reference."""

MEMORY_ON_CUDA = "temporal_memory" in cuda.STAGES
MEMORY = (*NAMES, CUDA) if MEMORY_ON_CUDA else NAMES
"""The backends with a temporal memory."""
