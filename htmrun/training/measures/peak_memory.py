"""Peak memory of this process: of the host where the system tells, of cards where it uses some."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any, ClassVar

from htmrun.backends.cuda import device
from htmrun.components.registry import register
from htmrun.training.measures.measure import Found, Measure, Metric, Run

_PROCESS = Path("/proc/self")


@register("measure")
class PeakMemory(Measure):
    """Peaks since the job began: of the whole process, data and libraries included."""

    metrics: ClassVar = (
        Metric("peak_memory_bytes", "cost", "down", "most memory of its process, data and "
               "libraries included", "bytes", timed=True),
        Metric("peak_device_memory_bytes", "cost", "down", "most memory that arrays of its process "
               "took on a card; jobs that share the card share it", "bytes", timed=True),
    )  # fmt: skip
    order = 90

    def begin(self, run: Run) -> None:
        """Let peaks count from now on."""
        forget_peak()

    def finish(self, run: Run) -> Found:
        """Return the peaks; what is not known is left out."""
        peaks = {
            "peak_memory_bytes": peak_bytes(), "peak_device_memory_bytes": peak_device_bytes()
        }  # fmt: skip
        return Found({name: float(peak) for name, peak in peaks.items() if peak is not None})


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
