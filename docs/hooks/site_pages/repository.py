"""What the documentation links to outside of its folder, as pages of the site."""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path

from site_pages.github import outside_code

ROOT = Path(__file__).parents[3]
FOLDER = "repository"
_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)(\))")
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".cu": "cpp", ".cuh": "cpp",
              ".sh": "bash", ".toml": "toml"}  # fmt: skip


def page_of(path: str) -> str:
    """Return where the site has the file or folder `path` of the repository."""
    return (
        f"{FOLDER}/{path.removesuffix('.md').removesuffix('.ipynb').replace('README', 'readme')}.md"
    )


def with_links(text: str, source: str, page: str) -> tuple[str, set[str]]:
    """Return Markdown with links that fit its place on the site, and what it leads to outside.

    source: the file in the repository; page: its place on the site; both with `/`.
    """
    needed: set[str] = set()

    def led(link: re.Match[str]) -> str:
        target, _, anchor = link[2].partition("#")
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if "://" in target or not target or place.startswith("..") or not (ROOT / place).exists():
            return link[0]
        if place.startswith("docs/") and not place.startswith("docs/hooks"):
            there = place.removeprefix("docs/")
        else:
            there = page_of(place)
            needed.add(place)
        way = posixpath.relpath(there, posixpath.dirname(page) or ".")
        return f"{link[1]}{way}{'#' * bool(anchor)}{anchor}{link[3]}"

    return outside_code(text, lambda part: _LINK.sub(led, part)), needed


def pages(first: set[str]) -> dict[str, str]:
    """Return page and Markdown of everything in `first`, and of all that those lead to."""
    made: dict[str, str] = {}
    waiting = sorted(first)
    while waiting:
        path = waiting.pop()
        page = page_of(path)
        if page not in made:
            made[page], more = with_links(_text(path), path, page)
            waiting += sorted(more)
    return made


def notebook(text: str) -> str:
    """Return a notebook as Markdown: its cells with what they have printed and drawn."""
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        parts.append(f"```python\n{source}\n```" if cell["cell_type"] == "code" else source)
        for out in cell.get("outputs", ()):
            if out["output_type"] == "stream":
                parts.append(f"```text\n{''.join(out['text']).rstrip()}\n```")
            elif "image/png" in out.get("data", {}):
                picture = "".join(out["data"]["image/png"].split())
                parts.append(f'<img alt="plot" src="data:image/png;base64,{picture}">')
    return "\n\n".join(parts) + "\n"


def _text(path: str) -> str:
    place = ROOT / path
    if place.is_dir():
        files = sorted(p for p in place.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        rows = [f"- [{p.relative_to(place)}]({p.relative_to(place.parent)})" for p in files]
        return f"# {path}\n\n" + "\n".join(rows) + "\n"
    text = place.read_text(encoding="utf-8")
    if place.suffix == ".md":
        return text
    if place.suffix == ".ipynb":
        return notebook(text)
    return f"# {place.name}\n\n`{path}`\n\n```{_LANGUAGES.get(place.suffix, 'text')}\n{text}```\n"
