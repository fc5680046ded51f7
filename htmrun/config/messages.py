"""One line for each thing the schema refuses: dotted path, what was found, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from htmrun.config.fields import fields_of, follow
from htmrun.errors import nearest

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_WANTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a section",
    "model_type": "a section",
    "model_attributes_type": "a section",
    "string_pattern_mismatch": "a name of letters, digits, _ and - that starts with a letter",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


def lines(error: ValidationError, raw: Mapping[str, Any]) -> list[str]:
    """Return a line for each error that pydantic found in `raw`, in its order, none twice."""
    details = error.errors(include_url=False)
    refused = {tuple(d["loc"]) for d in details}
    found = []
    for detail in details:
        # A list with a bad item also counts as too short; the item's own line says more.
        inner = any(
            len(loc) > len(detail["loc"]) and loc[: len(detail["loc"])] == detail["loc"]
            for loc in refused
        )
        if not (detail["type"] == "too_short" and inner):
            found.extend(_describe(detail, raw))
    return list(dict.fromkeys(found))


def show(value: object) -> str:
    """Return `value` as it would stand in YAML, shortened."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "a section" if value else "an empty section"
    if isinstance(value, str):
        text = f"'{value}'"
    elif isinstance(value, Sequence):
        text = f"[{', '.join(show(item) for item in value)}]"
    else:
        text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def path_of(loc: Sequence[int | str], raw: object, *, missing: bool = False) -> tuple[str, ...]:
    """Return the keys of a pydantic location as they stand in YAML: no tags, no `stages`."""
    keys: list[str] = []
    value = raw
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(value, Mapping) and part in value:
            value = value[part]
            keys.append(str(part))
        elif isinstance(part, int) and isinstance(value, Sequence) and not isinstance(value, str):
            value = value[part] if part < len(value) else None
            keys[-1] += f"[{part}]"
        elif last and missing:
            keys.append(str(part))
    return tuple(keys[1:] if keys[:1] == ["stages"] and len(keys) > 1 else keys)


def _describe(detail: ErrorDetails, raw: Mapping[str, Any]) -> list[str]:
    kind = detail["type"]
    loc = detail["loc"]
    context = detail.get("ctx", {})
    value = detail["input"]
    path = ".".join(path_of(loc, raw, missing=kind == "missing"))
    if kind == "value_error":
        return _own_lines(path, str(context["error"]))
    if kind == "extra_forbidden":
        names = [name for name in fields_of(follow(loc[:-1], raw)) if name != "stages"]
        return [unknown(path, value, names)]
    if kind == "missing":
        return [f"{path}: missing, expected {_purpose(loc, raw)}"]
    if kind == "union_tag_invalid":
        return [
            f"{path}.kind: found '{context['tag']}', {_one_of(context['expected_tags'], value)}"
        ]
    if kind == "union_tag_not_found":
        return [_no_kind(path, loc, value, raw)]
    if kind == "literal_error":
        return [f"{path}: found {show(value)}, {_one_of(context['expected'], value)}"]
    return [f"{path}: found {show(value)}, expected {_wanted(detail)}"]


def unknown(path: str, value: object, known: Sequence[str]) -> str:
    """Return the line for a key that no section has; the nearest of `known`, or all of them."""
    near = nearest(path.rsplit(".", 1)[-1], known)
    hint = near or f", expected one of {', '.join(known)}"
    return f"{path}: unknown field, found {show(value)}{hint}"


def _own_lines(path: str, message: str) -> list[str]:
    """Return our validators' messages below `path`; they may start with a field of their own."""
    result = []
    for line in message.splitlines():
        owns_field = re.match(r"[A-Za-z_][\w.-]*(\[\d+\])?: ", line)
        if not path:
            result.append(line)
        else:
            result.append(f"{path}.{line}" if owns_field else f"{path}: {line}")
    return result


def _one_of(choices: str, value: object) -> str:
    names = re.findall(r"'([^']*)'", choices)
    if isinstance(value, Mapping):
        value = value.get("kind")
    near = nearest(value, names) if isinstance(value, str) else ""
    return f"expected one of {', '.join(names)}{near}"


def _no_kind(path: str, loc: Sequence[int | str], value: object, raw: Mapping[str, Any]) -> str:
    kinds = ", ".join(kinds_of(loc, raw))
    if isinstance(value, Mapping):
        return f"{path}.kind: missing, expected one of {kinds}"
    return f"{path}: found {show(value)}, expected a section with kind: one of {kinds}"


def kinds_of(loc: Sequence[int | str], raw: Mapping[str, Any]) -> list[str]:
    """Return the values of `kind` that may stand at `loc`."""
    return [str(m.model_fields["kind"].default) for m in follow(loc, raw, choose=False)]


def _purpose(loc: Sequence[int | str], raw: Mapping[str, Any]) -> str:
    for model in follow(loc[:-1], raw):
        info = model.model_fields.get(str(loc[-1]))
        if info is not None and info.description:
            return info.description.rstrip(".")
    return "a value"


def _wanted(detail: ErrorDetails) -> str:
    kind = detail["type"]
    context = detail.get("ctx", {})
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"{words} {context[name]}"
    if kind in ("too_short", "string_too_short"):
        return f"at least {context['min_length']} {'items' if kind == 'too_short' else 'letters'}"
    if kind in ("too_long", "string_too_long"):
        return f"at most {context['max_length']} {'items' if kind == 'too_long' else 'letters'}"
    return _WANTED.get(kind, detail["msg"])
