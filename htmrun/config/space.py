"""What a sweep may choose from: `choice(64, 128)`, `interval(0, 3)`, `log(0.001, 0.1)`, ..."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import yaml

from htmrun._imports import omegaconf
from htmrun.config.yaml_files import look_through
from htmrun.errors import UserError, nearest, show

FORMS = {
    "choice": "choice(a, b, ...)",
    "interval": "interval(low, high)",
    "log": "log(low, high)",
    "integer": "integer(low, high)",
    "log_integer": "log_integer(low, high)",
}
Scalar = bool | int | float | str | None


@dataclass(frozen=True)
class Choice:
    """One of several values, of any kind."""

    values: tuple[Any, ...]

    @property
    def labels(self) -> tuple[Scalar, ...]:
        """The values as scalars, which is what studies keep: lists as JSON."""
        return tuple(json.dumps(v) if isinstance(v, list | dict) else v for v in self.values)

    def value_of(self, label: Scalar) -> Any:
        """Return the value that `label` stands for; ValueError if there is none."""
        found = [v for v, known in zip(self.values, self.labels, strict=True) if known == label]
        same = [v for v in found if type(v) is type(label) or isinstance(v, list | dict)]
        if not found:
            raise ValueError(f"{label!r} is none of {self.labels}")
        return (same or found)[0]

    def label_of(self, value: Any) -> Scalar:
        """Return the label of `value`; ValueError if it is none of the choices."""
        for known, label in zip(self.values, self.labels, strict=True):
            if known == value and isinstance(known, bool) == isinstance(value, bool):
                return label
        raise ValueError(f"{value!r} is none of {self.values}")

    def probes(self) -> tuple[Any, ...]:
        """Return values that must all be valid."""
        return self.values

    def points(self, _: int) -> tuple[Scalar, ...]:
        """Return what a grid takes: everything."""
        return self.labels


@dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`, both included; `log`: evenly in their logarithm."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def value_of(self, label: Any) -> Any:
        """Return the number itself."""
        return int(label) if self.whole else float(label)

    def label_of(self, value: Any) -> Any:
        """Return `value`; ValueError if it lies outside."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{value!r} is no number")
        if not self.low <= value <= self.high or (self.whole and value != int(value)):
            raise ValueError(f"{value!r} is not in {self.low} to {self.high}")
        return self.value_of(value)

    def probes(self) -> tuple[Any, ...]:
        """Return values that must all be valid: the ends, and one between that is no integer."""
        between = () if self.whole else (self.low + 0.381966 * (self.high - self.low),)
        return (self.value_of(self.low), self.value_of(self.high), *between)

    def points(self, count: int) -> tuple[Any, ...]:
        """Return `count` numbers, evenly spread."""
        low, high = (math.log(x) if self.log else x for x in (self.low, self.high))
        steps = [low + (high - low) * i / max(count - 1, 1) for i in range(count)]
        found = [math.exp(x) if self.log else x for x in steps]
        # The logarithm's rounding must not leave the interval.
        found = [min(max(x, self.low), self.high) for x in found]
        return tuple(dict.fromkeys(round(x) if self.whole else x for x in found))


Dimension = Choice | Interval
Space = Mapping[str, Dimension]


def is_dimension(text: str) -> bool:
    """Say whether `text` is written like one: NAME(...)."""
    return re.fullmatch(r"\s*[A-Za-z_]\w*\s*\(.*\)\s*", text, re.S) is not None


def parse(path: str, text: object) -> Dimension:
    """Return the dimension that `text` writes; UserError begins with `path`."""
    match = (
        re.fullmatch(r"\s*([A-Za-z_]\w*)\s*\((.*)\)\s*", text, re.S)
        if isinstance(text, str)
        else None
    )
    if match is None:
        raise UserError(f"{path}: found {text!r}, expected one of {', '.join(FORMS.values())}")
    name, inner = match.groups()
    if name not in FORMS:
        raise UserError(
            f"{path}: found '{name}(...)', expected one of {', '.join(FORMS.values())}"
            f"{nearest(name, FORMS)}"
        )
    values = _arguments(path, str(text), inner)
    return _choice(path, values) if name == "choice" else _interval(path, name, values)


def _arguments(path: str, text: str, inner: str) -> list[Any]:
    try:
        look_through(f"[{inner}]", path)
        # OmegaConf's YAML reads 1e-3 as a number, which YAML 1.1 does not.
        values = omegaconf.OmegaConf.to_container(omegaconf.OmegaConf.create(f"[{inner}]"))
    except (UserError, yaml.YAMLError, omegaconf.errors.OmegaConfBaseException, ValueError):
        raise UserError(f"{path}: cannot read {show(text)}, expected values with commas") from None
    assert isinstance(values, list)
    return values


def _choice(path: str, values: Sequence[Any]) -> Choice:
    if len(values) < 2:
        raise UserError(f"{path}: found {len(values)} in choice(...), expected at least 2 values")
    shown = [json.dumps(value) for value in values]
    for place, value in enumerate(shown):
        if value in shown[:place]:
            raise UserError(f"{path}: found {value} twice in choice(...), expected each value once")
    return Choice(tuple(values))


def _interval(path: str, name: str, values: Sequence[Any]) -> Interval:
    whole = "integer" in name
    kind = "integers" if whole else "numbers"
    fit = [isinstance(v, int if whole else int | float) and not isinstance(v, bool) for v in values]
    if len(values) != 2 or not all(fit) or not all(math.isfinite(v) for v in values):
        raise UserError(
            f"{path}: found {name}({', '.join(map(str, values))}), expected two {kind}, "
            f"{FORMS[name]}"
        )
    low, high = values
    if not low < high:
        raise UserError(f"{path}: found {name}({low}, {high}), expected low < high")
    if name.startswith("log") and low <= 0:
        raise UserError(f"{path}: found {name}({low}, {high}), expected low > 0")
    return Interval(low, high, log=name.startswith("log"), whole=whole)


def grid(space: Space, points: int) -> list[dict[str, Any]]:
    """Return every combination, each interval at `points` places."""
    axes = [dimension.points(points) for dimension in space.values()]
    return [dict(zip(space, combination, strict=True)) for combination in product(*axes)]
