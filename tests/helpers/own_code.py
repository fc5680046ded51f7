"""A module of somebody's own with a source, an experiment on it, and a registry to spoil."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from htmrun import paths
from htmrun.components import registry

MODULE = '''
"""A source of my own: the numbers 0 to 6, one after the other, again and again."""
import hashlib
from typing import Literal

import numpy as np

from htmrun import Chunk, Source, register
from htmrun.components.sources import SourceParameters


class RingParameters(SourceParameters):
    """Numbers in a ring."""

    kind: Literal["ring"] = "ring"
    steps: int = 210


@register("source", RingParameters)
class Ring(Source):
    name, task, classes, class_names = "ring", "sequence", 7, tuple("abcdefg")
    shapes, ranges = {"symbol": ()}, {"symbol": (0.0, 6.0)}

    @property
    def samples(self):
        return self.parameters.steps

    @property
    def fingerprint(self):
        return hashlib.sha256(self.parameters.model_dump_json().encode()).hexdigest()

    def train(self, seed, epoch, chunk):
        symbol = (np.arange(self.samples) + seed) % 7
        flags = np.ones(self.samples, np.uint8)
        return Chunk({"symbol": symbol}, symbol, flags * 0, flags).pieces(chunk)
'''

EXPERIMENT = """# @package _global_
# Which number comes next in a ring?
defaults:
  - override /data: ring
  - override /encoder: category
  - override /arm: [online]
  - override /control: []

name: rings
pipeline: [encoder, classifier]
classifier:
  horizons: [1]
"""


def write_own(folder: Path, module: str = "rings") -> None:
    """Write the module, and beside it a folder `conf` with its group and an experiment `rings`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(MODULE)
    for place, text in (("data/ring", "kind: ring\n"), ("experiment/rings", EXPERIMENT)):
        path = folder / "conf" / f"{place}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_package(folder: Path, name: str, version: str, module: str) -> None:
    """Let importlib find an installed package that has kinds in a module."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}")
    info.joinpath("entry_points.txt").write_text(f"[htmrun.kinds]\nown = {module}\n")


@contextmanager
def fresh_registry() -> Iterator[None]:
    """Forget inside what was asked for before, and afterwards what was asked for inside."""
    registry.load()
    kept = {n: v for n, v in vars(registry).items() if n.startswith("_") and not n.endswith("__")}
    before = {n: v.copy() for n, v in kept.items() if isinstance(v, dict | list | set)}
    families = {n: v.copy() for n, v in registry._kinds.items()}
    path = list(sys.path)
    registry._done.discard(paths.ENTRY_POINTS)
    paths.conf_of_packages.cache_clear()
    try:
        yield
    finally:
        for name, value in before.items():
            own = kept[name]
            own.clear()
            own.extend(value) if isinstance(own, list) else own.update(value)
        registry._kinds.update(families)
        sys.path[:] = path
        for name in ("rings", "ring_kinds"):
            sys.modules.pop(name, None)
        paths.conf_of_packages.cache_clear()
