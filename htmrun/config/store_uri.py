"""Addresses of stores, taken apart once: what MLflow could not open is refused before a run."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from htmrun.errors import printable

SERVERS = ("http", "https", "databricks")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
FORMS = "null, sqlite:///FILE, another database (postgresql, mysql, mssql) or http(s)://HOST:PORT"


def checked(uri: str) -> str:
    """Return a tracking URI without a slash at its end; raises ValueError for what is none.

    Relative SQLite paths become absolute, so that every process means the same file.
    """
    scheme, separator, rest = uri.partition("://")
    kind = scheme.partition("+")[0]
    if not separator or (scheme not in SERVERS and kind not in DATABASES):
        raise _refused(uri)
    if scheme == "sqlite":
        if not rest.removeprefix("/"):
            raise _refused(uri, "no file")
        path = Path(rest.removeprefix("/"))
        if not uri.isprintable():
            raise _refused(uri)
        if path.is_dir():
            raise _refused(uri, "a folder")
        return f"sqlite:///{path.resolve()}"
    if re.search(r"[\s\x00-\x1f\x7f]", uri):
        raise _refused(uri, "a blank in it")
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _refused(uri, str(error)) from None
    if port == 0 or (scheme in ("http", "https") and not host):
        raise _refused(uri, "port 0" if host else "no host")
    return uri.rstrip("/")


def _refused(uri: str, why: str = "") -> ValueError:
    found = f"'{printable(hide_password(uri))}'" + (f" ({why})" if why else "")
    return ValueError(f"found {found}, expected {FORMS}")


def hide_password(uri: str) -> str:
    """Return `uri` without the user and password that may stand in it."""
    return re.sub(r"//[^/@\s]*@", "//***@", uri)
