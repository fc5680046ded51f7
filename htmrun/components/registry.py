"""Kinds: what `kind: NAME` in a configuration stands for, by family.

A kind is a class together with the parameters that a user can set, registered where it is
defined; nothing is listed by hand. htmrun's own are found in the folders of their family, other
people's through the entry points `htmrun.kinds` of installed packages, or in modules that a
command is told to import.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from htmrun.backends.parameters import Parameters
from htmrun.errors import UserError, mismatch, show
from htmrun.paths import ENTRY_POINTS

HASH = "sha256:"
"""What stands for the version of a module that no package brings begins with this."""
PLACES: dict[str, tuple[str, ...]] = {
    "encoder": ("htmrun.components.encoders",),
    "source": ("htmrun.components.sources", "htmrun.components.environments"),
    "tasks": ("htmrun.components.sources.tasks",),
    "stage": ("htmrun.components.stages",),
    "readout": (
        "htmrun.components.classifiers",
        "htmrun.components.networks.readout",
        "htmrun.components.agents",
    ),
    "layer": ("htmrun.components.networks.layers",),
    "control": ("htmrun.components.controls",),
    "measure": ("htmrun.training.measures",),
}
"""The families, and the modules and folders in which their kinds are defined."""

C = TypeVar("C")


@dataclass(frozen=True)
class Kind:
    """The class of a kind's parameters, and the class that does what they say.

    origin: name and version of the package that it comes from, or name and hash of the module
    that was asked for; None: htmrun.
    """

    family: str
    name: str
    parameters: type[Parameters]
    component: Any
    origin: tuple[str, str] | None


_kinds: dict[str, dict[str, Kind]] = {family: {} for family in PLACES}
_by_parameters: dict[type[Parameters], Kind] = {}
_packages: dict[str, tuple[str, str]] = {}
_asked: list[str] = []
_done: set[str] = set()


def register(
    family: str, parameters: type[Parameters] = Parameters
) -> Callable[[type[C]], type[C]]:
    """Return a decorator that makes a class the kind of `family` which `parameters` describe.

    Measures have none, and go by the name of their class. Raises UserError where another package
    has a kind of that name already.
    """
    field = parameters.model_fields.get(key_of(family))

    def add(component: type[C]) -> type[C]:
        name = component.__name__ if field is None else str(field.default)
        kind = Kind(family, name, parameters, component, _origin(component.__module__))
        there = _kinds[family].get(name)
        if there is not None and there.origin != kind.origin:
            first, second = (" ".join(k.origin or ("htmrun",)) for k in (there, kind))
            raise UserError(
                f"{ENTRY_POINTS}: found {family} '{name}' in {first} and in {second}, expected one"
            )
        _kinds[family][name] = kind
        if field is not None:
            _by_parameters[parameters] = kind
        return component

    return add


def kinds(family: str) -> Mapping[str, Kind]:
    """Return the kinds of a family by name, sorted."""
    load()
    return dict(sorted(_kinds[family].items()))


def of(parameters: Parameters) -> Kind:
    """Return the kind that `parameters` belong to; KeyError if they belong to none."""
    load()
    return _by_parameters[type(parameters)]


def component_of(parameters: Parameters) -> Any:
    """Return the class that does what `parameters` say; KeyError if they belong to no kind."""
    return of(parameters).component


def find(model: type[Parameters]) -> Kind | None:
    """Return the kind that has these parameters; None for what is no kind's."""
    load()
    return _by_parameters.get(model)


def key_of(family: str) -> str:
    """Return the field that names the kind in a section: `kind`, but of controls `baseline`."""
    return "baseline" if family == "control" else "kind"


def load(modules: Iterable[str] = ()) -> None:
    """Import all kinds: htmrun's own, those of installed packages, and `modules`.

    Each is imported once; `modules` may lie in the working directory. Raises UserError where
    somebody else's module cannot be imported.
    """
    for place in (place for places in PLACES.values() for place in places):
        if place not in _done:
            _done.add(place)
            folder = getattr(importlib.import_module(place), "__path__", ())
            for found in pkgutil.iter_modules(folder):
                importlib.import_module(f"{place}.{found.name}")
    if ENTRY_POINTS not in _done:
        _done.add(ENTRY_POINTS)
        for entry in metadata.entry_points(group=ENTRY_POINTS):
            package = (entry.dist.name, entry.dist.version) if entry.dist else None
            _import(entry.module, f"{ENTRY_POINTS}: '{entry.name}'", package)
    for module in modules:
        if os.getcwd() not in sys.path:
            # Last: no file there may stand in for a module that somebody else means.
            sys.path.append(os.getcwd())
        _asked.append(module)
        _import(module, f"--import: '{module}'", None)


def asked() -> tuple[str, ...]:
    """Return the modules that were asked for by name."""
    return tuple(dict.fromkeys(_asked))


def origins() -> dict[tuple[str, str], list[Kind]]:
    """Return all kinds that are not htmrun's own, by where they come from."""
    load()
    found: dict[tuple[str, str], list[Kind]] = {}
    for family in _kinds.values():
        for kind in family.values():
            if kind.origin is not None:
                found.setdefault(kind.origin, []).append(kind)
    return found


def _import(module: str, what: str, package: tuple[str, str] | None) -> None:
    if package is not None:
        _packages[module.partition(".")[0]] = package
    of_package = f" of {' '.join(package)}" if package else ""
    try:
        importlib.import_module(module)
    except UserError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(
            f"{what}{of_package} cannot be imported ({reason}), expected a module that defines "
            "kinds"
        ) from error


def _origin(module: str) -> tuple[str, str] | None:
    """Return name and version of the package that `module` is of; None: htmrun."""
    top = module.partition(".")[0]
    if top == "htmrun":
        return None
    if top not in _packages:
        distributions = metadata.packages_distributions().get(top, ())
        found = next(((name, metadata.version(name)) for name in distributions), None)
        asked = next((name for name in _asked if name.partition(".")[0] == top), top)
        _packages[top] = found or (asked, _hash(sys.modules[top]))
    return _packages[top]


def _hash(module: ModuleType) -> str:
    """Return what tells a module that no package brings from another of its name."""
    if module.__file__ is None:
        return "unversioned"
    path = Path(module.__file__)
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    return HASH + hashlib.sha256(b"\0".join(f.read_bytes() for f in files)).hexdigest()[:16]


@dataclass(frozen=True)
class Section:
    """Marks a field as a section whose `kind` is looked up when it is validated.

    Use: `Annotated[Parameters, Section(...)]`. base: only kinds with parameters of this class.
    """

    families: tuple[str, ...]
    base: type[Parameters] = Parameters

    @property
    def models(self) -> dict[str, type[Parameters]]:
        """The parameters of every kind that may stand here, by name."""
        found = [kind for family in self.families for kind in kinds(family).values()]
        return {k.name: k.parameters for k in found if issubclass(k.parameters, self.base)}

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validate by the kind's own schema, and write out every field of it."""
        return core_schema.with_info_plain_validator_function(
            self._validated,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value, info: value.model_dump(mode=info.mode), info_arg=True
            ),
        )

    def _validated(self, value: Any, info: ValidationInfo) -> Parameters:
        if isinstance(value, self.base):
            return value
        key, models = key_of(self.families[0]), self.models
        if not isinstance(value, Mapping):
            names = ", ".join(models)
            raise ValueError(f"found {show(value)}, expected a section with {key}: one of {names}")
        if key not in value:
            raise ValueError(f"{key}: missing, expected one of {', '.join(models)}")
        if value[key] not in [*models]:  # A list has no hash.
            raise ValueError(mismatch(key, value[key], models))
        model = models[value[key]]
        if info.mode == "python":
            return model.model_validate(value)
        # As JSON again: only there strict types go together with lists that become tuples.
        return model.model_validate_json(json.dumps(value), strict=True)
