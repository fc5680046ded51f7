"""YAML as anyone may have written it: looked through before a library builds anything of it.

A few lines of YAML can stand for more than any memory holds, or nest deeper than any parser goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from htmrun._imports import omegaconf
from htmrun.components.files import read_text
from htmrun.errors import UserError

LARGEST, DEEPEST, MOST_NODES, LONGEST_NUMBER = 1 << 24, 50, 200_000, 400
"""Bytes of a file, sections inside sections, values in all, characters of a number."""
EXPECTED = "a YAML file"
# The parser that libyaml brings is a hundred times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(path: Path, expected: str = EXPECTED) -> Any:
    """Return what a file of the user holds, as OmegaConf has it; raises UserError."""
    text = read_text(path, expected, LARGEST)
    look_through(text, str(path))
    try:
        found = omegaconf.OmegaConf.create(text)
    except yaml.MarkedYAMLError as error:
        raise UserError(marked(error, str(path))) from None
    except omegaconf.errors.OmegaConfBaseException as error:
        key = f"{error.full_key}: " if getattr(error, "full_key", None) else ""
        raise UserError(f"{path}: {key}{first_line(error)}, expected valid YAML") from None
    except (yaml.YAMLError, ValueError, OSError) as error:
        raise UserError(f"{path}: {first_line(error)}, expected valid YAML") from None
    if not omegaconf.OmegaConf.is_dict(found):
        raise UserError(f"{path}: found no sections, expected FIELD: VALUE on every line")
    return found


def look_through(text: str, name: str) -> None:
    """Raise UserError, with file and line, for what YAML can say and no configuration needs."""
    anchors: dict[str | None, int] = {}
    inside: list[tuple[str | None, int]] = []
    nodes = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if not inside and isinstance(event, yaml.ScalarEvent):
                raise UserError(f"{name}: found '{event.value[:40]}', expected FIELD: VALUE")
            refused = _refused(event, len(inside), anchors)
            if isinstance(event, yaml.AliasEvent):
                nodes += anchors.get(event.anchor, 0)
            elif isinstance(event, yaml.NodeEvent):
                nodes += 1
            if isinstance(event, yaml.CollectionStartEvent):
                inside.append((event.anchor, nodes - 1))
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, before = inside.pop()
                anchors[anchor] = nodes - before
            elif isinstance(event, yaml.ScalarEvent):
                anchors[event.anchor] = 1
            if nodes > MOST_NODES:
                refused = f"over {MOST_NODES:,} values, aliases in full, expected fewer"
            if refused:
                raise UserError(f"{name}:{event.start_mark.line + 1}: found {refused}")
    except yaml.MarkedYAMLError as error:
        raise UserError(marked(error, name)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UserError(
            f"{name}:{line}: found the character {error.character:#x}, expected text"
            if isinstance(error.character, int)
            else f"{name}:{line}: {error.reason}, expected text"
        ) from None


def _refused(event: yaml.Event, depth: int, anchors: Mapping[str | None, int]) -> str:
    """Return what is found and what was expected; empty if there is nothing to say."""
    if depth > DEEPEST:
        return f"more than {DEEPEST} brackets or sections inside each other, expected fewer"
    if isinstance(event, yaml.AliasEvent) and event.anchor not in anchors:
        return f"the alias *{event.anchor} before the end of what it stands for, expected it after"
    is_plain = isinstance(event, yaml.ScalarEvent) and event.style in (None, "")
    if is_plain and len(event.value) > LONGEST_NUMBER and event.value[:1].isdigit():
        return f"a number of {len(event.value):,} characters, expected at most {LONGEST_NUMBER}"
    return ""


def guarded_source() -> Any:
    """Return Hydra's reader of folders for folders of the user, whose files are looked through."""
    reader = import_module("hydra._internal.core_plugins.file_config_source")
    base: Any = reader.FileConfigSource

    class UserFiles(base):
        @staticmethod
        def scheme() -> str:
            return SCHEME

        def load_config(self, config_path: str) -> Any:
            path = Path(self.path) / self._normalize_file_name(config_path)
            load(path)
            return super().load_config(config_path)

    return UserFiles


SCHEME = "htmrun-user"


def marked(error: Any, name: str) -> str:
    """Return the line for an error of YAML that knows its place."""
    mark = error.problem_mark or error.context_mark
    place = f"{name}:{mark.line + 1}" if mark else name
    return f"{place}: {error.problem or error.context}, expected valid YAML"


def first_line(error: Exception) -> str:
    """Return the first line of an error that says something."""
    text = str(error) or str(error.__cause__ or "") or type(error).__name__
    return next(line.strip() for line in text.splitlines() if line.strip())
