"""`htmrun train`: run an experiment, or say what it would do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from htmrun.cli.options import ConfigDir, Imported, Json, On, Quiet
from htmrun.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from htmrun.config.compose import Loaded
    from htmrun.config.own_file import OwnFile

NAME = "train"
HELP = "Run an experiment; without one, list the experiments."
USAGE = {
    "experiment=NAME": "an experiment: htmrun show lists them",
    "FILE.yaml": "or a configuration of your own, or a sweep's best.yaml",
    "GROUP=CHOICE": "another choice in a group: sp=local",
    "FIELD=VALUE": "another value: sp.columns=4096 'seeds=[0,1,2]'",
    "~FIELD": "without it: ~control.no_sp",
}


def complete(incomplete: str) -> list[str]:
    """Return the choices that a half-typed override can become, e.g. `experiment=digits`."""
    from htmrun.config.catalogue import choices, groups

    known = groups(None)
    group, equals, _ = incomplete.partition("=")
    if equals and group in known:
        return [f"{group}={name}" for name in choices(group, None)]
    return [f"{name}=" for name in known if name.startswith(incomplete)]


def command(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Choices (experiment=NAME, sp=local) and settings (sp.columns=4096).",
            hidden=True,
            autocompletion=complete,
        ),
    ] = None,
    on: On = "local",
    config_dir: ConfigDir = None,
    imported: Imported = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would run and how much memory it needs.")
    ] = False,
    quiet: Quiet = False,
    json_output: Json = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FOLDER", help="Write report.html and plots at the end."),
    ] = None,
) -> int:
    if not overrides and not json_output and not (config_dir and _has_root(config_dir)):
        from htmrun.cli.listing import how_to_start

        how_to_start(config_dir)
        return 0
    from htmrun.config.compose import load
    from htmrun.execution.ray_connection import checked

    on = checked(on)
    loaded = load(overrides or [], config_dir)
    if loaded.own_file is not None and not quiet and not json_output:
        _say_what_was_seen(loaded.own_file, write=not dry_run)
    if dry_run:
        _dry_run(loaded, on, json_output)
        return 0
    from htmrun.cli.running import run_experiment

    return run_experiment(
        loaded.experiment,
        loaded.resolved,
        loaded.overrides,
        on=on,
        quiet=quiet,
        json_output=json_output,
        afterwards=None if report is None else _report(loaded, report),
    )


def _say_what_was_seen(seen: OwnFile, *, write: bool) -> None:
    """Print what an own file was taken for, and write it where it can be edited."""
    path = Path(f"{seen.name}.yaml")
    lines = [f"{seen.look.label}, {seen.look.rows:,} samples:", *(f"  {x}" for x in seen.lines)]
    if not write:
        lines.append(f"(a run writes this to {path}, to be edited)")
    elif path.exists():
        same = path.read_text(encoding="utf-8", errors="replace") == seen.text
        lines.append(f"{path}: " + ("as before" if same else "left as it is, this run is not its"))
    else:
        path.write_text(seen.text, encoding="utf-8")
        lines.append(f"{path}: written; edit it, then htmrun train {path}")
    typer.echo("\n".join(lines))


def _report(loaded: Loaded, folder: Path) -> Callable[[str], None]:
    """Return what writes the report of a run, of which nothing is printed on stdout."""
    tracking = loaded.experiment.tracking
    if not tracking.enabled:
        raise UserError("--report: found tracking=none, expected a run that is recorded")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--report: {folder} is a file, expected a folder")
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        pass
    except OSError as error:
        raise UserError(
            f"--report: {folder} cannot be made ({error.strerror}), expected a folder"
        ) from None
    else:
        folder.rmdir()  # It comes with the report.

    def write(run_id: str) -> None:
        from htmrun.cli.terminal.comparison_table import write_report
        from htmrun.compare.runs import Choice

        choice = Choice((run_id,), force=True, uri=tracking.uri, directory=tracking.dir)
        write_report(choice, folder)

    return write


def _has_root(config_dir: Path) -> bool:
    return (config_dir / "config.yaml").is_file()


def _dry_run(loaded: Loaded, on: str, json_output: bool) -> None:
    from htmrun.execution.dry_run import dry_run

    plan = dry_run(loaded.experiment, on)
    if json_output:
        told: dict[str, object] = {"configuration": loaded.resolved, "plan": plan.rows}
        told |= {"notes": plan.notes}
        told |= {"device": plan.run.where.device, "threads": plan.run.builder.threads}
        typer.echo(json.dumps(told | ({"device_note": plan.note} if plan.note else {})))
        return
    from htmrun.cli.terminal.experiment import print_plan, print_yaml

    print_yaml(loaded.resolved)
    print_plan(plan)
