"""The library from its docstrings, in the groups of docs/guides/library.md."""

from __future__ import annotations

import re
from pathlib import Path

import htmrun

PAGE = "library/index.md"
_GUIDE = Path(__file__).parents[2] / "guides" / "library.md"
_ROW = re.compile(r"^\| ([^|]+) \| ((?:`\w+`(?:, )?)+) \|$", re.M)


def page() -> str:
    """Return the Markdown that mkdocstrings turns into the reference of `import htmrun`."""
    parts = [
        "# The library\n\nWhat `import htmrun` offers, from its docstrings; "
        "[htmrun from Python](../guides/library.md) shows it at work. `htmrun.testing` has the "
        "contracts for [kinds of your own](../guides/extend.md).\n\n"
        "```python\nimport htmrun\n\n"
        'print(htmrun.load(["experiment=digits"]).experiment.arm)\n```\n'
    ]
    for purpose, names in groups().items():
        parts.append(f"\n## To {purpose}\n")
        parts += [f"\n::: {_place(name)}\n" for name in names]
    return "".join(parts)


def groups() -> dict[str, list[str]]:
    """Return the public names by what they are for, as the guide's first table has them."""
    text = _GUIDE.read_text(encoding="utf-8").partition("Every block below")[0]
    return {match[1].strip(): re.findall(r"\w+", match[2]) for match in _ROW.finditer(text)}


def _place(name: str) -> str:
    """Return where `name` is defined: documentation follows no name that is only passed on."""
    value = getattr(htmrun, name)
    module = getattr(value, "__module__", "")
    return f"{module}.{name}" if module.startswith("htmrun") else f"htmrun.backends.{name}"
