"""The benchmark beside other programs: with htm.core's package, played here, and without it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("peers", "peers_htm_core", "peers_torch", "networks", "temporal_memory", "measuring")


@pytest.fixture
def peers(monkeypatch):
    """benchmarks/peers.py as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import peers

    yield peers
    for name in NAMES:
        sys.modules.pop(name, None)


class SDR:
    """A sample: its size, and which bits are on."""

    def __init__(self, dimensions: tuple[int, ...]) -> None:
        self.size, self.sparse = int(np.prod(dimensions)), np.zeros(0, np.int32)


class Pooler:
    """Takes what htm.core's takes, and counts its calls."""

    made: ClassVar[list[Pooler]] = []

    def __init__(self, **settings: Any) -> None:
        self.settings, self.calls = settings, 0
        self.made.append(self)

    def compute(self, sample: SDR, learn: bool, out: SDR) -> None:
        assert sample.size == self.settings["inputDimensions"][0]
        assert out.size == self.settings["columnDimensions"][0]
        self.calls += 1


class Memory(Pooler):
    """The same of a temporal memory."""

    def compute(self, sample: SDR, learn: bool) -> None:
        assert len(sample.sparse) == 40
        self.calls += 1


class Classifier:
    """The same of a classifier."""

    def __init__(self, alpha: float) -> None:
        self.seen: set[int] = set()

    def learn(self, sample: SDR, target: int) -> None:
        self.seen.add(target)


@pytest.fixture
def htm_core(monkeypatch):
    """A package `htm.bindings` with the names that the benchmark asks for."""
    encoder = SimpleNamespace
    parts = {
        "sdr": {"SDR": SDR},
        "algorithms": {
            "SpatialPooler": Pooler, "TemporalMemory": Memory, "Classifier": Classifier,
        },
        "encoders": {
            "RDSE": lambda rules: encoder(encode=lambda value: rules.resolution),
            "RDSE_Parameters": SimpleNamespace, "ScalarEncoderParameters": SimpleNamespace,
            "ScalarEncoder": lambda rules: encoder(encode=lambda value: rules.minimum),
        },
    }  # fmt: skip
    for name in ("htm", "htm.bindings"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for name, members in parts.items():
        module = ModuleType(f"htm.bindings.{name}")
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, f"htm.bindings.{name}", module)
    Pooler.made.clear()


def first_of_each(peers: Any, module: Any) -> list[Any]:
    found = {}
    for name, call, start in module.works(True):
        found.setdefault(name.partition(" ")[0], peers.Work(name, call, module.NAME, start))
    return list(found.values())


def test_work_is_done_by_both_in_turn(peers, htm_core, monkeypatch):
    core = peers.peers_htm_core
    monkeypatch.setattr(core.temporal_memory, "COLUMNS", 256)
    rows = [peers.measure(work, 1) for work in first_of_each(peers, core)]
    kinds = [row[0].replace(",", " ").split()[0] for row in rows]
    assert kinds == ["SP", "TM", "classifier", "rdse", "scalar"]
    for row in rows:
        assert len(row) == len(peers.HEADS)
        ours, theirs, ratio = (float(cell.replace(",", "")) for cell in row[3:6])
        assert ratio == pytest.approx(ours / theirs, rel=0.6, abs=0.02)
    pooler = Pooler.made[0]
    assert pooler.calls == 2 * 100  # A turn that is not counted, and one that is.
    assert pooler.settings["localAreaDensity"] == 0.02


def test_a_peer_that_is_absent_is_said_and_another_package_of_its_name_is_no_peer(
    peers, monkeypatch
):
    monkeypatch.setitem(sys.modules, "htm", ModuleType("htm"))  # Templates, on the package index.
    core = peers.peers_htm_core
    (work,) = [w for w in first_of_each(peers, core) if w.name == "rdse encoder"]
    row = peers.measure(work, 1)
    assert row[4:] == ["not installed", "", ""]
    assert float(row[3].replace(",", "")) > 0


def test_torchs_loop_must_end_as_our_network_does(peers, monkeypatch):
    of_torch = peers.peers_torch
    monkeypatch.setattr(of_torch, "SAMPLES", 4)
    ours, theirs = of_torch.networks({}, of_torch.softmax, 2)
    assert (ours(), theirs()) == (4, 4)

    def other() -> Any:
        return of_torch.nn.Sequential(of_torch.softmax(), of_torch.nn.Softmax(1))

    with pytest.raises(SystemExit, match="ends with other weights"):
        of_torch.networks({}, other, 2)


def test_the_page_names_machine_code_and_peers(peers, tmp_path, monkeypatch):
    rows = [["w", "2.00"]]
    table = peers.Table("Ratios", "about", ["work", "ratio"], 1, lambda quick: iter(rows))
    monkeypatch.setattr(peers, "TABLE", table)
    monkeypatch.setattr(peers, "RESULT", tmp_path / "peers.md")
    monkeypatch.setattr(peers.measuring, "stay_on_one_core", lambda: None)
    monkeypatch.setattr(sys, "argv", ["peers.py", "--write"])
    peers.main()
    page = (tmp_path / "peers.md").read_text()
    assert "| w | 2.00 |" in page
    assert "torch 2." in page
    assert "htm.core not installed" in page or "htm.core " in page
    assert "Code: " in page
