"""`htmrun export`: a folder with everything that somebody else needs to run it again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from htmrun.config.store_uri import hide_password
from htmrun.errors import UserError
from htmrun.tracking.settings import to_yaml
from htmrun.tracking.stored import CONFIGURATION, StoredRun, must_have_data, write_results


def export(run: StoredRun, folder: Path, *, with_data: bool = True) -> list[str]:
    """Write `run` into `folder`; return lines that say what is there.

    Raises UserError when the folder is not empty, or when the data have changed.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"DIR: found {folder}, which is not empty, expected a new folder")
    must_have_data(run, run.experiment)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"DIR: {folder} cannot be made ({error.strerror}), expected a new folder"
        ) from None
    try:
        note = _written(run, folder, with_data)
    except OSError:  # What is half there would be in the way of the next try.
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise
    names = sorted(path.name for path in folder.iterdir())
    return [f"{run.run} in {folder}: {', '.join(names)}", note]


def _written(run: StoredRun, folder: Path, with_data: bool) -> str:
    """Write everything into an empty folder; return what is said of the data."""
    resolved = {k: v for k, v in run.resolved.items() if k != "tracking"}
    data, note = _data(resolved["data"], folder, with_data)
    text = f"# The configuration of the run {run.run}.\n" + to_yaml({**resolved, "data": data})
    (folder / CONFIGURATION).write_text(text, encoding="utf-8")
    write_results(run, folder)
    (folder / "requirements.txt").write_text(_requirements(run), encoding="utf-8")
    (folder / "README.md").write_text(_readme(run, note), encoding="utf-8")
    return note


def _data(data: dict[str, Any], folder: Path, with_data: bool) -> tuple[dict[str, Any], str]:
    """Return the data's section for the folder, and what is said of the data."""
    path = data.get("path")
    if path is None:
        return data, "The data ship with a dependency, are generated, or are fetched when needed."
    source = Path(path).expanduser()
    if not with_data:
        return data, f"The data are not in the folder: {path} must be where it runs."
    target = folder / "data" / source.resolve().name
    target.parent.mkdir()
    if source.is_dir():
        idx = [file.name for file in source.iterdir() if "ubyte" in file.name]

        def left_out(folder: str, names: list[str]) -> list[str]:
            """Beside MNIST's files may lie much that is none of the data."""
            return [name for name in names if name not in idx] if idx else []

        shutil.copytree(source, target, ignore=left_out)
    else:
        shutil.copyfile(source, target)
    found = {**data, "path": f"data/{target.name}"}
    if data.get("labels") is not None:
        labels = Path(data["labels"]).expanduser()
        found["labels"] = f"data/labels{labels.suffix}"
        shutil.copyfile(labels, folder / found["labels"])
    return found, f"The data are in data/{target.name}."


def _requirements(run: StoredRun) -> str:
    packages = {n: v for n, v in run.versions.items() if n != "python" and v != "absent"}
    lines = [f"# Python {run.versions.get('python', 'unknown')}"]
    # A local build such as 2.13.0+cpu is no version that an index knows.
    lines += [f"{name}=={version.partition('+')[0]}" for name, version in packages.items()]
    return "\n".join(lines) + "\n"


def _readme(run: StoredRun, note: str) -> str:
    tags = run.tags
    commit = tags.get("mlflow.source.git.commit", "")
    changed = (
        " (with changes that were not committed)"
        if tags.get("htmrun.code_changed") == "true"
        else ""
    )
    lines = [
        f"# {run.run}",
        "",
        f"An htmrun experiment: {len(run.finished)} of {len(run.jobs)} jobs finished.",
        "",
        "    pip install -r requirements.txt",
        "    htmrun rerun .                      # the same once more: same state hashes?",
        "    htmrun train experiment.yaml        # the same, recorded as a run of your own",
        "",
        f"- command: `{hide_password(tags.get('htmrun.command', ''))}`",
        f"- data hash: {run.data_hash}. {note}",
        f"- device: {tags.get('htmrun.device', '')}",
        *([f"- commit: {commit}{changed}"] if commit else []),
        "- experiment.yaml: every setting; results.json: figures and state hash of every job;",
        "  results.csv: the figures as a table; requirements.txt: the versions.",
        "",
    ]
    return "\n".join(lines)
