"""One line for each thing the schema refuses: dotted path, what was found, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from htmrun.config.fields import allowed, fields_of, follow
from htmrun.errors import mismatch, nearest, show

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
        if not (detail["type"] == "too_short" and inner) and not _is_branch(detail, refused):
            found.extend(_describe(detail, raw))
    return list(dict.fromkeys(found))


def _is_tag(key: int | str) -> bool:
    """Say whether pydantic put `key` into a place for a branch of a union or a dict's key."""
    return isinstance(key, str) and (key.startswith(("=", "tuple[")) or key == "[key]")


def _is_branch(detail: ErrorDetails, refused: Collection[tuple[int | str, ...]]) -> bool:
    """Say whether a line is of the text in `text or a list of texts`: the list's says more."""
    if not detail["loc"]:
        return False
    *before, last = detail["loc"]
    lists = (
        loc for loc in refused if len(loc) > len(before) and list(loc[: len(before)]) == before
    )
    return last == "str" and any(str(loc[len(before)]).startswith("tuple[") for loc in lists)


def path_of(keys: Sequence[int | str]) -> str:
    """Return `keys` as a dotted path as in YAML, where stages stand at the root."""
    path = ""
    for key in keys[1:] if keys[:1] == ["stages"] and len(keys) > 1 else keys:
        path += f"[{key}]" if isinstance(key, int) else f".{key}"
    return path.lstrip(".")


def _describe(detail: ErrorDetails, raw: Mapping[str, Any]) -> list[str]:
    kind = detail["type"]
    keys = [key for key in detail["loc"] if not _is_tag(key)]
    context = detail.get("ctx", {})
    value = detail["input"]
    path = path_of(keys)
    if kind == "json_invalid":  # What the shell passed on was no UTF-8.
        return ["found a character that is no text in a value, expected UTF-8"]
    if kind == "value_error":
        return _own_lines(path, str(context["error"]))
    if kind == "extra_forbidden":
        return [_no_field(path, keys, value, raw)]
    if kind == "missing":
        return [f"{path}: missing, expected {_field_allows(keys, raw) or 'a value'}"]
    if kind == "literal_error":
        return [mismatch(path, value, re.findall(r"'([^']*)'", context["expected"]))]
    return [f"{path}: found {show(value)}, expected {_wanted(detail, keys, raw)}"]


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


def _no_field(path: str, keys: Sequence[int | str], value: object, raw: Mapping[str, Any]) -> str:
    key = str(keys[-1])
    models = follow(keys[:-1], raw)
    others = [m for m in follow(keys[:-1], raw, choose=False) if key in m.model_fields]
    if len(models) == 1 and others and "kind" in models[0].model_fields:
        kinds = " or ".join(str(m.model_fields["kind"].default) for m in others)
        own = models[0].model_fields["kind"].default
        return (
            f"{path}: found {show(value)}, a field of kind {kinds}, not of {own}; ~{path} drops it"
        )
    return unknown(path, value, list(fields_of(models)))


def _field_allows(keys: Sequence[int | str], raw: Mapping[str, Any]) -> str:
    """Return what the field at `keys` allows; empty for items of lists and unknown places."""
    field = fields_of(follow(keys[:-1], raw)).get(str(keys[-1]))
    words = allowed(field).replace(" | ", " or ") if field else ""
    articles = {"integer": "an ", "number": "a ", "list": "a ", "section": "a "}
    return articles.get(words.split(" ")[0], "") + words


def _wanted(detail: ErrorDetails, keys: Sequence[int | str], raw: Mapping[str, Any]) -> str:
    kind = detail["type"]
    context = detail.get("ctx", {})
    if kind in _BOUNDS or kind in _WANTED:
        whole = _field_allows(keys, raw)
        if whole and kind != "string_pattern_mismatch":
            return whole
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"{words} {context[name]}"
    if kind in ("too_short", "string_too_short"):
        return (
            f"at least {context['min_length']} {'item(s)' if kind == 'too_short' else 'letter(s)'}"
        )
    if kind in ("too_long", "string_too_long"):
        return f"at most {context['max_length']} {'items' if kind == 'too_long' else 'letters'}"
    return _WANTED.get(kind, detail["msg"])
