"""Fuzz the readers of files: damaged bytes give a UserError or data, never anything else.

    python benchmarks/fuzz.py --minutes 60              # guided by coverage, where atheris is there
    python benchmarks/fuzz.py --minutes 60 --loop       # hypothesis' own loop

atheris is no dependency (`pip install atheris`; Linux and macOS). Each reader has its share of the
time and a process of its own. An input that something else than a UserError came of is kept in
--folder, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
READERS = "tests.helpers.fuzz"


def guided(name: str, seconds: int, folder: Path) -> int:
    """Run libFuzzer over one reader in this process; it ends the process itself."""
    import atheris

    with atheris.instrument_imports(include=["htmrun"]):
        readers = import_module(READERS)  # Nothing of htmrun may have been imported before.
    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for content in readers.SEEDS[name]:
        (corpus / hashlib.sha256(content).hexdigest()[:12]).write_bytes(content)
    limits = [f"-max_total_time={seconds}", "-rss_limit_mb=2048", "-timeout=20", "-max_len=8192"]
    atheris.Setup(
        [sys.argv[0], *limits, f"-artifact_prefix={folder}/{name}-", str(corpus)],
        readers.reader(name),
    )
    atheris.Fuzz()
    return 0


def looped(name: str, seconds: int, folder: Path) -> int:
    """Damage examples again and again, as hypothesis draws it, until the time is up."""
    readers = import_module(READERS)
    read, ends, tried = readers.reader(name), time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        found: list[bytes] = []
        tried += readers.many(name, read, found.append, number=tried)
        if found:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}-crash").write_bytes(found[-1])
            return 1
    print(f"{name}: {tried:,} inputs, no crash")
    return 0


def main() -> int:
    """Fuzz every reader, each in a process of its own; return 1 if one of them broke."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--folder", type=Path, default=Path("runs/fuzz"))
    parser.add_argument("--loop", action="store_true", help="hypothesis' loop instead of atheris")
    parser.add_argument("--reader", help="only this one")
    chosen = parser.parse_args()
    seconds = round(60 * chosen.minutes)
    if chosen.reader is not None:
        run: Callable[[str, int, Path], int] = looped if chosen.loop else guided
        return run(chosen.reader, seconds, chosen.folder)
    names = [*import_module(READERS).SEEDS]
    share = max(1, seconds // len(names))
    failed = []
    for name in names:
        more = ["--loop"] if chosen.loop else []
        command = [sys.executable, __file__, "--reader", name, "--minutes", str(share / 60), *more]
        done = subprocess.run(
            [*command, "--folder", str(chosen.folder)], capture_output=True, text=True, check=False
        )
        last = (done.stdout + done.stderr).strip().splitlines()[-1:]
        print(f"{name}: {share} s, exit status {done.returncode}; {''.join(last)}", flush=True)
        failed += [name] if done.returncode else []
    print(f"crashes: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
