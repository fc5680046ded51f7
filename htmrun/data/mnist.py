"""MNIST: fetched once into the user's cache, every file checked."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import tempfile
import urllib.request
import zlib
from pathlib import Path

from htmrun.errors import UserError
from htmrun.paths import cache_directory

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
# Of the unpacked files: mirrors may compress the same content differently.
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
TIMEOUT_SECONDS = 30


def fetch(directory: Path | None = None, mirrors: tuple[str, ...] = MIRRORS) -> Path:
    """Return a directory with the four MNIST files, downloading those that are not there.

    Raises UserError if no mirror gives a file with the right SHA-256, or nothing can be stored.
    """
    target = directory or cache_directory() / "mnist"
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in SHA256:
            file = target / f"{name}.gz"
            if not file.is_file() or not _genuine(file.read_bytes(), name):
                _store(_download(name, mirrors), file)
    except OSError as e:
        raise UserError(
            f"data.path: MNIST cannot be kept in {target} ({e.strerror or e}); set XDG_CACHE_HOME, "
            "or give data.path=DIR with the four IDX files"
        ) from None
    return target


def _genuine(packed: bytes, name: str) -> bool:
    try:
        content = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error):
        return False
    return hashlib.sha256(content).hexdigest() == SHA256[name]


def _download(name: str, mirrors: tuple[str, ...]) -> bytes:
    reasons = []
    for mirror in mirrors:
        try:
            with urllib.request.urlopen(f"{mirror}{name}.gz", timeout=TIMEOUT_SECONDS) as reply:
                packed = reply.read()
        except (OSError, http.client.HTTPException) as e:
            reasons.append(str(getattr(e, "reason", e)))
            continue
        if _genuine(packed, name):
            return packed
        reasons.append("SHA-256 differs")
    raise UserError(
        f"data.path: MNIST's {name} could not be downloaded ({'; '.join(reasons)}); give "
        "data.path=DIR with the four IDX files"
    )


def _store(packed: bytes, file: Path) -> None:
    # Renaming is atomic: a run beside this one sees the whole file or none.
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=file.name)
    try:
        with os.fdopen(handle, "wb") as f:
            f.write(packed)
        os.replace(temporary, file)
    except BaseException:
        os.unlink(temporary)
        raise
