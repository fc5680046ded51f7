"""Walks the schema: which model stands at a place, which fields it has, what they allow."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from htmrun.components.registry import PLACES, Section, key_of
from htmrun.config.schema import Experiment

# Bounds above this are those of the machine; nobody needs to read them.
LARGEST = 1 << 53
Models = list[type[BaseModel]]


def models_in(annotation: Any, metadata: Sequence[Any] = ()) -> Models:
    """Return the models that `annotation` allows itself (not inside lists or dicts)."""
    for section in metadata:
        if isinstance(section, Section):
            return list(section.models.values())
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return models_in(inner, more)
    if origin in (Union, types.UnionType):
        return [model for part in get_args(annotation) for model in models_in(part)]
    return []


def values_in(annotation: Any) -> Models:
    """Return the models that stand as values in the dict that `annotation` is."""
    if get_origin(annotation) is Annotated:
        return values_in(get_args(annotation)[0])
    return models_in(get_args(annotation)[1]) if get_origin(annotation) is dict else []


def fitting(models: Models, raw: object) -> Models:
    """Return the one of `models` that `raw` means, as a list; all of them if that is open."""
    if not isinstance(raw, Mapping) or len(models) < 2:
        return models
    for key in map(key_of, PLACES):
        named = [m for m in models if key in m.model_fields]
        if key in raw and named:
            return [m for m in named if m.model_fields[key].default == raw[key]] or models
    if any("kind" in m.model_fields for m in models):
        return models
    complete = [m for m in models if required(m) <= set(raw)]
    return sorted(complete, key=lambda m: -len(required(m)))[:1] or models


def required(model: type[BaseModel]) -> set[str]:
    """Return the names of the fields that must be given."""
    return {name for name, info in model.model_fields.items() if info.is_required()}


def follow(keys: Sequence[int | str], raw: object, *, choose: bool = True) -> Models:
    """Return the models at `keys` in `raw`; with `choose` only the one that is meant."""
    models: Models = [Experiment]
    inside: Models = []
    value = raw
    for key in keys:
        if inside:
            models, inside = inside, []
        else:
            field = fields_of(fitting(models, value)).get(str(key))
            models = models_in(field.annotation, field.metadata) if field else []
            inside = values_in(field.annotation) if field else []
        value = value.get(key) if isinstance(value, Mapping) else None
    return fitting(models, value) if choose else models


def fields_of(models: Iterable[type[BaseModel]]) -> dict[str, FieldInfo]:
    """Return all fields of `models` by name."""
    return {name: info for model in models for name, info in model.model_fields.items()}


def allowed(info: FieldInfo) -> str:
    """Return what a field allows, in words: its type with bounds, or its choices."""
    if info.examples:
        return " | ".join(str(example) for example in info.examples)
    return _words(info.annotation, info.metadata)


def _words(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        extra = [m for item in more for m in getattr(item, "metadata", [item])]
        return _words(inner, [*metadata, *extra])
    if origin is Literal:
        return " | ".join(str(choice) for choice in get_args(annotation))
    if origin in (Union, types.UnionType):
        parts = [_words(part, metadata) for part in get_args(annotation)]
        return " | ".join(dict.fromkeys(parts))
    if origin is tuple:
        return f"list of {_words(get_args(annotation)[0])}"
    if origin is dict:
        return "sections by name"
    if annotation is type(None):
        return "null"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    names = {int: "integer", float: "number", bool: "true | false", str: "text"}
    bounds = _bounds(metadata) if annotation in (int, float) else ""
    return f"{names.get(annotation, str(annotation))}{bounds}"


def _bounds(metadata: Sequence[Any]) -> str:
    names = ("ge", "gt", "le", "lt")
    limits = {
        name: f"{getattr(item, name):.10g}"
        for item in metadata
        for name in names
        if getattr(item, name, None) is not None and getattr(item, name) < LARGEST
    }
    if {"ge", "le"} <= set(limits):
        return f" {limits['ge']} to {limits['le']}"
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    found = [f"{signs[name]} {limits[name]}" for name in names if name in limits]
    return f" {', '.join(found)}" if found else ""
