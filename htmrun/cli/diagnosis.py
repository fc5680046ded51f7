"""Looks at the machine without changing it: nothing here creates a file or starts a device."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal
from urllib.error import URLError
from urllib.request import urlopen

import psutil
from rich.table import Table
from rich.text import Text

import htmrun
from htmrun.backends.cpu.common.cache import kernel_cache
from htmrun.backends.cuda import cards
from htmrun.cli.listing import console
from htmrun.components import registry
from htmrun.config.store_uri import hide_password
from htmrun.errors import UserError
from htmrun.execution import energy
from htmrun.tracking.outbox import waiting_line
from htmrun.tracking.store import sqlite_file, store_uri

PACKAGES = (
    "numpy", "numba", "scipy", "scikit-learn", "pandas", "statsmodels", "pydantic", "hydra-core",
    "omegaconf", "mlflow", "matplotlib", "typer", "rich", "psutil",
)  # fmt: skip
_STYLES = {"ok": "green", "note": "cyan", "warning": "yellow"}
GIB = 1 << 30


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what was found, and what a lack costs."""

    state: Literal["ok", "note", "warning"]
    what: str
    found: str
    cost: str = ""


def examine(uri: str | None, directory: str) -> Iterator[Finding]:
    """Yield what can be said of Python, packages, processor, memory, devices and the store."""
    yield Finding("ok", "htmrun", f"{htmrun.__version__} in {Path(htmrun.__file__).parent}")
    yield _python()
    yield _packages()
    yield _kinds()
    yield _processor()
    yield _memory()
    yield _cache()
    yield _torch()
    yield _cuda()
    yield _energy()
    yield _store(uri, directory)
    if (line := waiting_line(directory)) is not None:
        yield Finding("warning", "undelivered", line)


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("ok", "Python", found)
    return Finding("warning", "Python", found, "htmrun is tested on 3.11 to 3.13")


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _packages() -> Finding:
    found = {name: _installed(name) for name in PACKAGES}
    missing = [name for name, number in found.items() if number is None]
    text = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    if missing:
        return Finding(
            "warning", "packages", text, f"missing: {', '.join(missing)}; pip install htmrun"
        )
    return Finding("ok", "packages", text)


def _kinds() -> Finding:
    try:
        found = registry.origins()
    except UserError as error:
        return Finding("warning", "own kinds", str(error), "no configuration can be read with it")
    if not found:
        return Finding("ok", "own kinds", "none installed beside htmrun's")
    parts = [
        f"{name} {version}: {', '.join(f'{kind.family} {kind.name}' for kind in kinds)}"
        for (name, version), kinds in found.items()
    ]
    return Finding("ok", "own kinds", "; ".join(parts))


def _processor() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    physical = psutil.cpu_count(logical=False) or "an unknown number of"
    found = f"{physical} cores, {os.cpu_count()} threads, {usable} usable here"
    threads = os.environ.get("NUMBA_NUM_THREADS")
    return Finding("ok", "processor", found + (f", NUMBA_NUM_THREADS={threads}" if threads else ""))


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    found = f"{memory.total / GIB:.1f} GiB, {memory.available / GIB:.1f} GiB free"
    if memory.available < GIB:
        return Finding("warning", "memory", found, "each run needs tens to hundreds of MiB")
    return Finding("ok", "memory", found)


def _cache() -> Finding:
    folder = kernel_cache()
    if not _writable(folder):
        return Finding(
            "warning",
            "numba cache",
            f"{folder} is not writable",
            "kernels are kept beside the package, or compiled anew each time; set NUMBA_CACHE_DIR",
        )
    count = len(list(folder.rglob("*.nbc"))) if folder.is_dir() else 0
    if count == 0:
        return Finding("note", "numba cache", f"{folder} is empty", "the first run compiles")
    return Finding("ok", "numba cache", f"{count} compiled functions in {folder}")


def _writable(path: Path) -> bool:
    """Say whether `path` is, or could be made, a folder that can be written to."""
    with suppress(PermissionError):  # It lies in what is another user's alone.
        for place in (path, *path.absolute().parents):
            if place.exists():
                return place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return False


def _torch() -> Finding:
    # The version tells the kind of build; importing torch would take two seconds.
    number = _installed("torch")
    if number is None:
        return Finding("warning", "torch", "not installed", "stages built on torch cannot run")
    _, _, build = number.partition("+")
    kinds = {"cpu": "CPU build", "": "standard build for this platform"}
    return Finding("ok", "torch", f"{number} ({kinds.get(build, f'{build} build')})")


def _cuda() -> Finding:
    lack = cards.lacking()
    if lack is not None:
        cost = "device=cuda cannot be used; everything runs on the processor, results are the same"
        return Finding("note", "CUDA", f"without {lack}", cost)
    import cupy

    first = cards.card(0)
    count = int(cupy.cuda.runtime.getDeviceCount())
    found = (
        f"CuPy {cupy.__version__}, {count} card{'' if count == 1 else 's'}; cuda:0 is "
        f"{first.name}, {first.free / GIB:.1f} of {first.total / GIB:.1f} GiB free"
    )
    return Finding("ok", "CUDA", found)


def _energy() -> Finding:
    if energy.processor() is None:
        cost = "what runs use is left out of their figures; docs/guides/results.md, Cost"
        return Finding("note", "energy", "no counter of the processors can be read", cost)
    return Finding("ok", "energy", "the processors' counters can be read")


def _store(uri: str | None, directory: str) -> Finding:
    what = "MLflow store"
    try:
        target = store_uri(uri, directory)
        path = sqlite_file(target)
        if path is not None:
            return _database(path)
        if not target.startswith(("http://", "https://")):
            return Finding("note", what, f"{hide_password(target)}, looked at when a run starts")
        return _server(target)
    except (UserError, PermissionError) as error:
        return Finding("warning", what, str(error), "runs cannot be recorded there")


def _database(path: Path) -> Finding:
    what, cost = "MLflow store", "runs cannot be recorded; choose another with tracking.dir"
    if not path.exists():
        if _writable(path.parent):
            return Finding("ok", what, f"{path} will be made by the first run")
        return Finding("warning", what, f"{path.parent} is not writable", cost)
    try:
        connection = sqlite3.connect(path, timeout=2)
        try:
            # Takes the lock that a writer needs and lets it go: nothing is changed.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        finally:
            connection.close()
    except sqlite3.Error as error:
        return Finding("warning", what, f"{path}: {error}", cost)
    return Finding("ok", what, f"{path} is writable")


def _server(uri: str) -> Finding:
    shown = hide_password(uri)
    try:
        urlopen(f"{uri}/health", timeout=3).close()
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        return Finding(
            "warning",
            "MLflow store",
            f"{shown} does not answer ({reason})",
            "runs cannot be recorded there",
        )
    return Finding("ok", "MLflow store", f"{shown} answers")


def print_findings(findings: Sequence[Finding]) -> None:
    """Print what was found, what it costs, and how many of it are warnings."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for finding in findings:
        mark = Text(finding.state, style=_STYLES[finding.state])
        text = Text(finding.found)
        if finding.cost:
            text.append(f"\n{finding.cost}", style="dim")
        table.add_row(mark, Text(finding.what), text)
    console().print(table)
    warnings = sum(finding.state == "warning" for finding in findings)
    print(_verdict(warnings))


def _verdict(warnings: int) -> str:
    if warnings == 0:
        return "Nothing is missing that a run needs."
    return f"{warnings} warning{'' if warnings == 1 else 's'}: see above for what it costs."
