"""What came of a claim: the answer to each rule, the figures behind it, the verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["holds", "does not hold", "undecided", "answered", "needs a card"]
VERDICTS: tuple[Verdict, ...] = (
    "holds", "does not hold", "undecided", "answered", "needs a card",
)  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A mean over seeds; half: half its 95 % Student-t interval, None of a single value."""

    name: str
    metric: str
    mean: float
    half: float | None
    seeds: int


@dataclass(frozen=True)
class Ruled:
    """A rule and its answer.

    difference, low, high: of the mean difference, with the interval that decided; None where every
    pair had to be equal. by: the smallest effect that matters, in the metric's unit. needed: about
    how many seeds would decide it, None where nobody can say.
    """

    says: str
    metric: str
    ask: str
    by: float
    of: Figure
    than: Figure | None
    number: float | None
    difference: float | None
    low: float | None
    high: float | None
    seeds: int
    answer: Literal["yes", "no", "open"]
    check: bool = False
    needed: int | None = None


@dataclass(frozen=True)
class Origin:
    """Where, when and with which code."""

    date: str
    version: str
    commit: str
    machine: str
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """All that is known of a claim after a run of it."""

    number: int
    size: str
    verdict: Verdict
    reason: str
    rules: tuple[Ruled, ...] = ()
    controls: tuple[Figure, ...] = ()
    commands: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    asked_seeds: int = 0
    origin: Origin | None = None

    @property
    def settled(self) -> bool:
        """Whether it is a verdict, rather than a lack of one."""
        return self.verdict in ("holds", "does not hold", "answered")


def to_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON has it."""
    return asdict(outcome)


def from_json(found: Mapping[str, Any]) -> Outcome:
    """Return what `to_json` was made of; raises TypeError or KeyError for anything else."""

    def figure(raw: Mapping[str, Any] | None) -> Figure | None:
        return None if raw is None else Figure(**raw)

    def must(raw: Mapping[str, Any]) -> Figure:
        return Figure(**raw)

    rules = tuple(
        Ruled(**{**rule, "of": must(rule["of"]), "than": figure(rule["than"])})
        for rule in found["rules"]
    )
    origin = None if found["origin"] is None else Origin(**found["origin"])
    return Outcome(
        **{
            **found,
            "rules": rules,
            "controls": tuple(must(raw) for raw in found["controls"]),
            "commands": tuple(found["commands"]),
            "runs": tuple(found["runs"]),
            "origin": origin,
        }
    )


def text_of(outcome: Outcome) -> str:
    """Return an outcome as one JSON object, readable line by line."""
    return json.dumps(to_json(outcome), indent=1) + "\n"
