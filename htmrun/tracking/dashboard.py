"""MLflow's interface over the runs: started on a free port, opened on the right page."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psutil

from htmrun.errors import UserError
from htmrun.execution.signals import terminations_raised
from htmrun.tracking import links
from htmrun.tracking.gate import (
    ARTIFACTS,
    COLOURS,
    LOOPBACK,
    PARENT,
    PASSWORD,
    STORE,
    USER,
    Access,
)
from htmrun.tracking.plots import colour_of
from htmrun.tracking.store import RUN_TAG, all_runs, explained, newest_run, open_existing

RUNS_IN_A_LINK = 9
FIRST_PORT, PORTS_TRIED = 5000, 100
_START_LIMIT_S = 120.0
_STOP_LIMIT_S = 8.0


@dataclass(frozen=True)
class Newest:
    """The newest experiment run: its id, MLflow's experiment id, its runs' ids, its main curve.

    `arms` are in the order of the configuration.
    """

    run: str
    experiment: str
    runs: tuple[str, ...]
    curve: str | None
    arms: tuple[str, ...] = ()


def newest(client: Any) -> Newest:
    """Return the newest experiment run in the store; raises UserError if there is none."""
    last = newest_run(client)
    name, experiment = last.data.tags[RUN_TAG], last.info.experiment_id
    runs = all_runs(client, [experiment], f"tags.`{RUN_TAG}` = '{name}'", newest_first=False)
    curve = _main_curve(client, runs)
    ids = tuple(run.info.run_id for run in runs)
    return Newest(name, experiment, ids, curve, arms_of([run.data.tags for run in runs]))


def arms_of(tags: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """Return the arms of runs with these tags as the configuration orders them."""
    places: dict[str, int] = {}
    for one in tags:
        arm, place = one.get("htmrun.arm", ""), int(one.get("htmrun.index", 0))
        places[arm] = min(place, places.get(arm, place))
    return tuple(sorted(filter(None, places), key=lambda arm: places[arm]))


def _main_curve(client: Any, runs: list[Any]) -> str | None:
    """Return the curve that the runs name; without one, the first metric that is a curve."""
    named = next((r.data.tags["htmrun.curve"] for r in runs if "htmrun.curve" in r.data.tags), None)
    if named is not None:
        return str(named)
    for run in runs:
        final = [name for name in run.data.tags.get("htmrun.metrics", "").split(",") if name]
        for name in [*final, *sorted(run.data.metrics)]:
            if len(client.get_metric_history(run.info.run_id, name)) > 1:
                return name
    return None


def page_links(base: str, found: Newest) -> list[tuple[str, str]]:
    """Return (what it shows, link) for the newest experiment run, the charts first.

    The other pages name every run in their link; with many runs only the charts are given,
    from where they are two clicks away.
    """
    pages = [(f"charts of {found.run}", links.charts(base, found.experiment, found.run))]
    if len(found.runs) > RUNS_IN_A_LINK:
        return pages
    if found.curve is not None:
        pages.append(
            (
                f"{found.curve} of all its runs",
                links.metric(base, found.experiment, found.runs, found.curve),
            )
        )
    pages.append(
        ("runs side by side", links.compare_runs(base, found.experiment, found.runs)),
    )
    return pages


def free_port(wanted: int | None, host: str = LOOPBACK) -> int:
    """Return `wanted`, or the first free port from 5000; raises UserError if there is none."""
    ports = range(FIRST_PORT, FIRST_PORT + PORTS_TRIED) if wanted is None else (wanted,)
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                return port
            except OSError:
                continue
    if wanted is None:
        raise UserError(f"port: {FIRST_PORT} to {ports[-1]} are all taken, expected one to be free")
    raise UserError(f"port: {wanted} is taken or not allowed, expected a free one; leave it out")


def serve(
    uri: str | None, directory: str, port: int | None, open_browser: bool, host: str = LOOPBACK
) -> None:
    """Serve MLflow's interface over the store until Ctrl-C or SIGTERM, and print links into it.

    With an http(s) `uri` the server is there already: only the links are printed. On another
    `host` than this machine's own it asks for a user and a password. Raises UserError for an
    unusable store, host or port, or when the interface does not start.
    """
    access = Access.of(host)
    target, client = open_existing(uri, directory)
    with explained(target):
        found = newest(client)
        links.save_view(client, found.experiment, found.run, found.curve, found.arms)
    if target.startswith("http"):
        _show(target, found, open_browser)
        return
    with terminations_raised():
        while not _served(
            target, Path(directory), access, free_port(port, access.host), found, open_browser
        ):
            # Another program was faster; a port that was asked for is refused the next time.
            pass


def _served(
    target: str, directory: Path, access: Access, port: int, found: Newest, open_browser: bool
) -> bool:
    """Serve on `port` until a signal; False if another program has taken the port meanwhile."""
    base = f"http://{access.name}:{port}"
    with TemporaryFile() as log:
        print(f"starting MLflow's interface on {base} (takes about ten seconds) ...", flush=True)
        with _server(target, directory, access, port, log, found.arms) as process:
            try:
                if not _comes_up(process, port, log, access.probe):
                    return False
                _show(base, found, open_browser)
                _say_who_may(access, port)
                print("Ctrl-C stops it", flush=True)
                process.wait()
                raise UserError(f"MLflow's interface ended by itself: {_last_line(log)}")
            except (KeyboardInterrupt, SystemExit):
                print("stopped", flush=True)
                return True


def _show(base: str, found: Newest, open_browser: bool) -> None:
    pages = page_links(base, found)
    for what, link in pages:
        print(f"{what}:\n  {link}", flush=True)
    if open_browser:
        webbrowser.open(pages[0][1])


def _say_who_may(access: Access, port: int) -> None:
    """Say how others get in, and that what they send can be read on the way."""
    if not access.is_open:
        return
    word = f"password {access.password}" if access.made_up else f"the password of {PASSWORD}"
    print(
        f"open to other machines: user {access.user}, {word} ({USER} and {PASSWORD} choose them)\n"
        "not encrypted: where others listen, leave --host out and use "
        f"ssh -L {port}:localhost:{port} {socket.gethostname()}",
        flush=True,
    )


@contextmanager
def _server(
    uri: str, directory: Path, access: Access, port: int, log: IO[bytes], arms: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server in a process group of its own, and end the whole group afterwards."""
    colours = {links.group_of(arm): colour_of(place) for place, arm in enumerate(arms)}
    environment = {
        **os.environ,
        # Without these it takes 14 processes and 3 GB instead of .5 GB.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        STORE: uri,
        ARTIFACTS: (directory.resolve() / "artifacts").as_uri(),
        PARENT: str(os.getpid()),
        COLOURS: json.dumps(colours),
        **access.environment(port),
    }
    command = [sys.executable, "-m", "uvicorn", "--factory", "htmrun.tracking.gate:app"]
    command += ["--host", access.host, "--port", str(port), "--workers", "1"]
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=log,
        stderr=log,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process group: politely, then for certain; waits until its last process is gone."""
    group = process.pid
    try:
        _signal_group(group, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_LIMIT_S
        while time.monotonic() < deadline:
            process.poll()  # Reaps the leader, which would otherwise keep the group alive.
            if not _signal_group(group, 0):
                return
            time.sleep(0.05)
    finally:  # Also for a second, impatient Ctrl-C.
        if _signal_group(group, signal.SIGKILL):
            process.wait()


def _signal_group(group: int, number: int) -> bool:
    """Return whether the group still has a process that took signal `number`."""
    try:
        os.killpg(group, number)
        return True
    except ProcessLookupError:
        return False


def _comes_up(
    process: subprocess.Popen[bytes], port: int, log: IO[bytes], host: str = LOOPBACK
) -> bool:
    """Wait until it answers; False if it ends because another program has the port."""
    deadline = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            log.seek(0)
            if b"address already in use" in log.read():
                return False
            raise UserError(f"MLflow's interface did not start: {_last_line(log)}")
        # An answer alone might be that of another program which took the port first.
        if _listens(process, port):
            try:
                urlopen(f"http://{host}:{port}/health", timeout=2).close()
                return True
            except HTTPError:  # It asks for a password.
                return True
            except (URLError, OSError):
                pass
        time.sleep(0.2)
    raise UserError(f"MLflow's interface did not answer within {_START_LIMIT_S:.0f} s")


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Return whether `process` or a child of it listens at `port`."""
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(process.pid)
        for member in (leader, *leader.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                for connection in member.net_connections("inet"):
                    if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                        return True
    return False


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
