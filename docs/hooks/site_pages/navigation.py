"""The site's navigation: the sections of docs/README.md, and what is generated beside them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_SECTION = re.compile(r"^\*\*(.+)\*\*$", re.M)
_ENTRY = re.compile(r"^- \[([^\]]+)\]\(([^).#][^)#]*)\)", re.M)


def navigation(index: Path, generated: dict[str, list[dict[str, str]]], before: str) -> list[Any]:
    """Return mkdocs' `nav`: the sections of `index`, with what is generated.

    Generated entries end the index's section of their name; those that it has no section for
    make one, in front of the section `before`.
    """
    parts = _SECTION.split(index.read_text(encoding="utf-8"))
    written: dict[str, list[Any]] = {}
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        written[title] = [{label: page} for label, page in _ENTRY.findall(text)]
    own = {title: entries for title, entries in generated.items() if title not in written}
    made: list[Any] = [{"Home": index.name}]
    for title, entries in written.items():
        if title == before:
            made += [{name: pages} for name, pages in own.items()]
        made.append({title: [*entries, *generated.get(title, [])]})
    return made
