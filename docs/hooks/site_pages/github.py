"""Markdown as GitHub reads it, rewritten so that Python-Markdown makes the same of it."""

from __future__ import annotations

import re
from collections.abc import Callable

FENCE = re.compile(r"^```.*?^```[ ]*$", re.S | re.M)
_FILE = re.compile(r"^<!-- file: (\S+) -->\n```(\w+)$", re.M)
_ITEM = re.compile(r"(?:[-*+]|1[.)]) ")  # Other numbers continue a paragraph.
_ESCAPED_PIPE = re.compile(r"`[^`\n]*\\\|[^`\n]*`")


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Return `text` with `change` applied to all that is in no fenced block."""
    found, place = [], 0
    for fence in FENCE.finditer(text):
        found += [change(text[place : fence.start()]), fence[0]]
        place = fence.end()
    return "".join([*found, change(text[place:])])


def as_python_markdown(text: str) -> str:
    """Return `text` with file names over their blocks, and lists and tables set apart."""
    text = _FILE.sub(r'```\2 title="\1"', text)
    return outside_code(text, lambda part: _apart(_ESCAPED_PIPE.sub(_plain_pipes, part)))


def _plain_pipes(code: re.Match[str]) -> str:
    return code[0].replace("\\|", "|")


def _apart(text: str) -> str:
    """Set an empty line before a list or table that follows a paragraph without one."""
    lines: list[str] = []
    inside = "nothing"
    for line in text.split("\n"):
        kind = _kind(line)
        if kind in ("list", "table") and inside == "paragraph":
            lines.append("")
        # What follows an item's first line belongs to the item until an empty line.
        if kind != "paragraph" or inside == "nothing":
            inside = kind
        lines.append(line)
    return "\n".join(lines)


def _kind(line: str) -> str:
    if not line.strip() or line.startswith("#"):
        return "nothing"
    if _ITEM.match(line):
        return "list"
    return "table" if line.startswith("|") else "paragraph"
