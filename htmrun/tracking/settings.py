"""Parameters as MLflow wants them: flat, dotted, within its limits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

_LONGEST_NAME, _LONGEST_VALUE = 250, 6000
_LONG_KEY = re.compile(r'"[^"]{100,}":')
_FAST = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_NOT_ALLOWED = re.compile(r"[^\w./ :-]")


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested mappings and lists of mappings as ``{"stages.0.columns": "2048"}``.

    Values read as in YAML; one longer than MLflow's 6000 characters is cut and ends in "...".
    """
    flat: dict[str, str] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{name}.")
        elif _holds_mappings(value):
            flat |= flatten({str(i): item for i, item in enumerate(value)}, f"{name}.")
        else:
            flat[legal_name(name)] = _shorten(_text(value))
    return flat


def _holds_mappings(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and any(isinstance(item, Mapping) for item in value)
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def legal_name(name: str) -> str:
    """Return `name` with what MLflow forbids in metric and parameter names replaced by "_"."""
    return _NOT_ALLOWED.sub("_", name)[:_LONGEST_NAME]


def to_yaml(values: Mapping[str, Any]) -> str:
    """Return `values` as YAML, tuples as lists, keys in their order."""
    text = json.dumps(values, default=str)
    # libyaml is five times as fast, and writes the same but for long keys and what JSON escapes.
    simple = "\\" not in text and _LONG_KEY.search(text) is None
    written: str = yaml.dump(
        json.loads(text), Dumper=_FAST if simple else yaml.SafeDumper, sort_keys=False,
        allow_unicode=True,
    )  # fmt: skip
    return written
