"""Public image collections: fetched once into the user's cache, every file checked."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import os
import sys
import tarfile
import tempfile
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from htmrun.errors import UserError
from htmrun.paths import cache_directory

TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Collection:
    """Files that lie together under `folder` of the cache.

    `digests` has the MD5 (32 digits) or SHA-256 (64) of each file; `unpacked`: of what is inside
    the gzip file, as mirrors may compress the same content differently. `instead`: what a user
    who is offline can give.
    """

    title: str
    folder: str
    mirrors: tuple[str, ...]
    digests: Mapping[str, str]
    instead: str
    unpacked: bool = False


_FOUR_FILES = "give data.path=DIR with the four IDX files"
MNIST = Collection(
    "MNIST",
    "mnist",
    (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    {
        "train-images-idx3-ubyte.gz":
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte.gz":
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte.gz":
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte.gz":
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    _FOUR_FILES,
    unpacked=True,
)  # fmt: skip
# Xiao, Rasul, Vollgraf 2017, "Fashion-MNIST"; the sums are those of its own page.
FASHION_MNIST = Collection(
    "Fashion-MNIST",
    "fashion_mnist",
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    _FOUR_FILES,
)
# Krizhevsky 2009; the sum is that of its own page.
CIFAR10 = Collection(
    "CIFAR-10",
    "cifar10",
    ("https://www.cs.toronto.edu/~kriz/",),
    {"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"},
    "give data.path=DIR with data_batch_1.bin to data_batch_5.bin and test_batch.bin",
)
CIFAR10_FILES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")


def fetch(collection: Collection, directory: Path | None = None) -> Path:
    """Return a directory with the files of a collection, downloading those that are not there.

    Raises UserError if no mirror gives a file with the right sum, or nothing can be stored.
    """
    target = directory or cache_directory() / collection.folder
    with _kept(collection, target):
        target.mkdir(parents=True, exist_ok=True)
        for name in collection.digests:
            file = target / name
            if not file.is_file() or not _genuine(collection, file.read_bytes(), name):
                _store(_download(collection, name, target), file)
    return target


def fetch_cifar10(directory: Path | None = None) -> Path:
    """Return a directory with CIFAR-10's six binary files, downloading them if one is missing.

    Raises UserError as `fetch` does. The archive is taken apart in memory and not kept.
    """
    target = directory or cache_directory() / CIFAR10.folder
    if all((target / name).is_file() for name in CIFAR10_FILES):
        return target
    (archive,) = CIFAR10.digests
    with _kept(CIFAR10, target):
        target.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(_download(CIFAR10, archive, target))) as packed:
            for member in packed:
                name = Path(member.name).name
                content = packed.extractfile(member) if name in CIFAR10_FILES else None
                if content is not None:
                    _store(content.read(), target / name)
    return target


@contextmanager
def _kept(collection: Collection, target: Path) -> Iterator[None]:
    """Turn failures to store something into a line for the user."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"data.path: {collection.title} cannot be kept in {target} "
            f"({error.strerror or error}); set XDG_CACHE_HOME, or {collection.instead}"
        ) from None


def _genuine(collection: Collection, packed: bytes, name: str) -> bool:
    content = packed
    if collection.unpacked:
        try:
            content = gzip.decompress(packed)
        except (OSError, EOFError, zlib.error):
            return False
    wanted = collection.digests[name]
    if len(wanted) == 32:
        # Against damage on the way, which is what the publishers' MD5 is for.
        return hashlib.md5(content, usedforsecurity=False).hexdigest() == wanted
    return hashlib.sha256(content).hexdigest() == wanted


def _download(collection: Collection, name: str, target: Path) -> bytes:
    print(f"downloading {collection.title}: {name} into {target}", file=sys.stderr, flush=True)
    reasons = []
    for mirror in collection.mirrors:
        try:
            with urllib.request.urlopen(f"{mirror}{name}", timeout=TIMEOUT_SECONDS) as reply:
                packed: bytes = reply.read()
        except (OSError, http.client.HTTPException) as e:
            reasons.append(str(getattr(e, "reason", e)))
            continue
        if _genuine(collection, packed, name):
            return packed
        reasons.append("its checksum differs")
    raise UserError(
        f"data.path: {collection.title}'s {name} could not be downloaded "
        f"({'; '.join(reasons)}); {collection.instead}"
    )


def _store(content: bytes, file: Path) -> None:
    # Renaming is atomic: a run beside this one sees the whole file or none.
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=file.name)
    try:
        with os.fdopen(handle, "wb") as f:
            f.write(content)
        os.replace(temporary, file)
    except BaseException:
        os.unlink(temporary)
        raise
