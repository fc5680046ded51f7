"""Where a run comes from: code, packages, process; and whether that process still lives."""

from __future__ import annotations

import getpass
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from htmrun.components import registry
from htmrun.paths import PACKAGE

PACKAGES = ("htmrun", "numpy", "numba", "torch", "mlflow")
PID_TAG, HOST_TAG, START_TAG = "htmrun.pid", "htmrun.host", "htmrun.process_start"
MACHINE_TAG = "htmrun.machine"
# The start time is computed from the boot time, which moves a little when the clock is set.
_START_TOLERANCE_S = 2.0


def code_tags(root: Path = PACKAGE.parent) -> dict[str, str]:
    """Return MLflow's source tags, with the git commit when htmrun runs from a checkout."""
    tags = {
        "mlflow.source.name": "htmrun train",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": _user(),
    }
    if (root / ".git").exists():
        commit = _git(root, "rev-parse", "HEAD")
        if commit:
            tags["mlflow.source.git.commit"] = commit
            changed = _git(root, "status", "--porcelain", "--untracked-files=no")
            tags["htmrun.code_changed"] = "true" if changed else "false"
    return tags


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # A container may run under an id without a name.
        return str(os.getuid())


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):  # No git: the commit is absent, not guessed.
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def version_tags() -> dict[str, str]:
    """Return the versions of Python and of the packages that results may depend on.

    Those with measures of their own, which are asked of every job, are among them.
    """
    tags = {"htmrun.version.python": platform.python_version()}
    for package in PACKAGES:
        try:
            tags[f"htmrun.version.{package}"] = version(package)
        except PackageNotFoundError:
            tags[f"htmrun.version.{package}"] = "absent"
    for (name, number), kinds in registry.origins().items():
        if any(kind.family == "measure" for kind in kinds):
            tags[f"htmrun.version.{name}"] = number
    return tags


def process_tags() -> dict[str, str]:
    """Return what identifies this process: machine, process id and its start in seconds."""
    return {
        HOST_TAG: platform.node(),
        MACHINE_TAG: _machine(),
        PID_TAG: str(os.getpid()),
        START_TAG: f"{psutil.Process().create_time():.2f}",
        # A password in an address is nobody's business who reads the run.
        "htmrun.command": re.sub(r"//[^/@\s]*@", "//***@", " ".join(sys.argv))[:5000],
    }


def _machine() -> str:
    """Return what tells this machine, and the container on it, from others of the same name."""
    try:
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):  # An image without one, or another system.
        machine = ""
    try:
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        space = ""
    return f"{machine}/{space}"


def process_lives(tags: Mapping[str, str]) -> bool:
    """Return whether the process of `process_tags` still runs.

    On another machine, or in another container, it counts as running: nobody can tell from here.
    """
    if tags.get(HOST_TAG) != platform.node() or tags.get(MACHINE_TAG, _machine()) != _machine():
        return True
    try:
        started = psutil.Process(int(tags[PID_TAG])).create_time()
        return abs(started - float(tags[START_TAG])) < _START_TOLERANCE_S
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
