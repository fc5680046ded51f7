"""The JavaScript that draws the charts of a page, which takes a second to be put together."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from htmrun._imports import vl_convert
from htmrun.paths import cache_directory


def vega_bundle() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script; the same text each time.

    It is kept in the user's cache, by the version that made it, beside the hash of it: what was
    cut short or changed there is not used.
    """
    path = cache_directory() / f"vega-{version('vl-convert-python')}.js"
    with suppress(OSError, UnicodeError):
        digest, _, text = path.read_text(encoding="utf-8").partition("\n")
        if digest == _digest(text):
            return text
    text = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    with suppress(OSError):  # A cache that cannot be written costs only time.
        _write(path, f"{_digest(text)}\n{text}")
    return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        half.write_text(text, encoding="utf-8", newline="")
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
