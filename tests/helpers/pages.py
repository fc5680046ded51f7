"""What a page of the documentation promises: files to write, code and commands to run, links."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("", "docs", "kernels", "runs")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
FILE = re.compile(r"<!-- file: (\S+) -->\n$")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, the file it is to be written to, if any."""

    language: str
    text: str
    file: str | None
    line: int


@dataclass(frozen=True)
class Command:
    """One `htmrun` command line, and the errors that the page says it prints, if any."""

    words: tuple[str, ...]
    errors: tuple[str, ...] | None
    line: int


def pages() -> list[Path]:
    """Return every Markdown page of the repository, outside of what tools leave behind."""
    found = [*ROOT.glob("*.md")]
    for folder in FOLDERS[1:]:
        found += (ROOT / folder).rglob("*.md")
    return sorted(found)


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of `page` in their order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        head = text[: match.start()]
        named = FILE.search(head)
        line = head.count("\n") + 1
        found.append(Block(match[1], match[2], named[1] if named else None, line))
    return found


def commands(block: Block) -> list[Command]:
    """Return the `htmrun` commands of a block: every line in `sh`, those after `$` in `console`."""
    lines = block.text.splitlines()
    if block.language == "sh":
        return [
            Command(tuple(shlex.split(text, comments=True)[1:]), None, block.line + number)
            for number, text in enumerate(lines, 1)
            if text.startswith("htmrun")
        ]
    found: list[Command] = []
    for number, text in enumerate(lines, 1) if block.language == "console" else ():
        if text.startswith("$ htmrun"):
            found.append(Command(tuple(shlex.split(text)[2:]), (), block.line + number))
        elif text and found:
            last = found.pop()
            found.append(Command(last.words, (*(last.errors or ()), text), last.line))
    return found


def mentioned(page: Path) -> list[tuple[str, ...]]:
    """Return every `htmrun train ...` of `page` in inline code and in blocks of no language."""
    text = page.read_text(encoding="utf-8")
    plain = [
        line for block in blocks(page) if block.language == "" for line in block.text.split("\n")
    ]
    inline = re.findall(r"`(htmrun train[^`]*)`", FENCE.sub("", text))
    return [
        tuple(shlex.split(line, comments=True)[2:])
        for line in (*plain, *inline)
        if line.startswith("htmrun train ")
    ]


def links(page: Path) -> list[str]:
    """Return the targets of the links of `page`, code left out."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return LINK.findall(re.sub(r"`[^`\n]*`", "", text))


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of `page`, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.M)
    plain = [re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-") for text in plain}
