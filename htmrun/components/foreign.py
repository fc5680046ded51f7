"""Other people's code in a run: whose kinds it uses, whether the same are here, and on workers."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htmrun.backends.parameters import Parameters
from htmrun.components import registry
from htmrun.errors import UserError

PREFIX = "htmrun.kinds."


def used(parameters: Any) -> dict[str, str]:
    """Return version, or hash, of each package and module whose kinds a configuration uses."""
    return dict(sorted(_origins(parameters)))


def tags(parameters: Any) -> dict[str, str]:
    """Return the same as tags of a run."""
    return {f"{PREFIX}{name}": version for name, version in used(parameters).items()}


def must_have(tags: Mapping[str, str], before: str) -> None:
    """Raise UserError unless all that `tags` name is here, `before`: as when they were written."""
    here = dict(registry.origins().keys())
    for tag, version in tags.items():
        name = tag.removeprefix(PREFIX)
        found = here.get(name)
        if name == tag or found == version:
            continue
        if not version.startswith(registry.HASH):
            lack = "is not installed" if found is None else f"is {found} here"
            raise UserError(f"kinds: {name} {lack}, expected {version} {before}")
        if found is None:
            raise UserError(f"kinds: {name} is not here, expected --import {name} {before}")
        raise UserError(f"kinds: the module {name} is another here, expected the same {before}")


@dataclass(frozen=True)
class Code:
    """What a worker on another machine needs before it can read what uses it.

    needed: as `tags`. modules: those that were asked for, with their text where it is one file.
    """

    needed: Mapping[str, str]
    modules: Mapping[str, str | None]

    @classmethod
    def here(cls) -> Code:
        """Return all of this process."""
        needed = {f"{PREFIX}{name}": version for name, version in registry.origins()}
        return cls(needed, {name: _text(name) for name in registry.asked()})

    def load(self) -> None:
        """Import it all; raises UserError where it is missing here, or another."""
        for name, text in self.modules.items():
            if text is not None and importlib.util.find_spec(name) is None:
                folder = tempfile.mkdtemp(prefix="htmrun-")
                Path(folder, f"{name}.py").write_text(text, encoding="utf-8")
                sys.path.append(folder)
        registry.load(self.modules)
        must_have(self.needed, "as where it was started")


def _text(module: str) -> str | None:
    path = sys.modules[module].__file__
    if path is None or "." in module or Path(path).name == "__init__.py":
        return None
    return Path(path).read_text(encoding="utf-8")


def _origins(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Parameters):
        kind = registry.find(type(value))
        if kind is not None and kind.origin is not None:
            yield kind.origin
        value = dict(value)
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        for part in value:
            yield from _origins(part)
