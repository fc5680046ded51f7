"""Write the golden file anew: `python -m tests.golden --write`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.golden.cases import MORE, SHIPPED, write_data
from tests.golden.golden import COMMAND, FILE, machine, run, written


def main() -> int:
    """Run every case and write the file; say how long each took."""
    if sys.argv[1:] != ["--write"]:
        print(f"usage: {COMMAND}", file=sys.stderr)
        return 2
    cases = {}
    with tempfile.TemporaryDirectory() as folder:
        data = write_data(Path(folder))
        for name in (*SHIPPED, *MORE):
            begun = time.perf_counter()
            cases[name] = run(name, Path(folder) / "runs", data)
            print(f"{name}: {time.perf_counter() - begun:.1f} s", file=sys.stderr)
    FILE.write_text(written(machine(), cases))
    return 0


sys.exit(main())
