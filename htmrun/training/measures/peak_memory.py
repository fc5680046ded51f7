"""Peak memory of this process: of the host where the system tells, of cards where it uses some."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

from htmrun.backends.cuda import device

_PROCESS = Path("/proc/self")


def forget_peak() -> None:
    """Let peaks count from now on; on the host only Linux can, elsewhere they go on."""
    with contextlib.suppress(OSError):
        (_PROCESS / "clear_refs").write_text("5")
    device.forget_peaks()
    if (cuda := _torch_cuda()) is not None:
        for index in range(cuda.device_count()):
            cuda.reset_peak_memory_stats(index)


def peak_bytes() -> int | None:
    """Return the most resident memory since `forget_peak`, in bytes; None where unknown."""
    try:
        lines = (_PROCESS / "status").read_text().splitlines()
    except OSError:
        return None
    kibibytes = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), None)
    return None if kibibytes is None else int(kibibytes) * 1024


def peak_device_bytes() -> int | None:
    """Return the most memory taken on cards since `forget_peak`, in bytes; None if none was.

    Of the whole process, kernels' arrays and torch's together: jobs that share a card share it.
    Without what a driver takes for itself.
    """
    total = device.peak_bytes()
    if (cuda := _torch_cuda()) is not None:
        total += sum(int(cuda.max_memory_reserved(i)) for i in range(cuda.device_count()))
    return total or None


def _torch_cuda() -> Any:
    """Return torch.cuda if this process has used a card with it; None otherwise."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None
