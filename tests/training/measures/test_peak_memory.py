"""Peak memory counts from the last time it was forgotten."""

from __future__ import annotations

import gc
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from htmrun.backends.cuda import device
from htmrun.training.measures import peak_memory

MIB = 1 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak since a moment")
def test_a_peak_is_seen_and_forgotten():
    gc.collect()  # What other tests left behind would be freed meanwhile.
    peak_memory.forget_peak()
    before = peak_memory.peak_bytes()
    block = np.ones(200 * MIB, np.uint8)
    assert peak_memory.peak_bytes() - before > 150 * MIB
    del block
    peak_memory.forget_peak()
    assert peak_memory.peak_bytes() - before < 100 * MIB


def test_unknown_is_none_and_never_zero(tmp_path, monkeypatch):
    monkeypatch.setattr(peak_memory, "_PROCESS", tmp_path / "nothing")
    peak_memory.forget_peak()
    assert peak_memory.peak_bytes() is None


def test_what_arrays_took_on_cards(monkeypatch):
    current, freed = [0], []

    class On:
        def __init__(self, index: int) -> None:
            self.index = index

        def __enter__(self) -> None:
            current.append(self.index)

        def __exit__(self, *_: object) -> None:
            current.pop()

    held = {1: 3000, 2: 500}
    pool = SimpleNamespace(
        total_bytes=lambda: held[current[-1]], free_all_blocks=lambda: freed.append(current[-1])
    )
    cupy = SimpleNamespace(cuda=SimpleNamespace(Device=On), get_default_memory_pool=lambda: pool)
    reset: list[int] = []
    torch = SimpleNamespace(
        cuda=SimpleNamespace(
            is_initialized=lambda: True, device_count=lambda: 2,
            max_memory_reserved=lambda i: (70, 7)[i], reset_peak_memory_stats=reset.append,
        )
    )  # fmt: skip
    monkeypatch.setattr(device, "_used", {})
    assert peak_memory.peak_device_bytes() is None
    monkeypatch.setattr(device, "_used", {1: cupy, 2: cupy})
    assert peak_memory.peak_device_bytes() == 3500
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert peak_memory.peak_device_bytes() == 3577
    peak_memory.forget_peak()
    assert (freed, reset) == ([1, 2], [0, 1])
    torch.cuda.is_initialized = lambda: False
    monkeypatch.setattr(device, "_used", {})
    assert peak_memory.peak_device_bytes() is None
