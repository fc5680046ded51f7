"""Names of devices: what `device` in a configuration may say."""

from __future__ import annotations

import re

from htmrun.errors import one_of

NAMES = ("cpu", "reference", "cuda", "cuda:1", "auto")
"""One name of each form; any number may follow `cuda:`."""

KINDS = ("cpu", "reference", "cuda")
"""The devices of a run without a card's number."""

_FORM = re.compile(r"cpu|reference|auto|cuda(:(0|[1-9][0-9]{0,3}))?")


def checked(name: str) -> str:
    """Return `name` if it names a device; raise ValueError that says what may stand there."""
    if not _FORM.fullmatch(name):
        raise ValueError(f"found '{name}', {one_of(name, NAMES)}")
    return name


def cuda_index(name: str) -> int | None:
    """Return which card `name` means (`cuda`: 0), None if it means none."""
    kind, _, index = name.partition(":")
    return int(index or 0) if kind == "cuda" else None
