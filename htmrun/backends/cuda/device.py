"""What the launch code needs of a device: an array namespace, and kernels by file and name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from htmrun.backends.cuda.cards import card
from htmrun.backends.cuda.pooler.overlap_kernels import Capability
from htmrun.paths import KERNELS

Kernel = Callable[..., Any]
"""Called as kernel(grid, block, arguments)."""


@dataclass
class Device:
    """An array namespace (`xp`: CuPy, or NumPy in tests) and the kernels that work on its arrays.

    find(file, name) returns a kernel of a file in `kernels/`; to_host copies an array of `xp`
    to NumPy. `threads` is the block size of most kernels, `select_threads` that of the kernels
    that give a whole block to one sample; both multiples of 32, at most 1024.
    `capability` is the card's compute capability: what its instructions are.
    capture(run) returns a function that repeats the launches of run(), which it does not start:
    the same kernels, grids and arguments, in the same order.
    `current()` makes it the card that a thread works on, as long as it is entered.
    """

    xp: Any
    find: Callable[[str, str], Kernel]
    to_host: Callable[[Any], np.ndarray]
    threads: int = 256
    select_threads: int = 1024
    capture: Callable[[Callable[[], None]], Callable[[], None]] | None = None
    capability: Capability = (7, 0)
    current: Callable[[], AbstractContextManager[Any]] = nullcontext
    _found: dict[str, Kernel] = field(default_factory=dict)

    def launch(
        self, file: str, name: str, grid: tuple[int, ...], block: tuple[int, ...], *arguments: Any
    ) -> None:
        """Start kernel `name` of `file`; scalars in `arguments` are NumPy scalars of its types."""
        if 0 in grid:
            return
        if name not in self._found:
            self._found[name] = self.find(file, name)
        self._found[name](grid, block, arguments)


def compile_options() -> tuple[str, ...]:
    """Return how NVRTC must compile the kernels, wherever that is done.

    Without --fmad=false a multiply and an add become one operation, and results differ. The
    digest of the headers makes a cache of compiled sources notice a changed header.
    """
    digest = hashlib.sha256()
    for header in sorted(KERNELS.glob("*.cuh")):
        digest.update(header.read_bytes())
    version = f"-DKERNEL_HEADERS=0x{digest.hexdigest()[:8]}"
    return "-std=c++17", "--fmad=false", f"-I{KERNELS}", version


_used: dict[int, Any] = {}
"""CuPy for each card that this process works on."""


def forget_peaks() -> None:
    """Give back what arrays do not use, so that `peak_bytes` counts from now on."""
    for index, cupy in _used.items():
        with cupy.cuda.Device(index):
            cupy.get_default_memory_pool().free_all_blocks()


def peak_bytes() -> int:
    """Return the most memory that arrays took on all cards in use; 0 where there is none.

    It is what CuPy's pools hold: they keep what they have ever taken until `forget_peaks`, or until
    a card is full.
    """
    total = 0
    for index, cupy in _used.items():
        with cupy.cuda.Device(index):
            total += int(cupy.get_default_memory_pool().total_bytes())
    return total


@cache
def cuda_device(index: int = 0) -> Device:
    """Return card number `index` through CuPy and make it the current one of this thread.

    Raises `UserError` where there is none.
    """
    card(index)
    import cupy

    cupy.cuda.Device(index).use()
    _used[index] = cupy
    options = compile_options()

    @cache
    def module(file: str) -> Any:
        return cupy.RawModule(code=(KERNELS / file).read_text(), options=options)

    def capture(run: Callable[[], None]) -> Callable[[], None]:
        # Work on a stream that is captured is noted down instead of done.
        stream = cupy.cuda.Stream(non_blocking=True)
        with stream:
            stream.begin_capture()
            run()
            graph = stream.end_capture()
        again: Callable[[], None] = graph.launch
        return again

    properties = cupy.cuda.runtime.getDeviceProperties(index)
    return Device(
        cupy, lambda file, name: module(file).get_function(name), cupy.asnumpy, capture=capture,
        capability=(int(properties["major"]), int(properties["minor"])),
        current=lambda: cupy.cuda.Device(index),
    )  # fmt: skip
