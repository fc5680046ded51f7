"""Readers of files, fed with damaged bytes: whatever they raise but a UserError is a crash."""

from __future__ import annotations

import gzip
import hashlib
import io
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from htmrun.components.sources import open_source
from htmrun.components.sources.idx import read_idx
from htmrun.components.sources.npz import NpzParameters
from htmrun.components.sources.pictures import read_picture
from htmrun.components.sources.series import SeriesParameters
from htmrun.config import yaml_files
from htmrun.errors import UserError
from htmrun.training import checkpoints
from htmrun.training.records import Job

MOST = 1 << 24
"""Bytes that a reader is allowed to unpack: the machine is not what is tried."""


def reader(name: str) -> Callable[[bytes], None]:
    """Return a function that reads bytes as a file of one format, and lets no UserError out."""
    place = Path(tempfile.mkdtemp(prefix="htmrun-fuzz-")) / _FILES[name]

    def read(content: bytes) -> None:
        place.write_bytes(content)
        try:
            _READERS[name](place)
        except UserError as error:
            if not str(error).strip():
                raise ValueError("an error without a word") from error

    return read


def _series(path: Path) -> None:
    source = open_source(SeriesParameters(path=str(path), max_bytes=MOST), base_dir=path.parent)
    source.samples  # noqa: B018 - it reads all rows.
    source.notes  # noqa: B018
    for _ in source.train(0, 0, 100):
        pass


def _archive(path: Path) -> None:
    source = open_source(NpzParameters(path=str(path), max_bytes=MOST), base_dir=path.parent)
    source.classes  # noqa: B018 - it reads the labels.
    source.fingerprint  # noqa: B018


def _checkpoint(path: Path) -> None:
    """Read it as it is, and once more with a checksum that is right."""
    content, said = path.read_bytes(), list[str]()
    for text in (content, _signed(content)):
        path.write_bytes(text)
        keeper = checkpoints.Keeper(path, "a job", 60.0, notice=said.append)
        assert keeper.read() is None
    assert all("\n" not in line for line in said)


def _signed(content: bytes) -> bytes:
    rest = content[content.find(b"\n") + 1 :]
    digest = hashlib.blake2b(rest, digest_size=32).hexdigest()
    title = content.split(b"\n", 1)[0].rpartition(b" ")[0]
    return title + b" " + digest.encode() + b"\n" + rest


def _yaml(path: Path) -> None:
    yaml_files.load(path)


_FILES = {
    "csv": "a.csv", "csv.gz": "a.csv.gz", "idx": "a-idx3-ubyte", "npz": "a.npz", "png": "a.png",
    "picture": "a.tif", "yaml": "a.yaml", "checkpoint": f"{Job('online', 0).name}.checkpoint",
}  # fmt: skip
_READERS: Mapping[str, Callable[[Path], Any]] = {
    "csv": _series, "csv.gz": _series, "npz": _archive, "yaml": _yaml, "checkpoint": _checkpoint,
    "idx": lambda path: read_idx(path, MOST),
    "png": lambda path: read_picture(path, grey=True, most=1 << 20),
    "picture": lambda path: read_picture(path, grey=False, background=0, most=1 << 20),
}  # fmt: skip


def _picture(form: str, mode: str) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (5, 4), 3 if mode in "L1P" else None).save(file, form)
    return file.getvalue()


def _npz() -> bytes:
    file, numbers = io.BytesIO(), np.arange(240, dtype=np.uint8)
    images, labels = numbers.reshape(15, 4, 4), numbers[:15] % 3
    np.savez(file, x_train=images, y_train=labels, x_test=images, y_test=labels.astype("U1"))
    return file.getvalue()


def _kept() -> bytes:
    file = Path(tempfile.mkdtemp(prefix="htmrun-fuzz-")) / "a.checkpoint"
    keeper = checkpoints.Keeper(file, "a job", 60.0)
    keeper.write({"cursor": {"place": 1}, "told": [1, 2], "pipeline": np.arange(9)})  # type: ignore[arg-type]
    return file.read_bytes()


_TABLES = (
    "when,load,temperature\n2026-01-05 00:00,1.5,3\n2026-01-05 01:00,2.5,\n2026-01-05 02:00,x,4\n",
    "Date;Time;load\n05.01.2026;13.00.00;1.234,5\n06.01.2026;14.00.00;-1.000,25\n",
    "ts\tload\n1767571200\t1e5\n1767574800\tNaN\n",
    "reset,when,load\nint,datetime,float\nR,T,\n0,[10/Oct/2000:13:55:36 -0700],1\n1,Jan 5 2026,2\n",
    "when,load\n2026-W01,1\n2026-Q2,2\n2026-01-05T10:00:00.123456789Z,3\n",
)
_IDX = b"\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x02" + bytes(range(8))
SEEDS: Mapping[str, tuple[bytes, ...]] = {
    "csv": tuple(text.encode() for text in _TABLES),
    "csv.gz": tuple(gzip.compress(text.encode(), mtime=0) for text in _TABLES),
    "idx": (_IDX, gzip.compress(_IDX, mtime=0)),
    "npz": (_npz(),),
    "png": (_picture("PNG", "L"), _picture("PNG", "P"), _picture("PNG", "I;16")),
    "picture": tuple(
        _picture(form, mode)
        for form, mode in (("TIFF", "L"), ("GIF", "P"), ("BMP", "RGB"), ("JPEG", "L"), ("PPM", "L"))
    ),
    "yaml": (b"a: &x [1, 2.5e3, {b: *x}]\nc: !!str 5\nd: ${a}\n? [k]\n: |\n  text\n", b"- 1\n"),
    "checkpoint": (_kept(),),
}  # fmt: skip


_ODD = (b"\xff" * 4, b"\x7f\xff\xff\xff", b"9" * 400, b"-1", b"1e400", b",")


@st.composite
def damaged(draw: st.DrawFn, name: str) -> bytes:
    """Draw an example of a format with a few bytes changed, left out, doubled or put in."""
    content = bytearray(draw(st.sampled_from(SEEDS[name])))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(content)))
        count = draw(st.integers(0, 8))
        content[place : place + count] = draw(
            st.one_of(
                st.binary(max_size=8),
                st.just(bytes(content[place : place + 40]) * 2),
                st.sampled_from(_ODD),
            )
        )
    return bytes(content)


def many(
    name: str, read: Callable[[bytes], None], report: Callable[[bytes], None], *,
    number: int = 0, examples: int = 500,
) -> int:  # fmt: skip
    """Feed a reader with damaged examples drawn from a seed; report what broke it.

    Returns how many examples there were.
    """
    tried = 0

    @seed(number)
    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(damaged(name))
    def feed(content: bytes) -> None:
        nonlocal tried
        tried += 1
        try:
            read(content)
        except Exception:
            report(content)
            raise

    try:
        feed()
    except Exception as error:  # Reported, and shrunk by hypothesis.
        print(f"{name}: {type(error).__name__}: {error}")
    return tried
