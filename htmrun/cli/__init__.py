"""Commands, one small file each, and all that is for a terminal; heavy imports come late."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

import htmrun
from htmrun.cli import (
    claim,
    claims,
    clean,
    compare,
    dashboard,
    doctor,
    environment,
    export,
    nab,
    predict,
    rerun,
    resume,
    runs,
    series,
    show,
    sweep,
    sync,
    train,
)
from htmrun.cli.usage import two_columns
from htmrun.errors import UserError, of_the_disk

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
USER_ERROR = 2

app = typer.Typer(
    name="htmrun",
    help="Compare online, mini-batch and epoch-boosted learning of HTM pipelines.",
    epilog="Start with: htmrun train experiment=digits",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    # Plain text: fits 80 columns, keeps examples on their lines, and needs no import of rich.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    train, resume, rerun, export, sweep, claims, claim, predict, nab, series, show, runs, compare,
    clean, sync, dashboard, doctor,
)  # fmt: skip
for module in COMMANDS:
    text = f"{module.HELP}\n\n\b\n{two_columns(module.USAGE)}"
    app.command(name=module.NAME, help=text, short_help=module.HELP)(module.command)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if version:
        typer.echo(f"htmrun {htmrun.__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 2 for what the user can mend, 130 for Ctrl-C."""
    from htmrun.cli.usage import USAGE_ERRORS, explain
    from htmrun.execution.garbage import sought_rarely
    from htmrun.execution.signals import interruptions_kept

    with sought_rarely(), interruptions_kept() as lost:
        try:
            environment.check()
            result = app(
                args=None if arguments is None else list(arguments),
                prog_name="htmrun",
                standalone_mode=False,
            )
        except UserError as error:
            return _fail(str(error))
        except MemoryError as error:
            return _fail(
                f"out of memory ({error or 'nothing is left'}), expected a smaller experiment; "
                "--dry-run says what models take"
            )
        except USAGE_ERRORS as error:
            return _fail(explain(error))
        except (KeyboardInterrupt, typer.Abort):
            return INTERRUPTED
        except Exception as error:
            if lost.any:  # What an interruption broke off, e.g. a half compiled kernel.
                return INTERRUPTED
            if (line := _of_a_place(error)) is None:
                raise
            return _fail(line)
    return result if isinstance(result, int) else 0


def _of_a_place(error: Exception) -> str | None:
    """Return a line about a file or disk that cannot be used; None for what is a mistake here."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}, expected a place that can be read and written"
    return of_the_disk(error)


def _fail(message: str) -> int:
    for line in message.splitlines():
        print(f"error: {line}", file=sys.stderr)
    return USER_ERROR
