"""Files of a user, as anyone may have left them: regular, readable, and no larger than allowed.

A size that a header or a packed file declares is checked against what the file can hold before
memory is taken for it.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from htmrun.errors import UserError, printable

MOST_PACKED = 1032
"""Bytes that one byte of deflate can stand for."""
MOST_BYTES = 1 << 36
"""Bytes that a file of data may have unless that is set otherwise."""
_PIECE = 1 << 24
_KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket",
}  # fmt: skip


def opened(
    path: Path, expected: str, field: str = "", most: int | None = None
) -> io.BufferedReader:
    """Open a file for reading, without waiting for anything.

    Raises UserError, with `field` before the path, for what is no regular file, cannot be read, or
    has more than `most` bytes.
    """
    name = printable(str(path))
    label = f"{field}: {name}" if field else f"{name}:"
    try:
        # A pipe that nobody writes to would be waited for.
        file = io.FileIO(path, opener=lambda name, flags: os.open(name, flags | _AT_ONCE))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{label} cannot be read ({reason}), expected {expected}") from None
    state = os.fstat(file.fileno())
    if not stat.S_ISREG(state.st_mode):
        file.close()
        found = _KINDS.get(stat.S_IFMT(state.st_mode), "no file")
        raise UserError(f"{label} is {found}, expected {expected}")
    if most is not None and state.st_size > most:
        file.close()
        raise too_large(path, state.st_size, most)
    return io.BufferedReader(file)


_AT_ONCE = getattr(os, "O_NONBLOCK", 0)


def read_text(path: Path, expected: str, most: int) -> str:
    """Return a UTF-8 text of at most so many bytes; raises UserError."""
    with opened(path, expected) as file:
        content = file.read(most + 1)
        if len(content) > most:
            raise UserError(f"{path}: more than {most:,} bytes, expected {expected}")
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise UserError(
                f"{path}:{line}: byte {error.object[error.start]:#04x} is no UTF-8 text, "
                f"expected {expected}"
            ) from None


def too_large(
    path: Path | str, size: int, most: int, what: str = "bytes", field: str = "max_bytes"
) -> UserError:
    """Return the error for a file, or a part of one, that is larger than a field of `data` says."""
    return UserError(
        f"{path}: {size:,} {what}, expected at most data.{field} = {most:,}; "
        f"data.{field}={size} reads it"
    )


@contextmanager
def parsing(label: str, expected: str) -> Iterator[None]:
    """Turn whatever a reader of a format raises about a file into a line for the user."""
    try:
        yield
    except UserError:
        raise
    except MemoryError:
        raise UserError(f"{label}: does not fit into memory, expected {expected}") from None
    except RecursionError:
        raise UserError(f"{label}: nested too deeply, expected {expected}") from None
    except Exception as error:
        # What libraries raise about damaged bytes is documented by none of them.
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UserError(
            f"{label}: broken ({' '.join(str(reason).split())[:200]}), expected {expected}"
        ) from None


class Unpacked(io.RawIOBase):
    """What a gzip file holds, read piece by piece; raises UserError where it is broken.

    most: bytes that may come out of it.
    """

    def __init__(self, file: BinaryIO, path: Path, expected: str, most: int) -> None:
        self._gzip, self._path, self._expected, self._most = (
            gzip.GzipFile(fileobj=file), path, expected, most,
        )  # fmt: skip
        self._file, self._count = file, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        """Fill `buffer` and return how many bytes came."""
        with _unpacking(self._path, self._expected):
            count = self._gzip.readinto(buffer)  # type: ignore[arg-type]
        self._count += count
        if self._count > self._most:
            raise UserError(
                f"{self._path}: more than data.max_bytes = {self._most:,} bytes after unpacking, "
                f"expected at most that; data.max_bytes={4 * self._most} reads more"
            )
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def _unpacking(path: Path, expected: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path}: broken gzip file ({error}), expected {expected}") from None


def take(file: BinaryIO, count: int) -> bytes:
    """Return the next `count` bytes of a file, or fewer where it ends; no room is taken before."""
    pieces, left = [], count
    while left and (piece := file.read(min(left, _PIECE))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
