"""The benchmark of a card: its rows and its page, measured on the host in the card's place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from htmrun.backends.cuda import cards
from tests.kernels import host

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def cuda(monkeypatch):
    """benchmarks/cuda.py as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import cuda

    yield cuda
    for name in ("cuda", "roofline", "measuring"):
        sys.modules.pop(name, None)


def test_rows_and_page(cuda, build_folder, tmp_path, monkeypatch):
    device = host.HostModules(lambda file: host.build(file, build_folder)).device()
    monkeypatch.setattr(cuda, "RESULTS", tmp_path)
    monkeypatch.setattr(cuda.Case, "samples", 16)
    monkeypatch.setattr(
        cuda, "cases", lambda quick: [cuda.Case(40, 64, 0.1, 4, 2), cuda.Case(40, 64, 0.1)]
    )
    (tmp_path / "gpu.md").write_text("# Before\n\n## Measured\n\nNothing yet.\n")
    for name, small in (("INPUTS", 40), ("COLUMNS", 32), ("ON", 6), ("ELEMENTS", 2), ("WARM", 20)):
        monkeypatch.setattr(cuda, name, small)
    both, table = cuda.tables(device, 1e9, True, 1.0)
    row = cuda.measure_both(device, 2, 0.0)
    assert len(row) == len(both.heads)
    assert float(row[1].replace(",", "")) > 0
    rows = cuda.measuring.measure(table, True)
    assert [row[:5] for row in rows] == [
        ["40 -> 64", "10 %", "no", "4", "2"],
        ["40 -> 64", "10 %", "no", "1", "1"],
    ]
    assert all(len(row) == len(cuda.HEADS) for row in rows)
    assert float(rows[1][5].replace(",", "")) > 0
    card = cards.Card(0, "Tried Card", 1 << 30, 2 << 30)
    cuda.write(card, [(both, [row]), (table, rows)], 1e9)
    page = (tmp_path / "gpu.md").read_text()
    assert page.startswith("# Before\n\n## Measured\n\nTried Card, 2 GiB, 20")
    assert "Nothing yet" not in page
    assert len(re.findall(r"^\| 40 -> 64 \|", page, re.M)) == 2
    assert (tmp_path / "roofline-gpu.png").read_bytes()[:4] == b"\x89PNG"


def test_bytes_of_a_step_by_hand(cuda):
    # 1024 inputs, 51.2 on: their rows of 2048 bits; 41 winners of 1024 int16, read and written.
    assert cuda.Case(1024, 2048, 0.05).bytes() == pytest.approx(51.2 * 256 + 41 * 1024 * 4)
    # A dense window reads the whole matrix of bits once for 64 samples.
    assert cuda.Case(784, 2048, 0.19, 64).bytes() == pytest.approx(
        784 * 2048 / 8 / 64 + 4 * (2048 / 64) * 784
    )


def test_without_a_card_the_script_says_so_at_once(tmp_path):
    # A PATH without nvidia-smi.
    for tool in ("bash", "dirname", "env"):
        (tmp_path / tool).symlink_to(Path("/usr/bin") / tool)
    done = subprocess.run(
        ["bash", str(ROOT / "benchmarks" / "gpu.sh")],
        env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "no card: nvidia-smi shows none\n")
