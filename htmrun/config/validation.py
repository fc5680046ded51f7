"""Plain composed YAML -> typed experiment, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from htmrun.backends.parameters import LARGEST, NO_EFFECT
from htmrun.config.checks import problems
from htmrun.config.messages import lines, unknown
from htmrun.config.schema import WITHOUT_EFFECT, Experiment, root_fields
from htmrun.errors import UserError, printable

# In the defaults of every experiment; one that its pipeline leaves out need not be deleted.
STANDARD = ("encoder", "sp", "tm", "classifier", "network")


def validate(raw: Mapping[str, Any]) -> Experiment:
    """Return the experiment that `raw` declares; UserError has one line for each error."""
    foreign = [*_no_values(raw)]
    if foreign:
        raise UserError("\n".join(map(printable, foreign)))
    declared = _pipeline(raw)
    errors = _unknown_roots(raw, declared)
    collected = _encoding_all(_collect(raw, declared))
    try:
        # JSON, because only there strict types go together with lists that become tuples.
        experiment = Experiment.model_validate_json(json.dumps(collected), strict=True)
    except ValidationError as error:
        errors += lines(error, collected)
    else:
        errors += problems(experiment)
    errors = errors or [*_too_large(raw)]
    if errors:
        raise UserError("\n".join(map(printable, errors)))
    regimes = [experiment.regime(name) for name in (*experiment.arm, *experiment.control)]
    pipelines = (experiment.pipeline, *map(experiment.pipeline_of, regimes))
    names = dict.fromkeys(name for pipeline in pipelines for name in pipeline)
    used = {name: experiment.stages[name] for name in names}
    return experiment.model_copy(update={"stages": used})


def _no_values(value: object, path: str = "") -> Iterator[str]:
    """Yield a line for what YAML has and a configuration has not: bytes, keys that are no names."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            place = f"{path}.{key}" if path else str(key)
            if isinstance(key, str):
                yield from _no_values(inner, place)
            else:
                yield f"{place}: found a field called {key!r}, expected a name"
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _no_values(inner, f"{path}[{number}]")
    elif value is not None and not isinstance(value, bool | int | float | str):
        yield f"{path}: found {type(value).__name__}, expected text, a number, a list or a section"


def _too_large(value: object, path: str = "") -> Iterator[str]:
    """Yield a line for each number whose square is none."""
    if isinstance(value, float) and LARGEST < abs(value) < math.inf:
        yield f"{path}: found {value:g}, expected at most {LARGEST:g}, up or down"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _too_large(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _too_large(inner, f"{path}[{place}]")


def unused(raw: Mapping[str, Any]) -> set[str]:
    """Return the standard sections that `raw` holds and its pipeline leaves out."""
    return {name for name in STANDARD if name in raw and name not in _pipeline(raw)}


def plain(experiment: Experiment) -> dict[str, Any]:
    """Return `experiment` as nested dicts as in YAML, every field present, stages at the root."""
    values = experiment.model_dump(mode="json")
    stages = values.pop("stages")
    result: dict[str, Any] = {}
    for name, value in values.items():
        result[name] = _kind_first(value)
        if name == "data":
            result.update({stage: _kind_first(section) for stage, section in stages.items()})
    return result


def deciding(experiment: Experiment) -> dict[str, Any]:
    """Return what `plain` does without the fields that have no effect on results."""
    values = {name: v for name, v in plain(experiment).items() if name not in WITHOUT_EFFECT}
    fields = type(experiment.data).model_fields.items()
    idle = {name for name, info in fields if info.json_schema_extra == NO_EFFECT}
    values["data"] = {name: v for name, v in values["data"].items() if name not in idle}
    return values


def _kind_first(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ordered = {"kind": value["kind"], **value} if "kind" in value else value
    return {key: _kind_first(item) for key, item in ordered.items()}


def _pipeline(raw: Mapping[str, Any]) -> list[str]:
    """Return the names of all stages that the experiment or one of its arms runs."""
    found = _names(raw.get("pipeline"))
    for group in ("arm", "control"):
        regimes = raw.get(group)
        for regime in regimes.values() if isinstance(regimes, Mapping) else ():
            if isinstance(regime, Mapping):
                found += _names(regime.get("pipeline"))
    return list(dict.fromkeys(found))


def _names(value: object) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _encoding_all(collected: dict[str, Any]) -> dict[str, Any]:
    """Return the sections with an encoder of each column that is forecast and that none reads.

    Where encoders of several fields stand side by side, that is one of the usual kind.
    """
    data, stages = collected.get("data"), collected.get("stages")
    value = data.get("value") if isinstance(data, dict) else None
    if not isinstance(value, list) or not isinstance(stages, dict):
        return collected
    found = dict(stages)
    for name, section in stages.items():
        fields = section.get("fields") if isinstance(section, dict) else None
        if isinstance(fields, dict) and section.get("kind") == "fields":
            read = {(e.get("field") or n) if isinstance(e, dict) else n for n, e in fields.items()}
            more = {
                column: {"kind": "rdse"} for column in value[1:]
                if isinstance(column, str) and column not in read and column not in fields
            }  # fmt: skip
            found[name] = {**section, "fields": {**fields, **more}}
    return {**collected, "stages": found}


def _collect(raw: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """Return `raw` with the stages' sections under `stages` and removed arms left out."""
    known = root_fields()
    result = {key: value for key, value in raw.items() if key in known}
    stages = [name for name in dict.fromkeys((*names, *STANDARD)) if name not in known]
    result["stages"] = {name: raw[name] for name in stages if raw.get(name) is not None}
    for group in ("arm", "control"):
        result[group] = _without_nulls(result.get(group) or {})
    for name, section in result["stages"].items():
        for part in ("fields", "layers"):
            if isinstance(section, Mapping) and isinstance(section.get(part), Mapping):
                result["stages"][name] = {**section, part: _without_nulls(section[part])}
    return result


def _without_nulls(named: Any) -> Any:
    """Return `named` without the entries that were taken away by setting them to null."""
    if not isinstance(named, Mapping):
        return named
    return {name: value for name, value in named.items() if value is not None}


def _unknown_roots(raw: Mapping[str, Any], names: list[str]) -> list[str]:
    known = root_fields()
    found = []
    for key, value in raw.items():
        if key in known or key in names or key in STANDARD:
            continue
        if key == "experiment":
            found.append(
                "experiment: found a section, expected '# @package _global_' as the first line of "
                "the experiment's file"
            )
        elif isinstance(value, Mapping) and "kind" in value:
            found.append(
                f"{key}: not in pipeline [{', '.join(names)}], expected every stage to be in it"
            )
        else:
            found.append(unknown(key, value, [*known, *dict.fromkeys((*names, *STANDARD))]))
    return found
