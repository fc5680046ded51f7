"""Peak memory counts from the last time it was forgotten."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from htmrun import memory

MIB = 1 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak since a moment")
def test_a_peak_is_seen_and_forgotten():
    memory.forget_peak()
    before = memory.peak_bytes()
    block = np.ones(200 * MIB, np.uint8)
    assert memory.peak_bytes() - before > 150 * MIB
    del block
    memory.forget_peak()
    assert memory.peak_bytes() - before < 100 * MIB


def test_unknown_is_none_and_never_zero(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_PROCESS", tmp_path / "nothing")
    memory.forget_peak()
    assert memory.peak_bytes() is None
