"""What the configuration folders hold: groups, their choices, experiments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from htmrun.errors import UserError
from htmrun.paths import CONF, conf_of_packages

APART = ("claim",)
"""Folders with files of another kind: nothing of them is chosen for an experiment."""


@dataclass(frozen=True)
class Entry:
    """One experiment file: its name, where it lies, what its first comment lines say."""

    name: str
    path: Path
    summary: str


def folders(config_dir: Path | None) -> list[Path]:
    """Return the folders that are searched, the user's first, those of installed packages last.

    UserError if the user's is no folder.
    """
    shipped = [CONF, *conf_of_packages()]
    if config_dir is None:
        return shipped
    if not config_dir.is_dir():
        raise UserError(f"--config-dir: found '{config_dir}', expected a folder that exists")
    return [config_dir.resolve(), *shipped]


def is_group(name: str, config_dir: Path | None) -> bool:
    """Say whether `name` (e.g. "sp") is a group: a folder of YAML files to choose from."""
    known = bool(name) and name not in APART
    return known and any((folder / name).is_dir() for folder in folders(config_dir))


def choices(group: str, config_dir: Path | None) -> list[str]:
    """Return the names that can be chosen in `group`, sorted."""
    files = (path for folder in folders(config_dir) for path in (folder / group).glob("*.yaml"))
    return sorted({path.stem for path in files})


def experiments(config_dir: Path | None) -> list[Entry]:
    """Return all experiments by name; the user's hide shipped ones of the same name."""
    found: dict[str, Entry] = {}
    for folder in folders(config_dir):
        for path in (folder / "experiment").glob("*.yaml"):
            found.setdefault(path.stem, Entry(path.stem, path, _summary(path)))
    return [found[name] for name in sorted(found)]


def _summary(path: Path) -> str:
    """Return the leading comment of a YAML file as one line, without its `@package` header."""
    words = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.startswith("#"):
                break
            text = line.lstrip("#").strip()
            if text and not text.startswith("@package"):
                words.append(text)
    return " ".join(words)


def groups(config_dir: Path | None) -> list[str]:
    """Return the names of all groups, sorted."""
    found = (path for folder in folders(config_dir) for path in folder.iterdir() if path.is_dir())
    return sorted({p.name for p in found if p.name not in APART and any(p.glob("*.yaml"))})
