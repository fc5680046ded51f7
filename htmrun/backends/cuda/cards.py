"""Which cards this machine offers, and in one line what is missing if it offers none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from htmrun.errors import UserError

INSTALL = "pip install 'htmrun[cuda12]' or 'htmrun[cuda13]', as the driver has it"


@dataclass(frozen=True)
class Card:
    """A CUDA device: its number, its name, and its memory in bytes, free and in all."""

    index: int
    name: str
    free: int
    total: int

    @property
    def device(self) -> str:
        """Its name in a configuration."""
        return f"cuda:{self.index}"


def lacking() -> str | None:
    """Return what keeps kernels from running here, with what would mend it; None: nothing."""
    try:
        cupy = _cupy()
    except ModuleNotFoundError as error:
        if error.name == "cupy":
            return f"CuPy; {INSTALL}"
        return f"a CuPy that can be imported ({error}); {INSTALL}"
    except ImportError as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        return f"a CuPy that can be imported ({reason}); {INSTALL}"
    # CuPy imports without a card and without a driver: only this says whether there is one.
    if not cupy.cuda.is_available():
        return f"a CUDA device: CuPy {cupy.__version__} sees none"
    try:
        cupy.cuda.nvrtc.getVersion()
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        return f"NVRTC, which compiles the kernels ({reason}); {INSTALL}"
    return None


def card(index: int) -> Card:
    """Return card number `index`; raise `UserError` that says what is missing or how many are."""
    lack = lacking()
    if lack is not None:
        raise UserError(f"device: found 'cuda' without {lack}, expected device=cpu or device=auto")
    cupy = _cupy()
    count = int(cupy.cuda.runtime.getDeviceCount())
    if index >= count:
        known = ", ".join(f"cuda:{i}" for i in range(count))
        raise UserError(f"device: found 'cuda:{index}', expected one of {known}")
    name = cupy.cuda.runtime.getDeviceProperties(index)["name"]
    with cupy.cuda.Device(index):
        free, total = cupy.cuda.runtime.memGetInfo()
    return Card(index, name.decode() if isinstance(name, bytes) else str(name), free, total)


def bus_id(index: int) -> str:
    """Return where card number `index` sits, e.g. `0000:65:00.0`: NVIDIA's tools count others."""
    return str(_cupy().cuda.Device(index).pci_bus_id)


def _cupy() -> Any:
    import cupy

    return cupy
