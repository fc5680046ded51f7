"""Every field there is: a page for each family of kinds and for each fixed section."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from htmrun.backends.parameters import Parameters
from htmrun.components import registry
from htmrun.components.likelihood import AnomalyParameters
from htmrun.config.fields import allowed, models_in, values_in
from htmrun.config.schema import Arm, ClusterParameters, Experiment, Tracking
from htmrun.config.sweep import SweepParameters
from htmrun.errors import show
from site_pages.tables import code, fields_table, table, words

FOLDER = "fields"
FAMILIES = {
    "source": ("data", "Data", "Where samples come from: section `data`, chosen by `data=KIND`."),
    "encoder": ("encoder", "Encoders", "Values to bits: a stage of the pipeline."),
    "stage": ("stage", "SP and TM", "Spatial pooler and temporal memory: sections `sp`, `tm`."),
    "readout": ("classifier", "Classifiers", "What ends a pipeline: section `classifier`, or a "
                "network of several layers."),
    "layer": ("layer", "Network layers", "Entries of a network's `layers`."),
    "control": ("control", "Controls", "Baselines that give the figures of the arms meaning."),
}  # fmt: skip
FIXED: dict[str, tuple[str, str, type[Parameters]]] = {
    "experiment": ("", "Experiment", Experiment),
    "arm": ("arm.NAME.", "Arms", Arm),
    "anomaly": ("anomaly.", "Anomalies", AnomalyParameters),
    "tracking": ("tracking.", "Tracking", Tracking),
    "cluster": ("cluster.", "Cluster", ClusterParameters),
    "sweep": ("sweep.", "Sweep", SweepParameters),
}


@cache
def pages() -> dict[str, tuple[str, str]]:
    """Return title and Markdown of each page by its place on the site."""
    made = {f"{FOLDER}/index.md": ("All fields", _index())}
    for name, (prefix, title, model) in FIXED.items():
        skipped = ("stages", "data", "arm", "control", *FIXED) if model is Experiment else ()
        text = f"# {title}\n\n{_about(model)}\n\n{_fields(model, prefix, skipped)}"
        made[f"{FOLDER}/{name}.md"] = (title, text)
    for family, (name, title, about) in FAMILIES.items():
        made[f"{FOLDER}/{name}.md"] = (title, _family(family, title, about))
    return made


def _index() -> str:
    rows = [(f"[{t}]({n}.md)", f"`{p}...`" if p else "the root", _about(m))
            for n, (p, t, m) in FIXED.items()]  # fmt: skip
    for family, (name, title, about) in FAMILIES.items():
        links = ", ".join(f"[{kind}]({name}.md#{_slug(kind)})" for kind in registry.kinds(family))
        rows.append((f"[{title}]({name}.md)", links, about))
    return (
        "# All fields\n\n```sh\nhtmrun show digits  # the fields of one experiment\n```\n\n"
        "Any field can be set on the command line, `FIELD=VALUE`, or in a file "
        "([experiments in YAML](../guides/experiments.md)). These pages are written from the "
        "schema that checks them.\n\n" + table(("page", "fields or kinds", "what"), rows)
    )


def _family(family: str, title: str, about: str) -> str:
    parts = [f"# {title}\n\n{about}\n"]
    for name, kind in registry.kinds(family).items():
        head = f"\n## {name}\n\n{_about(kind.parameters)}\n\n"
        parts.append(head + _fields(kind.parameters, "", ()))
    return "".join(parts)


def _about(model: type[Parameters]) -> str:
    paragraph = (model.__doc__ or "").strip().split("\n\n")[0]
    return words(" ".join(paragraph.split()))


def _fields(model: type[Parameters], prefix: str, skipped: tuple[str, ...]) -> str:
    rows = [
        (
            f"<code>{path}</code>",
            _default(info),
            words(allowed(info)),
            words(info.description or ""),
        )
        for path, info in _rows(model, prefix)
        if path not in skipped
    ]
    head = ("field", "default", "allowed", "meaning")
    return fields_table(head, rows) if rows else "No fields.\n"


def _rows(model: type[Parameters], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    """Yield dotted path and field; fields inside of a section follow it."""
    for name, info in sorted(model.model_fields.items(), key=lambda item: item[0] != "kind"):
        inside = [m for m in models_in(info.annotation, info.metadata) if registry.find(m) is None]
        if info.annotation not in inside:  # More than a section: a number, null, one of several.
            yield f"{prefix}{name}", info
        if len(inside) == 1 and not values_in(info.annotation):
            yield from _rows(inside[0], f"{prefix}{name}.")  # type: ignore[arg-type]


def _default(info: FieldInfo) -> str:
    if info.is_required() or info.default is PydanticUndefined:
        return "must be given" if info.is_required() else ""
    return code(_plain(info.default))


def _plain(value: Any) -> str:
    if isinstance(value, Parameters):
        return "section"
    return re.sub(r"'([A-Za-z][\w.-]*)'", r"\1", show(value)).replace("|", "/")


def _slug(text: str) -> str:
    return text.lower().replace(" ", "-")
