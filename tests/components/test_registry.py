"""Kinds are known everywhere as soon as they are registered: the examples of CONTRIBUTING are."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import yaml

from htmrun.backends.parameters import Parameters
from htmrun.components import registry
from htmrun.components.encoders import build_encoder
from htmrun.components.sources import open_source
from htmrun.config.compose import load
from htmrun.config.explain import sections
from htmrun.errors import UserError
from htmrun.execution.jobs import Builder
from htmrun.training.records import Finished, Job
from tests.helpers.own_code import fresh_registry
from tests.helpers.pages import ROOT, blocks

EXPERIMENT = """# @package _global_
# A wave through a thermometer.
defaults:
  - override /data: wave
  - override /encoder: thermometer

name: own
pipeline: [encoder, sp, classifier]
sp: {columns: 256, density: 0.05, initial_spread: 0.05}
classifier: {horizons: [1], buckets: 16}
"""


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder for modules; what they register is forgotten after the test."""
    monkeypatch.syspath_prepend(tmp_path)
    with fresh_registry():
        yield tmp_path
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


@pytest.fixture
def own(room: Path) -> Path:
    """The example of CONTRIBUTING in modules of its own; the folder of its configuration."""
    for block in blocks(ROOT / "CONTRIBUTING.md"):
        if block.file is not None:
            path = Path(block.file)
            python = path.suffix == ".py"
            file = room / f"own_{path.name}" if python else room / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
    conf = room / "conf"
    (conf / "experiment").mkdir()
    (conf / "experiment" / "own.yaml").write_text(EXPERIMENT)
    importlib.invalidate_caches()
    registry.load(["own_thermometer", "own_wave"])
    return conf


def test_the_examples_of_contributing_run(own: Path) -> None:
    experiment = load(["experiment=own"], own).experiment
    source = open_source(experiment.data)
    *_, last = Builder(experiment, source).work(Job("online", 0))(lambda: False)
    assert isinstance(last, Finished)
    assert last.metrics["rmse_1"] < 0.5, "the mean alone is wrong by the root of a half"


def test_the_thermometer_encodes_as_its_docstring_says(own: Path) -> None:
    parameters = load(["experiment=own", "encoder.size=4"], own).experiment.stages["encoder"]
    encoder = build_encoder(parameters, {"value": ()}, 0, {"value": (0.0, 8.0)})
    bits = encoder.encode({"value": np.array([0.0, 1.0, 5.0, 8.0, np.nan])})
    assert [bits.row(t).tolist() for t in range(5)] == [[], [0], [0, 1, 2], [0, 1, 2, 3], []]


def test_own_kinds_are_explained_and_checked_like_all_others(own: Path) -> None:
    found = sections(load(["experiment=own"], own).experiment)
    rows = {row.path: row for section in found for row in section.rows}
    assert "thermometer" in rows["encoder.kind"].allowed.split(" | ")
    assert rows["encoder.size"].description == "Number of bits."
    for override, line in {
        "encoder.sice=3": "encoder.sice: unknown field, found 3; did you mean 'size'?",
        "encoder.kind=termometer": "did you mean 'thermometer'?",
        "encoder.field=symbol": "encoder.kind: found an encoder of 'symbol', expected one of "
        "'value', all that data.kind 'wave' has",
        "sp.potential_fraction=0.001": "sp.potential_fraction: 0.001 of 100 inputs makes a pool "
        "of 0, expected at least 0.005",
        "classifier.horizons=[0]": "classifier.horizons: found 0 with data.kind 'wave', expected "
        "at least 1",
    }.items():
        with pytest.raises(UserError) as caught:
            load(["experiment=own", override], own)
        assert str(caught.value).endswith(line)


def test_the_yaml_of_the_examples_lists_every_field(own: Path) -> None:
    for family, name, group in (("encoder", "thermometer", "encoder"), ("source", "wave", "data")):
        model = registry.kinds(family)[name].parameters
        text = (own / group / f"{name}.yaml").read_text()
        assert yaml.safe_load(text) == model().model_dump()
        words = " ".join(text.replace("#", "").split())
        assert all((i.description or "") in words for i in model.model_fields.values())


def test_a_module_is_the_origin_of_its_kinds(own: Path) -> None:
    kind = registry.kinds("encoder")["thermometer"]
    assert kind.origin is not None
    assert kind.origin[0] == "own_thermometer"
    assert registry.kinds("encoder")["rdse"].origin is None


def test_two_packages_cannot_name_one_kind(room: Path) -> None:
    class Other(Parameters):
        kind: Literal["rdse"] = "rdse"

    class Component:
        __module__ = "elsewhere"

    registry._packages["elsewhere"] = ("elsewhere", "2.0")
    with pytest.raises(UserError, match=r"encoder 'rdse' in htmrun and in elsewhere 2\.0"):
        registry.register("encoder", Other)(Component)


def test_a_module_that_fails_is_named_in_one_line(room: Path) -> None:
    (room / "own_broken.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(UserError) as caught:
        registry.load(["own_broken"])
    assert str(caught.value) == (
        "--import: 'own_broken' cannot be imported (ModuleNotFoundError: No module named "
        "'nothing_of_this_name'), expected a module that defines kinds"
    )


def test_installed_packages_bring_kinds_with_their_version(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = room / "own_package-1.5.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: own-package\nVersion: 1.5\n")
    (package / "entry_points.txt").write_text("[htmrun.kinds]\nx = own_package_kinds\n")
    (room / "own_package_kinds.py").write_text(
        "from typing import Literal\n"
        "from htmrun.components.registry import register\n"
        "from htmrun.components.encoders import EncoderParameters\n"
        "class P(EncoderParameters):\n"
        "    kind: Literal['x'] = 'x'\n"
        "register('encoder', P)(type('X', (), {'__module__': __name__}))\n"
    )
    monkeypatch.setattr(registry, "_done", registry._done - {registry.ENTRY_POINTS})
    assert registry.kinds("encoder")["x"].origin == ("own-package", "1.5")


def test_a_section_is_written_out_with_all_fields_of_its_kind() -> None:
    experiment: Any = load(["experiment=stream"]).experiment
    again = type(experiment).model_validate(experiment.model_dump())
    assert again == experiment
