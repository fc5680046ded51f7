"""Files of lines that are appended to: whatever happens, only whole lines stand in them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_PIECE = 1 << 16


def append_whole(path: Path, data: bytes) -> None:
    """Append whole lines, on the disk when it returns; one writer at a time.

    What a process that died left of a line is taken away first. Raises OSError where there is no
    room, and leaves what was there.
    """
    with path.open("a+b", buffering=0) as file:
        end = _end_of_lines(file.fileno())
        file.truncate(end)
        try:
            if file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError as error:
            error.filename = str(path)
            file.truncate(end)
            raise


def _end_of_lines(file: int) -> int:
    """Return where the last whole line of a file ends."""
    end = os.fstat(file).st_size
    while end > 0:
        begin = max(0, end - _PIECE)
        last = os.pread(file, end - begin, begin).rfind(b"\n")
        if last >= 0:
            return begin + last + 1
        end = begin
    return 0
