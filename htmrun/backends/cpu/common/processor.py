"""What the processor that kernels are compiled for can do."""

from __future__ import annotations

import llvmlite.binding
from numba.core import config


def has(feature: str) -> bool:
    """Return whether compiled code may use instructions that LLVM calls `feature`.

    Those of this processor, unless NUMBA_CPU_FEATURES names others.
    """
    chosen = config.CPU_FEATURES  # type: ignore[attr-defined]
    if chosen is not None:
        return f"+{feature}" in chosen.split(",")
    return bool(llvmlite.binding.get_host_cpu_features().get(feature))
