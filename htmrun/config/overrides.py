"""`KEY=VALUE` from the command line, rewritten so that every key reaches our own validation.

Hydra refuses keys that it does not know and advises "+key". Here a dotted key may be new
(`arm.mine.learn_every=50` adds an arm), and a typo is found by the schema, which knows the
nearest name. Choices in groups (`experiment=digits`) are checked against what exists.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htmrun._imports import hydra
from htmrun.config.catalogue import choices, is_group
from htmrun.config.yaml_files import DEEPEST
from htmrun.errors import UserError, must_be_one_of, printable, show

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

# Groups from which several are chosen at once.
LISTS = ("arm", "control")
LARGEST = 1 << 14
"""Characters of an override: a long one takes seconds to be read."""


def rewrite(overrides: list[str], config_dir: Path | None) -> list[str]:
    """Return `overrides` as Hydra shall see them; UserError names every one that is malformed."""
    errors: list[str] = []
    result: list[str] = []
    for text in overrides:
        try:
            result.append(_rewrite(text, config_dir))
        except UserError as error:
            errors.append(str(error))
    if errors:
        raise UserError("\n".join(errors))
    return result


def key_of(text: str) -> str:
    """Return the dotted key of an override, without `+`, `~` and the value."""
    return text.split("=", 1)[0].lstrip("+~").strip()


def _rewrite(text: str, config_dir: Path | None) -> str:
    override = _parse(text, config_dir)
    key = override.key_or_group
    if key == "hydra" or key.startswith(("hydra.", "hydra/")):
        raise UserError(f"{key}: found in an override, expected a field of the experiment")
    if override.is_sweep_override():
        several = text.split("=", 1)[1]
        raise UserError(
            f"{key}: found '{several}', expected one value; a list is written '{key}=[{several}]', "
            f"a text with commas '{key}=\"{several}\"'"
        )
    if not is_group(key, config_dir):
        return text if override.is_delete() else f"++{text.lstrip('+')}"
    if override.is_delete():
        return text
    value = override.value()
    if value is None:
        return f"{key}=[]" if key in LISTS else f"~{key}"
    check_choice(key, value, config_dir)
    if override.package is not None:
        return f"+{text.lstrip('+')}"
    # Every shipped group is in the defaults already, so `+experiment=x` can only mean this.
    return text.lstrip("+")


def chosen(text: str) -> Any:
    """Return what an override that was read before chooses in its group; [] for nothing."""
    value = _parser().parse_override(text).value()
    return [] if value is None else value


def check_choice(group: str, value: object, config_dir: Path | None) -> None:
    """Raise UserError for a choice, or one of several, that a group does not have."""
    known = choices(group, config_dir)
    for name in value if isinstance(value, list) else [value]:
        must_be_one_of(group, str(name), known)


def _parse(text: str, config_dir: Path | None) -> Override:
    key, equals, value = text.partition("=")
    if not re.match(r"[+~]*[A-Za-z_]", key) or not (equals or text.startswith("~")):
        known = choices("experiment", config_dir)
        hint = f"; did you mean 'experiment={text}'?" if text in known else ""
        raise UserError(
            f"override: found {show(text)}, expected KEY=VALUE, e.g. sp.columns=4096{hint}"
        )
    depth = max(itertools.accumulate((c in "[{(") - (c in "]})") for c in text), default=0)
    if depth > DEEPEST or len(text) > LARGEST:
        raise UserError(
            f"{key_of(text)[:60]}: found {len(text):,} characters with {depth} brackets inside "
            f"each other, expected at most {LARGEST:,} and {DEEPEST} (or a file, see --config-dir)"
        )
    parser = _parser()
    try:
        return parser.parse_override(text)
    except (hydra.errors.HydraException, ValueError):
        pass
    try:
        parser.parse_override(f"{key}=x")
    except hydra.errors.HydraException:
        raise UserError(
            f"override: found {show(text)}, expected a dotted key such as sp.columns before '='"
        ) from None
    short = printable(value if len(value) <= 60 else f"{value[:57]}...")
    raise UserError(
        f"{printable(key_of(text))}: cannot read '{short}', expected a number, a word, a list "
        f"[a,b] or quoted text: '{key}=\"{short}\"'"
    )


def _parser() -> Any:
    return hydra.core.override_parser.overrides_parser.OverridesParser.create()
