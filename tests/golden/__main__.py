"""Write the golden file anew, whole or some cases: `python -m tests.golden --write [CASE ...]`."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from tests.golden.cases import MORE, NETWORKS, SHIPPED, write_data
from tests.golden.golden import COMMAND, FILE, machine, run, written


def main() -> int:
    """Run the cases that are named, or every one, and write the file; say how long each took."""
    every = (*SHIPPED, *MORE)
    wanted = sys.argv[2:] or every
    if sys.argv[1:2] != ["--write"] or not set(wanted) <= set(every):
        print(f"usage: {COMMAND} [CASE ...], cases: {', '.join(every)}", file=sys.stderr)
        return 2
    before = json.loads(FILE.read_text())
    cases = {} if wanted == every else before["cases"]
    # Networks are of one machine: where none is run, it stays that of the file.
    of = machine() if set(wanted) >= NETWORKS else before["networks are of"]
    if NETWORKS & set(wanted) and of != machine():
        print(f"all of {', '.join(sorted(NETWORKS))}, or none of them: found another machine",
              file=sys.stderr)  # fmt: skip
        return 2
    with tempfile.TemporaryDirectory() as folder:
        data = write_data(Path(folder))
        for name in wanted:
            begun = time.perf_counter()
            cases[name] = run(name, Path(folder) / "runs", data)
            print(f"{name}: {time.perf_counter() - begun:.1f} s", file=sys.stderr)
    FILE.write_text(written(of, cases))
    return 0


sys.exit(main())
