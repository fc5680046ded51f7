"""Checks cases in processes that may crash, forked from one that has imported everything.

`python -m tests.helpers.kernels.checker` reads lines of JSON, [folder of libraries, orders, cases],
and answers each with how its process ended: 0, 1 at a difference, or minus the number of a signal.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 120
"""After so many a case counts as caught in an endless loop: kernels take far less."""


class Checker:
    """The process that forks, as seen by a test; use it as a context manager."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.kernels.checker"], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def check(self, folder: Path, orders: Sequence[int], *names: str) -> int:
        """Return how the check of cases on the libraries in `folder` ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([str(folder), list(orders), names]), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


def _fork(folder: str, orders: Sequence[int], names: Sequence[str]) -> int:
    """Check in a process of its own; return its exit status, or minus the signal that ended it."""
    from tests.helpers.kernels import cases

    for name in names:
        cases.expected(cases.CASES[name])  # here, so that every process inherits it
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    signal.alarm(SECONDS)
    # The alarm's default ends a kernel too, which Python's own handlers would wait for.
    status = 1
    try:
        for name in names:
            cases.check(name, lambda file: Path(folder) / f"{Path(file).stem}.so", orders)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def main() -> None:
    """Answer until there are no more questions."""
    for line in sys.stdin:
        print(_fork(*json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
