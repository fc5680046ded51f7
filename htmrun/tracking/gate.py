"""MLflow's interface, behind a user and a password for `htmrun dashboard --host`.

uvicorn asks `app` for it, in a process that `Access.environment` has prepared.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
import socket
from dataclasses import dataclass

import psutil

from htmrun._imports import mlflow
from htmrun.errors import UserError
from htmrun.tracking.first_page import (
    Application,
    FirstPage,
    Message,
    Receive,
    Send,
    end_with,
    script,
)

LOOPBACK = "127.0.0.1"
EVERY_ADDRESS = "0.0.0.0"
USER, PASSWORD = "HTMRUN_DASHBOARD_USER", "HTMRUN_DASHBOARD_PASSWORD"
"""Environment variables: who may look, without them `htmrun` and a password made up."""
STORE, ARTIFACTS = "HTMRUN_DASHBOARD_STORE", "HTMRUN_DASHBOARD_ARTIFACTS"
PARENT, COLOURS = "HTMRUN_DASHBOARD_PARENT", "HTMRUN_DASHBOARD_COLOURS"
OPEN = "HTMRUN_DASHBOARD_OPEN"
"""Set for the server alone: what it shows, to whom, and the process that it ends with."""
_HOSTS = "MLFLOW_SERVER_ALLOWED_HOSTS"


@dataclass(frozen=True)
class Access:
    """Who gets at the dashboard: the address it listens on, and its user and password if open."""

    host: str = LOOPBACK
    user: str = ""
    password: str = ""
    made_up: bool = False

    @classmethod
    def of(cls, host: str) -> Access:
        """Return the access of an address of this machine; raises UserError for any other."""
        try:
            if not host:
                raise OSError("an empty name means every address")
            with socket.create_server((host, 0)):
                pass
        except (OSError, UnicodeError, OverflowError):
            raise UserError(
                f"--host: found '{host}', expected an IPv4 address or a name of this machine, "
                f"{EVERY_ADDRESS} for all of them"
            ) from None
        if host in (LOOPBACK, "localhost"):
            return cls()
        user, password = os.environ.get(USER, "htmrun"), os.environ.get(PASSWORD)
        if not user or ":" in user:
            raise UserError(f"{USER}: found '{user}', expected a name without a colon")
        if password == "":
            raise UserError(f"{PASSWORD}: found nothing, expected a password, or no such variable")
        return cls(host, user, password or secrets.token_urlsafe(12), password is None)

    @property
    def is_open(self) -> bool:
        """Whether other machines reach it."""
        return bool(self.password)

    @property
    def name(self) -> str:
        """The name under which it is reached."""
        return socket.gethostname() if self.host == EVERY_ADDRESS else self.host

    @property
    def probe(self) -> str:
        """The address at which this machine itself asks it."""
        return LOOPBACK if self.host == EVERY_ADDRESS else self.host

    def environment(self, port: int) -> dict[str, str]:
        """Return the variables of the server's process: who is let in, under which names.

        A page of another site that lets its own name mean this machine is refused (DNS rebinding).
        """
        names = {LOOPBACK, "localhost", *(_names() if self.is_open else ())}
        hosts = [*sorted(names), *sorted(f"{name}:*" for name in names)]
        if more := os.environ.get(_HOSTS):
            hosts.append(more)
        found = {_HOSTS: ",".join(hosts), "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false"}
        found |= {OPEN: "true" if self.is_open else "false"}
        if self.is_open:
            origins = ",".join(sorted(f"http://{name}:{port}" for name in names))
            found |= {USER: self.user, PASSWORD: self.password}
            found |= {"MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": origins}
        return found


def _names() -> set[str]:
    """Return what this machine is called, and its IPv4 addresses."""
    addresses = (one for some in psutil.net_if_addrs().values() for one in some)
    return {socket.gethostname(), socket.getfqdn()} | {
        one.address for one in addresses if one.family == socket.AF_INET
    }


@dataclass(frozen=True)
class Gate:
    """Lets nothing through to an application that does not have the password."""

    inside: Application
    key: bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Hand a request on, or ask for user and password."""
        shown = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] == "lifespan" or hmac.compare_digest(shown, self.key):
            await self.inside(scope, receive, send)
        elif scope["type"] == "http":
            asks = [(b"www-authenticate", b'Basic realm="htmrun", charset="UTF-8"')]
            await send({"type": "http.response.start", "status": 401, "headers": asks})
            await send({"type": "http.response.body", "body": b"user and password, please\n"})
        else:
            await send({"type": "websocket.close", "code": 1008})


def app() -> Application:
    """Return MLflow's own application with its first page changed, behind the gate if open."""
    end_with(int(os.environ[PARENT]))
    names, artifacts = mlflow.server.constants, os.environ[ARTIFACTS]
    os.environ |= {
        names.BACKEND_STORE_URI_ENV_VAR: os.environ[STORE],
        names.REGISTRY_STORE_URI_ENV_VAR: os.environ[STORE],
        names.ARTIFACT_ROOT_ENV_VAR: artifacts,
        names.ARTIFACTS_DESTINATION_ENV_VAR: artifacts,
        names.SERVE_ARTIFACTS_ENV_VAR: "true",
    }
    shown = FirstPage(mlflow.server.fastapi_app.app, script(json.loads(os.environ[COLOURS])))
    if os.environ[OPEN] != "true":
        return shown
    who = f"{os.environ[USER]}:{os.environ[PASSWORD]}"
    return Gate(shown, b"Basic " + base64.b64encode(who.encode()))
