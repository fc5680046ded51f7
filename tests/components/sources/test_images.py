"""Digits and IDX files: the split, the order, the format, the download."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from htmrun import paths
from htmrun.components.sources import download, open_source
from htmrun.components.sources.digits import DigitsParameters
from htmrun.components.sources.idx import IdxParameters, read_idx
from htmrun.errors import UserError

SHARED = Path(
    os.environ.get("HTMRUN_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data")
)


def joined(chunks, field="image"):
    chunks = list(chunks)
    return (
        np.concatenate([c.fields[field] for c in chunks]),
        np.concatenate([c.target for c in chunks]),
    )


def idx_bytes(values, kind=0x08):
    header = bytes([0, 0, kind, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.tobytes()


@pytest.fixture
def idx_directory(tmp_path):
    random = np.random.default_rng(0)
    for part, n in (("train", 30), ("t10k", 12)):
        images = random.integers(0, 256, (n, 5, 4)).astype(np.uint8)
        labels = (np.arange(n) % 3).astype(np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))
    return tmp_path


def test_digits_split_is_stratified_and_complete():
    from sklearn.datasets import load_digits

    source = open_source(DigitsParameters())
    train, train_labels = joined(source.train(0, 0, 100))
    test, test_labels = joined(source.test(64))
    whole = load_digits()
    assert source.samples == len(train)
    assert train.dtype == np.uint8
    assert train_labels.dtype == np.int64
    for digit in range(10):
        n = int((whole.target == digit).sum())
        assert (test_labels == digit).sum() == int(0.2 * n + 0.5)

    # Together the two parts are the bundled set, image by image, label by label.
    def keys(images, labels):
        return sorted(
            (im.astype(np.uint8).tobytes(), int(y)) for im, y in zip(images, labels, strict=True)
        )

    both = keys(np.concatenate([train, test]), np.concatenate([train_labels, test_labels]))
    assert both == keys(whole.images, whole.target)


def test_held_out_images_depend_on_the_split_seed_alone():
    first, other = (open_source(DigitsParameters(split_seed=seed)) for seed in (0, 1))
    assert (joined(first.test(50))[0] != joined(other.test(50))[0]).any()
    with pytest.raises(UserError, match=r"data\.test_fraction: 0\.001 leaves a class without"):
        next(open_source(DigitsParameters(test_fraction=0.001)).train(0, 0, 1))


def test_idx_source_reads_plain_and_gzip(idx_directory):
    source = open_source(IdxParameters(path=idx_directory.name), base_dir=idx_directory.parent)
    assert source.shapes == {"image": (5, 4)}
    assert source.classes == 3
    assert source.class_names == ("0", "1", "2")
    images, labels = joined(source.test(5))
    raw = (idx_directory / "t10k-images-idx3-ubyte").read_bytes()
    assert images.tobytes() == raw[16:]
    assert labels.tolist() == [0, 1, 2] * 4
    few = open_source(IdxParameters(path=str(idx_directory), train_samples=7, test_samples=2))
    assert few.samples == 7
    assert sorted(joined(few.train(0, 0, 3))[1]) == [0, 0, 0, 1, 1, 2, 2]
    assert len(joined(few.test(9))[1]) == 2
    assert few.fingerprint != source.fingerprint


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images-idx3-ubyte", b"PNG!", "begins with 50 4e 47 21, expected an IDX header"),
        ("train-images-idx3-ubyte", b"", "begins with nothing"),
        ("train-images-idx3-ubyte", b"\0\0\x07\3", "IDX type 07, expected one of 08"),
        ("train-images-idx3-ubyte", b"\0\0\x08\3\0\0", "6 bytes, expected 3 dimensions"),
        (
            "train-images-idx3-ubyte",
            idx_bytes(np.zeros((3, 5, 4), np.uint8))[:-1],
            "75 bytes after unpacking, expected 76 for shape 3 x 5 x 4",
        ),
        (
            "train-images-idx3-ubyte",
            idx_bytes(np.zeros(3, np.uint8)),
            "uint8 in 1 dimensions, expected uint8 in 3",
        ),
        (
            "train-images-idx3-ubyte",
            idx_bytes(np.zeros((3, 5, 4), np.uint8)),
            "30 labels, expected 3 as in train-images-idx3-ubyte",
        ),
        ("t10k-labels-idx1-ubyte.gz", b"\x1f\x8bxx", "broken gzip file"),
        (
            "t10k-images-idx3-ubyte",
            idx_bytes(np.zeros((12, 4, 4), np.uint8)),
            r"test images of \(4, 4\) pixels, expected \(5, 4\)",
        ),
    ],
)
def test_wrong_idx_files_are_named(idx_directory, name, content, message):
    (idx_directory / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as e:
        next(open_source(IdxParameters(path=str(idx_directory))).train(0, 0, 1))
    assert str(idx_directory) in str(e.value)
    assert "\n" not in str(e.value)


def test_idx_types_are_read_big_endian(tmp_path):
    file = tmp_path / "x"
    values = np.array([[1, -2, 300], [4, 5, -600]])
    file.write_bytes(idx_bytes(values.astype(">i2"), 0x0B))
    assert read_idx(file).tolist() == values.tolist()
    assert read_idx(file).dtype == np.int16


def test_a_missing_idx_file_is_named_at_once(idx_directory, tmp_path):
    (idx_directory / "train-images-idx3-ubyte").unlink()
    with pytest.raises(UserError, match=r"data\.path: .* has no train-images-idx3-ubyte\[\.gz\]"):
        open_source(IdxParameters(path=str(idx_directory)))
    with pytest.raises(UserError, match="is no directory"):
        open_source(IdxParameters(path=str(tmp_path / "nowhere")))


def test_mnist_needs_no_files_to_say_what_it_is():
    source = open_source(IdxParameters(train_samples=100))
    assert (source.shapes, source.classes, source.samples) == ({"image": (28, 28)}, 10, 100)


def test_download_tries_every_mirror_and_checks_content(tmp_path, monkeypatch):
    names = [name.removesuffix(".gz") for name in download.MNIST.digests]
    good, bad = tmp_path / "good", tmp_path / "bad"
    for directory in (good, bad):
        directory.mkdir()
    for name in names:
        (good / f"{name}.gz").write_bytes(gzip.compress(name.encode()))
        (bad / f"{name}.gz").write_bytes(gzip.compress(b"something else"))
    sums = {f"{name}.gz": hashlib.sha256(name.encode()).hexdigest() for name in names}
    mirrors = tuple(f"{d.as_uri()}/" for d in (tmp_path / "none", bad, good))

    def fetch(place, asked):
        return download.fetch(replace(download.MNIST, digests=sums, mirrors=asked), place)

    target = fetch(tmp_path / "cache", mirrors)
    assert sorted(p.name for p in target.iterdir()) == sorted(f"{n}.gz" for n in names)
    # Once there, no mirror is asked; a damaged file is fetched again.
    fetch(target, ())
    damaged = target / f"{names[0]}.gz"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    with pytest.raises(UserError) as e:
        fetch(target, mirrors[:2])
    assert "its checksum differs" in str(e.value)
    assert "give data.path=DIR" in str(e.value)
    assert "\n" not in str(e.value)
    fetch(target, mirrors)
    assert gzip.decompress(damaged.read_bytes()) == names[0].encode()


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"data\.path: MNIST cannot be kept in .*XDG_CACHE_HOME"):
        download.fetch(download.MNIST, tmp_path / "file" / "mnist")


def test_fashion_mnist_is_checked_as_it_was_packed(tmp_path, capsys):
    packed = {name: gzip.compress(name.encode()) for name in download.FASHION_MNIST.digests}
    for name, content in packed.items():
        (tmp_path / name).write_bytes(content)
    sums = {name: hashlib.md5(content).hexdigest() for name, content in packed.items()}
    mirror = f"{tmp_path.as_uri()}/"
    known = replace(download.FASHION_MNIST, digests=sums, mirrors=(mirror,))
    target = download.fetch(known, tmp_path / "cache")
    assert {p.name: p.read_bytes() for p in target.iterdir()} == packed
    assert "downloading Fashion-MNIST: t10k-labels-idx1-ubyte.gz into" in capsys.readouterr().err
    # The same content packed in another way is not what was published.
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"x"))
    with pytest.raises(UserError, match=r"Fashion-MNIST's train-images.*its checksum differs"):
        download.fetch(known, tmp_path / "other")


def test_what_is_downloaded_is_known_before(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fashion = open_source(IdxParameters(dataset="fashion_mnist"))
    assert (fashion.name, fashion.shapes["image"], fashion.classes) == (
        *("fashion_mnist", (28, 28), 10),
    )
    assert list(tmp_path.iterdir()) == []


def test_cache_directory_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert paths.cache_directory() == tmp_path / "htmrun"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.cache_directory() == tmp_path / ".cache" / "htmrun"


@pytest.mark.skipif(not (SHARED / "mnist").is_dir(), reason="no mnist under HTMRUN_TEST_DATA")
def test_the_real_mnist_has_the_known_sums():
    for name, expected in download.MNIST.digests.items():
        content = gzip.decompress((SHARED / "mnist" / name).read_bytes())
        assert hashlib.sha256(content).hexdigest() == expected
    source = open_source(IdxParameters(path=str(SHARED / "mnist"), train_samples=500))
    images, labels = joined(source.test(5000))
    assert images.shape == (10_000, 28, 28)
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
