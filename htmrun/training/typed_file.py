"""Arrays and plain values in one file, which is checked before it is believed.

The first line names what it holds, its version, and the BLAKE2b hash of the rest, which is an npz
archive: arrays, and all else as JSON in `json`. It is data, never code.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import is_dataclass
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from htmrun.backends.bits import Bits

DAMAGED = (
    OSError, ValueError, KeyError, TypeError, MemoryError, RecursionError, zipfile.BadZipFile
)  # fmt: skip
"""What reading a file raises that is no whole one."""
_JSON = "json"
_MANY_BYTES = 1 << 16
_DIGEST = 64


def write(path: Path, tree: Any, title: str, *, before: Path | None = None) -> None:
    """Write dataclasses, `Bits`, dicts, lists, arrays and plain values; whole or not at all.

    before: where to keep what was there, so that at any moment one of the two is whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with half.open("w+b") as file:
            _dump(tree, file, title)
            file.flush()
            os.fsync(file.fileno())
        if before is not None and path.exists():
            path.replace(before)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def read(path: Path, title: str) -> Any:
    """Return what `write` wrote, with dicts for dataclasses and `Bits`.

    One of DAMAGED where it is not whole, FileNotFoundError where there is none.
    """
    with path.open("rb") as file:
        try:
            return _load(file, title)
        except DAMAGED:
            raise
        except Exception as error:  # What a reader of archives raises is documented by none.
            raise ValueError(f"{type(error).__name__}: {error}") from error


def _dump(tree: Any, file: BufferedRandom, title: str) -> None:
    arrays: dict[str, np.ndarray] = {}

    def plain(node: Any, place: str) -> Any:
        if isinstance(node, np.ndarray):
            rows = _used_rows(node)
            arrays[place] = node if rows is None else node[rows]
            if rows is None:
                return {"array": place}
            arrays[f"{place}/rows"] = rows
            return {"array": place, "rows": f"{place}/rows", "count": len(node)}
        if isinstance(node, Bits):
            node = {name: getattr(node, name) for name in Bits.__slots__}
        elif is_dataclass(node):
            node = vars(node)
        if isinstance(node, Mapping):
            return {name: plain(value, f"{place}/{name}") for name, value in node.items()}
        if isinstance(node, (list, tuple)):
            return [plain(value, f"{place}/{i}") for i, value in enumerate(node)]
        return node

    text = json.dumps(plain(tree, ""))
    file.write(b" " * _length(title))
    np.savez(file, **{_JSON: np.frombuffer(text.encode(), np.uint8), **arrays})  # type: ignore[arg-type]
    file.write(_first_line(file, title))


def _used_rows(array: np.ndarray) -> np.ndarray | None:
    """Return the rows that are not all zero bytes, where the others are worth leaving out."""
    if array.ndim < 2 or array.nbytes < _MANY_BYTES or not array.flags.c_contiguous:
        return None
    used = array.view(np.uint8).reshape(len(array), -1).any(axis=1)
    return np.flatnonzero(used) if used.mean() < 0.5 else None


def _length(title: str) -> int:
    return len(title) + 1 + _DIGEST + 1


def _first_line(file: BufferedRandom | BufferedReader, title: str) -> bytes:
    """Return what the first line of a file must be; leaves the file at its beginning."""
    file.seek(_length(title))
    digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_DIGEST // 2))
    file.seek(0)
    return f"{title} {digest.hexdigest()}\n".encode()


def _load(file: BufferedReader, title: str) -> Any:
    expected = _first_line(file, title)
    if (found := file.read(_length(title))) != expected:
        known = found.startswith(f"{title} ".encode())
        raise ValueError("its checksum is another" if known else f"found no '{title}' in it")
    with np.load(file, allow_pickle=False) as archive:
        # Nothing here was ever compressed: no array is larger than the file.
        if any(part.compress_type != zipfile.ZIP_STORED for part in archive.zip.infolist()):
            raise ValueError("it is compressed")

        def with_arrays(node: dict[str, Any]) -> Any:
            if node.keys() == {"array"}:
                return archive[node["array"]]
            if node.keys() != {"array", "rows", "count"}:
                return node
            used = archive[node["array"]]
            whole = np.zeros((node["count"], *used.shape[1:]), used.dtype)
            whole[archive[node["rows"]]] = used
            return whole

        return json.loads(archive[_JSON].tobytes(), object_hook=with_arrays)
