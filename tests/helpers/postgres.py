"""A PostgreSQL server for a test; where its programs are not installed, tests say so."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def programs() -> Path | None:
    """Return the folder with initdb and pg_ctl, None if there is none."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    needed = ("initdb", "pg_ctl", "createdb")
    return next((p for p in places if all((p / name).exists() for name in needed)), None)


def lacking() -> str:
    """Return why there can be no server, empty if there can."""
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed"
    if programs() is None:
        return "no PostgreSQL server is installed"
    if os.geteuid() == 0 and not _other_user():
        return "PostgreSQL does not run as root, and there is no user postgres"
    return ""


def _other_user() -> dict[str, Any]:
    """Return whom the server runs as: it refuses root."""
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        return {}
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@contextmanager
def server() -> Iterator[str]:
    """Start a server of its own with two empty databases; yield postgresql://.../ to append to."""
    bin_folder = programs()
    assert bin_folder is not None
    user = _other_user()
    folder = Path(tempfile.mkdtemp(prefix="htmrun-postgres-"))
    if user:
        os.chown(folder, user["user"], user["group"])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(*command: str) -> None:
        subprocess.run(
            [str(bin_folder / command[0]), *command[1:]], check=True, cwd=folder,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, **user,
        )  # fmt: skip

    data = str(folder / "data")
    try:
        run("initdb", "-D", data, "-U", "htm", "--auth=trust", "--no-sync", "-E", "UTF8",
            "--locale=C")  # fmt: skip
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c shared_buffers=32MB"
        run("pg_ctl", "-D", data, "-w", "-o", options, "-l", str(folder / "log"), "start")
        try:
            for name in ("tracking", "study"):
                run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "htm", name)
            yield f"postgresql://htm@127.0.0.1:{port}/"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
