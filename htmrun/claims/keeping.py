"""Where outcomes are kept: the user's own in the folder of the runs, those of all claims in conf/.

`conf/claim/settled.json` has the outcomes of full runs that the published page is made of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from htmrun.claims.outcome import Outcome, from_json, text_of, to_json
from htmrun.errors import UserError
from htmrun.paths import CONF

SETTLED = CONF / "claim" / "settled.json"


def keep(outcome: Outcome, directory: str) -> Path:
    """Write an outcome below the folder of the runs, in place of an earlier one of its size."""
    path = _path(directory, outcome.number, outcome.size)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".half")
    half.write_text(text_of(outcome), encoding="utf-8")
    half.replace(path)
    return path


def kept(directory: str, number: int, size: str) -> Outcome | None:
    """Return the user's own outcome of a claim at a size, None where there is none. UserError."""
    path = _path(directory, number, size)
    if not path.exists():
        return None
    try:
        return from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError, AttributeError, OSError):
        raise UserError(
            f"{path}: found no outcome of a claim, expected what htmrun claim {number} writes; "
            "remove it"
        ) from None


def own(directory: str, numbers: Iterable[int]) -> dict[int, Outcome]:
    """Return the user's own outcome of each claim, that of the full size first."""
    found = {}
    for number in numbers:
        outcome = kept(directory, number, "full") or kept(directory, number, "small")
        if outcome is not None:
            found[number] = outcome
    return found


def settled() -> dict[int, Outcome]:
    """Return the outcomes that ship with htmrun, by number."""
    if not SETTLED.exists():
        return {}
    found = [from_json(raw) for raw in json.loads(SETTLED.read_text(encoding="utf-8"))]
    return {outcome.number: outcome for outcome in found}


def settle(outcomes: Iterable[Outcome], path: Path = SETTLED) -> None:
    """Write outcomes into the file that ships, in place of those of the same claims."""
    found = settled() | {outcome.number: outcome for outcome in outcomes}
    plain = [to_json(found[number]) for number in sorted(found)]
    path.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def _path(directory: str, number: int, size: str) -> Path:
    return Path(directory) / "claims" / f"{number:02d}-{size}.json"
