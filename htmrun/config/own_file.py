"""`experiment=csv`: what somebody's file asks for, as settings that can be edited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from htmrun.components.sources.look import Choice, Look, look_at
from htmrun.components.sources.series import SeriesParameters
from htmrun.config.overrides import key_of
from htmrun.errors import UserError

NAME = "csv"
"""The experiment that looks at its file."""


@dataclass(frozen=True)
class OwnFile:
    """What was seen of a file and taken.

    settings, groups: what the user said, values by field, choices by group.
    """

    look: Look
    taken: tuple[Choice, ...]
    settings: Mapping[str, Any]
    groups: Mapping[str, Any]
    name: str

    @property
    def lines(self) -> list[str]:
        """What was taken, a line each, and what was not."""
        taken = [f"{c.field}={_flow(c.value)}: {c.reason}" for c in self.taken]
        return [*taken, *self.look.notes]

    @property
    def text(self) -> str:
        """A YAML file of all that was taken, the reasons as comments."""
        reasons = {choice.field: choice.reason for choice in self.taken}
        every = {"name": self.name, **self.settings}
        every |= {choice.field: choice.value for choice in self.taken}
        lines = [
            f"# {self.look.label}, {self.look.rows:,} samples: what htmrun took it for. Edit it:",
            f"# htmrun train {self.name}.yaml",
            *(f"# {note}" for note in self.look.notes),
            f"experiment: {NAME}  # every other field: htmrun show {NAME}",
            *(["defaults:"] if self.groups else []),
            *(f"  - override /{group}: {_flow(choice)}" for group, choice in self.groups.items()),
        ]
        return "\n".join([*lines, *_yaml(_nested(every), reasons)]) + "\n"


def look(
    raw: dict[str, Any], overrides: Sequence[str], groups: Mapping[str, Any]
) -> OwnFile | None:
    """Look at the file of a composed `experiment=csv` and write into `raw` what it asks for.

    groups: which of the overrides choose in groups, and what. What the user set stands, and so does
    all inside of it. Raises UserError where no file is given, or it leaves a doubt; None where
    `raw` is wrong by itself, which the schema says.
    """
    data = raw.get("data")
    if not isinstance(data, dict) or data.get("kind") != "series":
        found = data.get("kind") if isinstance(data, dict) else data
        raise UserError(f"data: found '{found}', expected series with experiment={NAME}")
    if not isinstance(data.get("path"), str):
        raise UserError(
            f"data.path: found null, expected a CSV file: experiment={NAME} data.path=my.csv"
        )
    try:
        # As strict as the schema: what it refuses is not looked at.
        parameters = SeriesParameters.model_validate(data)
    except ValidationError:
        return None
    fields = [key_of(text) for text in overrides]
    given = {field: _at(raw, field) for field in fields if field not in groups}
    seen = _looked(parameters.model_dump_json(), _version(data["path"]))
    taken = tuple(
        choice for choice in seen.choices
        if not any(_touches(choice.field, field) for field in given) and _put(raw, choice)
    )  # fmt: skip
    name = given.pop("name", None) or _name(Path(data["path"]))
    raw["name"] = name
    chosen = {group: choice for group, choice in groups.items() if group != "experiment"}
    return OwnFile(seen, taken, given, chosen, str(name))


@lru_cache(maxsize=8)
def _looked(parameters: str, version: tuple[int, int]) -> Look:
    return look_at(SeriesParameters.model_validate_json(parameters), Path())


def _version(path: str) -> tuple[int, int]:
    try:
        stat = Path(path).expanduser().stat()
    except OSError:
        return (0, 0)  # Said when it is opened.
    return stat.st_mtime_ns, stat.st_size


def _at(raw: Mapping[str, Any], field: str) -> Any:
    """Return the value of a field; None where it was taken out."""
    found: Any = raw
    for name in field.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _put(raw: dict[str, Any], choice: Choice) -> bool:
    """Set a choice in the configuration; False where nothing of it is in the pipeline."""
    *above, last = choice.field.split(".")
    section: Any = raw
    for name in above:
        section = section.get(name) if isinstance(section, dict) else None
    if not isinstance(section, dict) or last not in section:
        return False
    if choice.value is None and isinstance(section[last], dict) and "kind" in section[last]:
        del section[last]
    else:
        section[last] = list(choice.value) if isinstance(choice.value, tuple) else choice.value
    return True


def _touches(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def _name(path: Path) -> str:
    """Return a name of an experiment like that of the file."""
    stem = path.name.split(".")[0]
    letters = "".join(c if c.isalnum() and c.isascii() else "_" for c in stem)[:100]
    return letters if letters[:1].isalpha() else f"csv_{letters}"


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for field, value in settings.items():
        *above, last = field.split(".")
        section = root
        for name in above:
            section = section.setdefault(name, {})
        section[last] = value
    return root


def _yaml(section: Mapping[str, Any], reasons: Mapping[str, str], path: str = "") -> Iterator[str]:
    """Yield the lines of a section; a reason stands behind its field."""
    margin = "  " * path.count(".")
    for name, value in section.items():
        field = f"{path}{name}"
        if isinstance(value, dict) and value and field not in reasons:
            yield f"{margin}{name}:"
            yield from _yaml(value, reasons, f"{field}.")
            continue
        text = _field(name, list(value) if isinstance(value, tuple) else value)
        yield f"{margin}{text}" + (f"  # {reasons[field]}" if field in reasons else "")


def _field(name: str, value: Any) -> str:
    """Return a field and its value on one line."""
    if isinstance(value, dict | list):
        return f"{name}: {_flow(value)}"
    dumped = yaml.safe_dump({name: value}, allow_unicode=True, width=10_000)
    return str(dumped).strip()


def _flow(value: Any) -> str:
    shown = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(shown, default_flow_style=True, allow_unicode=True, width=10_000)
    return str(text).strip().removesuffix("...").strip()
