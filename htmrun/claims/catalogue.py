"""All claims there are, read from `conf/claim/` and a folder of the user."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from htmrun._imports import omegaconf
from htmrun.claims.schema import Card, Claim, Part, Rule, Seeds, Shown
from htmrun.config import yaml_files
from htmrun.config.catalogue import folders
from htmrun.errors import UserError, nearest, show

_SECTIONS: dict[str, type[BaseModel]] = {
    "parts": Part, "rules": Rule, "seeds": Seeds, "shown": Shown, "measured": Card,
}  # fmt: skip


@dataclass(frozen=True)
class Known:
    """A claim and the file that holds it."""

    claim: Claim
    path: Path


def claims(config_dir: Path | None = None) -> dict[int, Known]:
    """Return all claims by number; the user's hide shipped ones. Raises UserError."""
    found: dict[int, Known] = {}
    for folder in folders(config_dir):
        of_folder: dict[int, Path] = {}
        for path in sorted((folder / "claim").glob("*.yaml")):
            claim = read(path)
            if claim.number in of_folder:
                other = of_folder[claim.number].name
                raise UserError(f"{path}: number: found {claim.number}, which {other} has too")
            of_folder[claim.number] = path
            found.setdefault(claim.number, Known(claim, path))
    return dict(sorted(found.items()))


def chosen(wanted: str, config_dir: Path | None = None) -> list[Known]:
    """Return the claims meant by `all`, a number, or several with commas; raises UserError."""
    known = claims(config_dir)
    if wanted == "all":
        return list(known.values())
    found = []
    for text in wanted.split(","):
        if not text.strip().isdigit() or int(text) not in known:
            raise UserError(
                f"N: found '{text}', expected all or a number from {min(known, default=0)} to "
                f"{max(known, default=0)}; htmrun claims lists them"
            )
        found.append(known[int(text)])
    return found


def read(path: Path) -> Claim:
    """Return the claim of a file; UserError has a line for each thing that is wrong."""
    return _read(path, path.stat().st_mtime_ns)


@cache
def _read(path: Path, _: int) -> Claim:
    raw: Any = omegaconf.OmegaConf.to_container(yaml_files.load(path), resolve=False)
    try:
        return Claim.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        lines = [f"{path}: {_line(detail, raw)}" for detail in error.errors(include_url=False)]
        raise UserError("\n".join(dict.fromkeys(lines))) from None


def _line(detail: Mapping[str, Any], raw: Mapping[str, Any]) -> str:
    keys = [key for key in detail["loc"] if key not in ("str", "float")]
    path = "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in keys).lstrip(".")
    if detail["type"] == "value_error":
        inner = str(detail["ctx"]["error"])
        return f"{path}.{inner}" if path else inner
    if detail["type"] == "extra_forbidden":
        model = _SECTIONS.get(str(keys[0]), Claim) if len(keys) > 1 else Claim
        return f"{path}: unknown field{nearest(keys[-1], model.model_fields)}"
    if detail["type"] == "missing":
        return f"{path}: missing, expected a value"
    return f"{path}: found {show(detail['input'])}, expected {_expected(detail)}"


def _expected(detail: Mapping[str, Any]) -> str:
    if detail["type"] == "literal_error":
        return f"one of {detail['ctx']['expected']}"
    return str(detail["msg"]).removeprefix("Input should be ")
