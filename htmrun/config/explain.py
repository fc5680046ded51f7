"""Every field of an experiment with its value, what it allows and what it means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from htmrun.backends.parameters import Parameters
from htmrun.components import registry
from htmrun.config.fields import allowed
from htmrun.config.schema import Experiment
from htmrun.errors import show


@dataclass(frozen=True)
class Row:
    """One field; `changed`: its value is not the schema's default."""

    path: str
    value: str
    allowed: str
    description: str
    changed: bool


@dataclass(frozen=True)
class Section:
    """Fields that stand together; `title` is their dotted path, `text` says what they are."""

    title: str
    text: str
    rows: list[Row]


def sections(experiment: Experiment) -> list[Section]:
    """Return all fields of `experiment`: the root, the data, each stage, each arm, the rest."""
    own = Experiment.model_fields
    nested = ("data", "stages", "arm", "control", "anomaly", "cluster", "tracking")
    root = [row for name in own if name not in nested for row in _field(experiment, name, "")]
    found = [Section("experiment", experiment.description, root)]
    found.append(_section("data", experiment.data))
    found += [_section(name, experiment.stages[name]) for name in experiment.pipeline]
    found += [_section(f"arm.{name}", arm) for name, arm in experiment.arm.items()]
    found += [_section(f"control.{name}", control) for name, control in experiment.control.items()]
    found.append(_section("anomaly", experiment.anomaly))
    found.append(_section("cluster", experiment.cluster))
    found.append(_section("tracking", experiment.tracking))
    return found


def _section(path: str, model: Parameters) -> Section:
    text = (type(model).__doc__ or "").strip().splitlines()[0]
    return Section(path, text, list(_rows(model, f"{path}.")))


def _rows(model: Parameters, prefix: str) -> Iterator[Row]:
    # `kind` decides which other fields there are, so it stands first.
    for name in sorted(type(model).model_fields, key=lambda name: name != "kind"):
        yield from _field(model, name, prefix)


def _field(model: Parameters, name: str, prefix: str) -> Iterator[Row]:
    info = type(model).model_fields[name]
    value = getattr(model, name)
    if isinstance(value, Parameters):
        yield from _rows(value, f"{prefix}{name}.")
    elif isinstance(value, Mapping) and any(isinstance(e, Parameters) for e in value.values()):
        for key, entry in value.items():
            yield from _rows(entry, f"{prefix}{name}.{key}.")
    else:
        description, choices = info.description or "", allowed(info)
        kind = registry.find(type(model))
        names = kind is not None and name == registry.key_of(kind.family)
        if kind is not None and names:
            choices = " | ".join(registry.kinds(kind.family))
            description = description or "Decides which other fields there are."
        changed = not names and (info.is_required() or value != info.default)
        yield Row(f"{prefix}{name}", _unquoted(show(value)), choices, description, changed)


def _unquoted(text: str) -> str:
    """Return `text` with words as one types them, without quotes unless they mean something."""
    return re.sub(r"'(?!null'|true'|false')([A-Za-z][\w.-]*)'", r"\1", text)
