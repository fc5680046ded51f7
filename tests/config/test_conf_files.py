"""The files under conf/ list every field, with the schema's defaults and descriptions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from htmrun.components.likelihood import AnomalyParameters
from htmrun.config.catalogue import APART
from htmrun.config.fields import fitting, models_in, values_in
from htmrun.config.schema import ClusterParameters, Experiment, Tracking
from htmrun.config.sweep import SweepParameters, load_sweep
from htmrun.config.validation import STANDARD
from htmrun.paths import CONF

# Where a file means something else than the schema's defaults, and says so in its first line.
DIFFERENT = {
    "sp/local": {
        "columns", "column_shape", "density", "inhibition", "inhibition_radius",
        "potential_radius", "wrap",
    },
    "agent/reward_pooler": {"sp.columns", "sp.density", "sp.increment", "sp.decrement"},
    "agent/behaviour": {"sp.columns", "sp.potential_fraction"},
    "encoder/value_and_date": {"timestamp.optional"},
    "arm/minibatch": {"learn_every"},
    "arm/epoch_boost": {"boost_at"},
    "control/untrained": {"freeze"},
    "control/no_sp": {"bypass"},
    "control/no_tm": {"bypass"},
    "tracking/none": {"enabled"},
    "config": {"pipeline"},
}  # fmt: skip
GROUP_FILES = sorted(
    str(path.relative_to(CONF).with_suffix(""))
    for path in CONF.glob("*/*.yaml")
    # What builds on another file of its group lists only what it changes.
    if path.parent.name not in ("experiment", *APART)
    and "defaults" not in yaml.safe_load(path.read_text())
)


def read(name: str) -> Any:
    return yaml.safe_load((CONF / f"{name}.yaml").read_text(encoding="utf-8"))


def model_of(name: str, content: dict[str, Any]) -> tuple[type[BaseModel], dict[str, Any]]:
    """Return the model that a group file fills, and the section that fills it."""
    group, _, choice = name.partition("/")
    if group in ("arm", "control"):
        assert list(content) == [choice], "the file's name is the arm's name"
        return fitting(values_in(Experiment.model_fields[group].annotation), content[choice])[0], (
            content[choice]
        )
    if group == "sweep":
        return SweepParameters, content
    alone = {
        "tracking": Tracking, "cluster": ClusterParameters, "anomaly": AnomalyParameters
    }  # fmt: skip
    if group in alone:
        return alone[group], content
    info = Experiment.model_fields["data" if group == "data" else "stages"]
    models = models_in(info.annotation, info.metadata) or values_in(info.annotation)
    return fitting(models, content)[0], content


def differences(model: type[BaseModel], section: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the fields whose value is not the default; fails where a field is missing."""
    assert set(section) == set(model.model_fields), f"fields of {prefix or model.__name__}"
    for name, value in section.items():
        info = model.model_fields[name]
        inner = models_in(info.annotation, info.metadata)
        if inner and isinstance(value, dict):
            yield from differences(fitting(inner, value)[0], value, f"{prefix}{name}.")
        elif values_in(info.annotation):
            for key, entry in value.items():
                entry_model = fitting(values_in(info.annotation), entry)[0]
                yield from differences(entry_model, entry, f"{prefix}{key}.")
        elif not info.is_required():
            default = info.get_default(call_default_factory=True)
            default = list(default) if isinstance(default, tuple) else default
            if value != default or isinstance(value, bool) != isinstance(default, bool):
                yield f"{prefix}{name}"


def comments(path: Path) -> dict[str, set[str]]:
    """Return the comments that stand right above each key, by the key's own name."""
    found: dict[str, set[str]] = {}
    words: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("#"):
            words.append(text.lstrip("# "))
            continue
        key = re.match(r"([A-Za-z_]+):", text)
        if key:
            found.setdefault(key.group(1), set()).add(" ".join(words))
        words = []
    return found


@pytest.mark.parametrize("name", GROUP_FILES)
def test_group_files_list_every_field_with_its_default(name: str) -> None:
    model, section = model_of(name, read(name))
    found = set(differences(model, section))
    if not re.match("network/(?!default)", name):  # Layers are what such a file is there for.
        assert found == DIFFERENT.get(name, set())


@pytest.mark.parametrize("name", GROUP_FILES)
def test_group_files_describe_fields_as_the_schema_does(name: str) -> None:
    model, _ = model_of(name, read(name))
    written = comments(CONF / f"{name}.yaml")
    for field, info in model.model_fields.items():
        if field != "kind":
            assert info.description in written[field]


def test_the_root_lists_every_field() -> None:
    root = read("config")
    defaults = root.pop("defaults")
    groups = {key for entry in defaults if isinstance(entry, dict) for key in entry}
    nested = {"data", "stages", "arm", "control", "anomaly", "cluster", "tracking"}
    assert groups == (nested - {"stages"}) | set(STANDARD) | {"experiment"}
    assert defaults[-1] == {"experiment": None}, "experiments overlay everything else"
    assert set(root) == set(Experiment.model_fields) - nested
    written = comments(CONF / "config.yaml")
    for name, value in root.items():
        info = Experiment.model_fields[name]
        assert info.description in written[name]
        if not info.is_required():
            assert value == (
                list(info.default) if isinstance(info.default, tuple) else info.default
            )


@pytest.mark.parametrize("path", sorted((CONF / "experiment").glob("*.yaml")), ids=lambda p: p.stem)
def test_experiments_begin_with_what_they_show(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# ")
    first = next(index for index, line in enumerate(lines) if not line.startswith("#"))
    assert 2 <= first <= 3, "one or two lines"


@pytest.mark.parametrize("path", sorted((CONF / "sweep").glob("*.yaml")), ids=lambda p: p.stem)
def test_sweeps_say_what_they_search_and_are_valid(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")
    if path.stem != "default":
        sweep = load_sweep(["experiment=digits", f"sweep={path.stem}"])
        assert len(sweep.space) >= 3
        assert sweep.default() is not None, "the experiment's own settings lie in the space"
