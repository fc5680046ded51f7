"""Tables and inline code in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; cells are Markdown without line breaks."""
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    lines += ["| " + " | ".join(cell or " " for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def fields_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of fields, which narrow screens show one below the other."""
    return f'<div class="fields" markdown>\n\n{table(head, rows)}\n</div>\n'


def code(text: str) -> str:
    """Return `text` as inline code that may stand in a table."""
    return f"`{text}`" if text else ""


def words(text: str) -> str:
    """Return plain words as Markdown that shows them as they are, braces and brackets too."""
    for sign in "|<[_*":
        text = text.replace(sign, f"&#{ord(sign)};")
    return text
