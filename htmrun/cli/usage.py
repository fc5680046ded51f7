"""Wrong commands and options in one line, with the nearest name."""

from __future__ import annotations

from collections.abc import Mapping

import typer

from htmrun.errors import one_of

# typer carries click inside itself from some version on; the base class is found through a
# public one, so that both arrangements work.
USAGE_ERRORS: tuple[type[Exception], ...] = tuple(
    cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException"
)


def two_columns(rows: Mapping[str, str]) -> str:
    """Return what can be typed and what it does, in two columns."""
    width = max(map(len, rows))
    return "\n".join(f"  {command:{width}}  {what}".rstrip() for command, what in rows.items())


def explain(error: Exception) -> str:
    """Return one line for an error of typer: what was found, the nearest choice."""
    context = getattr(error, "ctx", None)
    option = getattr(error, "option_name", None)
    if type(error).__name__ == "NoSuchOption" and context is not None:
        return f"{option}: unknown option, {one_of(option, _options(context))}"
    text = " ".join(str(getattr(error, "format_message", error.__str__)()).split())
    if text.startswith("No such command") and context is not None:
        name = text.split("'")[1] if "'" in text else text
        return f"{name}: unknown command, {one_of(name, context.command.commands)}"
    return text


def _options(context: typer.Context) -> list[str]:
    return [name for parameter in context.command.params for name in parameter.opts if "--" in name]
