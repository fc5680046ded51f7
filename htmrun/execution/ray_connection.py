"""The connection to a Ray cluster by ray://HOST[:PORT], or one line that says what is wrong."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from htmrun.errors import UserError

LOCAL = "local"
PORT = 10001
_PASSING = (
    "Starting Ray client server failed",
    "ray client connection timeout",
    "has already been disconnected",
    "StatusCode.NOT_FOUND",
    "StatusCode.UNAVAILABLE",
    "StatusCode.DEADLINE_EXCEEDED",
)
"""What Ray says where a head that has only just started, or a busy one, was not in time."""


def checked(on: str) -> str:
    """Return `on`, which is `local` or ray://HOST[:PORT], with the port; raises UserError."""
    if on == LOCAL:
        return on
    host = on.removeprefix("ray://").rstrip("/")
    try:
        whole = on.startswith("ray://") and bool(host) and urlsplit(on).port != 0
    except ValueError:
        whole = False
    if not whole:
        raise UserError(
            f"--on: found '{on}', expected local or ray://HOST[:PORT], e.g. ray://10.0.0.1"
        )
    return f"ray://{host if ':' in host else f'{host}:{PORT}'}"


def connect(address: str, wait_s: float, notice: Callable[[str], None]) -> Any:
    """Return the module `ray`, connected to `address`; raises UserError when it cannot be.

    A head that answers but is not ready is asked again for `wait_s` seconds.
    """
    address = checked(address)
    # Ray would try for half a minute, and print every attempt.
    os.environ.setdefault("RAY_CLIENT_RECONNECT_GRACE_PERIOD", "30")
    try:
        import ray
    except ImportError:
        raise UserError(
            "--on: Ray is not installed, expected the extra: pip install 'htmrun[ray]'"
        ) from None
    deadline = time.monotonic() + wait_s
    _must_answer(address)
    while True:
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
            return ray
        except Exception as error:
            text = " ".join(str(error).split())
            ray.shutdown()
            if time.monotonic() > deadline or not any(words in text for words in _PASSING):
                raise UserError(
                    f"--on: cannot use {address}: {text[:300]}; Python and Ray must be of the same "
                    "version on all nodes, and RAY_AUTH_MODE and the token the same"
                ) from error
            notice(f"{address} answers but is not ready yet; it is asked again")
            time.sleep(1.0)


@contextmanager
def kept(address: str) -> Iterator[None]:
    """Say in one line, as a UserError, that the connection was lost inside."""
    try:
        yield
    except ConnectionError as error:
        text = " ".join(str(error).split())[:200]
        raise UserError(f"--on: the connection to {address} was lost: {text}") from error


def _must_answer(address: str) -> None:
    """Raise UserError unless something listens there; Ray itself would wait for it."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise UserError(
            f"--on: no Ray answers at {address} ({error}); start it with: ray start --head "
            f"--ray-client-server-port={PORT}"
        ) from None
