"""mkdocs' hooks: generated pages, links out of docs/, Markdown as GitHub reads it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File
from site_pages import drawing, experiments, fields, library, repository
from site_pages.github import as_python_markdown
from site_pages.navigation import navigation

_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+\.svg)\)")
DOCS = Path(__file__).parents[1]


def on_config(config: Any) -> Any:
    """Make the navigation, from the index of the documentation and from what is generated."""
    config.nav = navigation(
        DOCS / "README.md",
        {
            "Experiments": [{title: page} for page, (title, _) in experiments.pages().items()],
            "Fields": [{title: page} for page, (title, _) in fields.pages().items()],
            "Python": [{"The library": library.PAGE}],
            "Results": [
                {"Changes": repository.page_of("CHANGELOG.md")},
                {"Contributing": repository.page_of("CONTRIBUTING.md")},
            ],
        },
        before="Results",
    )
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that the code writes, and those of files that links lead to."""
    made = {page: text for page, (_, text) in {**experiments.pages(), **fields.pages()}.items()}
    made[library.PAGE] = library.page()
    needed = {"CONTRIBUTING.md", "CHANGELOG.md"}
    for page in DOCS.rglob("*.md"):
        place = page.relative_to(DOCS).as_posix()
        needed |= repository.with_links(page.read_text(encoding="utf-8"), f"docs/{place}", place)[1]
    made |= repository.pages(needed)
    made["assets/colours.css"] = drawing.site_colours()
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Return a page's Markdown as Python-Markdown has to have it."""
    place = page.file.src_uri
    if page.file.generated_by is None:
        markdown, _ = repository.with_links(markdown, f"docs/{place}", place)
    return _PICTURE.sub(lambda found: _inline(found, place), as_python_markdown(markdown))


def _inline(found: re.Match[str], place: str) -> str:
    """Return an SVG picture as part of the page: so it takes the colours of the page's scheme."""
    text = (DOCS / place).parent.joinpath(found[2]).read_text(encoding="utf-8")
    return f'<figure class="drawn">{"".join(text.splitlines())}</figure>'
